"""`manage.py count_vouchers [OFFER_REFERENCE]`: unassigned codes of one offer, or of each that has a bank (S4-22)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from loyalty import clock
from loyalty.errors import DomainError
from loyalty.management.data_command import DataCommand
from offers.management import programme as programmes
from offers.selectors import voucher as selectors


class Command(DataCommand):
    help = "Count the unassigned voucher codes of an offer, or of every offer that has a bank."

    def add_arguments(self, parser: ArgumentParser) -> None:
        programmes.add_argument(parser)
        parser.add_argument("offer_reference", nargs="?")

    def handle(self, *args: Any, **options: Any) -> None:
        programme, now = programmes.chosen(options["programme"]), clock.now()
        if reference := options["offer_reference"]:
            try:
                bank = selectors.find(programme=programme, key=reference)
            except DomainError as error:
                raise CommandError(error.message) from error
            self.stdout.write(str(selectors.codes_left(bank=bank, now=now)))
            return
        banks = list(selectors.banks(programme=programme).order_by("config_offer__offer_reference"))
        left = selectors.codes_left_by_offer(offer_ids=[bank.config_offer_id for bank in banks], now=now)
        for bank in banks:
            self.stdout.write(f"{left[bank.config_offer_id]:>9,}  {bank.config_offer.offer_reference}")
