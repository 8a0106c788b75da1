"""Large runs for fault tests: members, codes and a launched run, planted by SQL in a second."""

from loyalty.database import execute, rows
from loyalty.models import Programme, Scope
from offers.models import MassAssignment, VoucherBatch
from tests.factories import ApiClientFactory, ConfigOfferFactory, ProgrammeFactory, draft_run, launch_run


def launched(members: int, *, codes: int | None = None, repeat_policy: str = "once_per_campaign") -> MassAssignment:
    """Return a launched run to so many new members, with a code for each unless told otherwise."""
    programme = ProgrammeFactory()
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True, repeat_policy=repeat_policy)
    execute(
        """
        INSERT INTO loyalty_member
               (programme_id, external_id, first_name, last_name, email, phone, email_key, phone_key, gender, language,
                timezone, city, country, tier, status, attributes, created_at, updated_at)
        SELECT %s, 'M' || n, '', '', '', '', '', '', '', '', '', '', '', '', 'active', '{}', now(), now()
          FROM generate_series(1, %s) AS n
        """,
        [programme.pk, members],
    )
    stock = members if codes is None else codes
    batch = VoucherBatch.objects.create(bank=offer.voucher_bank, lines=stock, imported=stock)
    segment = offer.voucher_bank.segments.create(batch=batch, size=stock)
    execute(
        """
        INSERT INTO offers_vouchercode (bank_id, segment_id, position, code, origin)
        SELECT %s, %s, n - 1, 'C' || n, 1 FROM generate_series(1, %s) AS n
        """,
        [offer.voucher_bank.pk, segment.pk, stock],
    )
    return launch_run(offer)


def counted(run: MassAssignment) -> tuple[int, int, int]:
    """Return the run's assignments, their members and their codes."""
    [found] = rows(
        "SELECT count(*) AS n, count(DISTINCT member_id) AS members, count(DISTINCT voucher_code_id) AS codes "
        "FROM offers_assignment WHERE run_id = %s",
        [run.pk],
    )
    return found["n"], found["members"], found["codes"]


def door(programme: Programme) -> tuple[str, int]:
    """Return a key that may grant the offer `door` to anybody any number of times, and a draft of a run of it."""
    offer = ConfigOfferFactory(programme=programme, offer_reference="door", repeat_policy="unlimited")
    _client, key = ApiClientFactory(programme=programme, scopes=[Scope.ASSIGN, Scope.TARGETINGS])
    return key, draft_run(offer).pk
