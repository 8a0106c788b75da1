"""`voucher-banks/{offer_reference}/codes`: upload a file of codes, count what is left (S4-17..22)."""

import io
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import IO, Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.tables import spooled
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.view import OffersView
from offers.models import VoucherBank, VoucherBatch
from offers.selectors import catalogue as offer_selectors
from offers.selectors import voucher as selectors
from offers.services import voucher, voucher_file

BY = OpenApiParameter("by", str, enum=["offer_reference", "id"], description="What the address carries.")


class VoucherFileParser(BaseParser):
    """Receives the whole file before the import locks the bank: beyond 1 MiB on disk, never above the limit."""

    media_type = "text/plain"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return spooled(stream, (parser_context or {})["request"], voucher_file.check_size)


class VoucherTableParser(VoucherFileParser):
    """The same for a file with an expiry for each code."""

    media_type = "text/csv"


class VoucherBatchSerializer(serializers.ModelSerializer[VoucherBatch]):
    """A batch that was just made; `now` stands in the context."""

    left = serializers.SerializerMethodField(help_text="Unassigned codes of the offer, after this import.")

    class Meta:
        model = VoucherBatch
        fields = ["id", "lines", "imported", "duplicates_in_file", "duplicates_in_bank", "expires_at", "left"]

    def get_left(self, batch: VoucherBatch) -> int:
        return selectors.codes_left(bank=batch.bank, now=self.context["now"])


def answered(batch: VoucherBatch, *, now: datetime) -> Response:
    """Answer a request that made the batch."""
    return Response(VoucherBatchSerializer(batch, context={"now": now}).data, status=201)


class StockSerializer(serializers.Serializer[Any]):
    offer_reference = serializers.CharField(source="bank.config_offer.offer_reference")
    left = serializers.IntegerField(help_text="Unassigned codes that can be drawn now.")
    expiring = serializers.IntegerField(help_text="Of those left, how many expire within 14 days.")
    drawn = serializers.IntegerField(help_text="Given or reserved; a code that came back is not among them.")
    given = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="Reserved by runs, and nobody's yet.")
    returned = serializers.IntegerField(help_text="How often a code came back unseen.")
    voided = serializers.IntegerField()
    held = serializers.IntegerField(help_text="Made here and not exported yet.")
    expired = serializers.IntegerField(help_text="Never drawn, and too late.")
    imported = serializers.IntegerField(help_text="All codes, each once, without those an undo took out.")


class FindingSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    severity = serializers.ChoiceField(
        ["error", "ignored", "warning"],
        help_text="An error refuses the file, an ignored line is left out, a warning changes nothing.",
    )
    count = serializers.IntegerField(help_text="How many there are; `problems` lists the first of them.")
    more = serializers.IntegerField(help_text="How many are not listed.")
    problems = serializers.ListField(child=serializers.DictField())


class ExpirySerializer(serializers.Serializer[Any]):
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: never.")
    count = serializers.IntegerField()


class ReportSerializer(serializers.Serializer[Any]):
    lines = serializers.IntegerField()
    imported = serializers.IntegerField(help_text="How many codes would be imported; 0 when the file is refused.")
    duplicates_in_file = serializers.IntegerField()
    duplicates_in_bank = serializers.IntegerField()
    is_acceptable = serializers.BooleanField()
    findings = FindingSerializer(many=True)
    expiries = ExpirySerializer(many=True, help_text="When what would be imported expires, earliest first.")


EXPIRES_AT = OpenApiParameter(
    "expires_at",
    OpenApiTypes.DATETIME,
    description="When the codes expire, with offset; in a CSV file those without an expiry of their own.",
)
FILE_PARAMETERS = [BY, EXPIRES_AT, OpenApiParameter("file_name", str)]
FILE = {"text/plain": OpenApiTypes.BINARY, "text/csv": OpenApiTypes.BINARY}


class VoucherFileView(OffersView):
    """What takes a file of codes for a bank."""

    parser_classes = [VoucherFileParser, VoucherTableParser]
    keys = ("offer_reference", "id")

    def found(self, key: str) -> VoucherBank:
        """Return the bank; by its offer's reference also before the first publication, when there was none yet."""
        if self.by == "offer_reference":
            return voucher.make_bank(offer=offer_selectors.find(programme=self.programme, key=key))
        return selectors.find(programme=self.programme, by="id", key=key)

    def given(self) -> dict[str, Any]:
        """Return what an import and its dry run are told."""
        expires_at = moment(self.request.query_params.get("expires_at"))
        # Without a body the framework does not ask the parser.
        data: Any = self.request.data
        file: IO[bytes] = data if hasattr(data, "read") else io.BytesIO()
        file_name = self.request.query_params.get("file_name", "")
        if (self.request.content_type or "").startswith("text/csv") and not voucher.is_table(file_name):
            file_name = f"{file_name or 'codes'}.csv"
        return {
            "file": file,
            "file_name": file_name,
            "expires_at": expires_at,
            "now": clock.now(),
        }


class VoucherCodes(VoucherFileView):
    scopes = {"GET": Scope.VOUCHERS, "POST": Scope.VOUCHERS}

    @extend_schema(operation_id="count_voucher_codes", responses=StockSerializer, parameters=[BY])
    def get(self, request: Request, key: str) -> Response:
        """Count the unassigned codes of an offer; expired ones do not count."""
        bank = selectors.find(programme=self.programme, by=self.by, key=key)
        stock = selectors.stock(bank=bank, now=clock.now())
        return Response(StockSerializer({"bank": bank, **asdict(stock)}).data)

    @extend_schema(
        operation_id="upload_voucher_codes",
        request=FILE,
        responses={201: VoucherBatchSerializer},
        parameters=FILE_PARAMETERS,
    )
    def post(self, request: Request, key: str) -> Response:
        """Import codes: one a line, UTF-8, no header, at most 26,214,400 bytes. Codes that are there are ignored.

        As `text/csv`: a header `code,expires_at`, then each code with a date (to its end in the programme's zone), a
        date and time, or nothing.

        Sending the same file again is harmless. Any problem refuses the whole file and names the lines.
        """
        bank = self.found(key)
        given = self.given()
        with given["file"]:
            batch = voucher.import_file(bank=bank, actor=None, api_client=self.client, **given)
        return answered(batch, now=given["now"])


class DryRunVoucherCodes(VoucherFileView):
    scopes = {"POST": Scope.VOUCHERS}

    @extend_schema(
        operation_id="dry_run_voucher_codes",
        request=FILE,
        responses=ReportSerializer,
        parameters=FILE_PARAMETERS,
    )
    def post(self, request: Request, key: str) -> Response:
        """Say what uploading the file would do, with every problem and oddity by its line; import nothing."""
        bank = self.found(key)
        given = self.given()
        with given["file"]:
            report = voucher.check_file(bank=bank, **given)
        return Response(ReportSerializer(report).data)


def moment(given: Any) -> datetime | None:
    """Read `expires_at`; nothing given is never. Raises InvalidInput."""
    if not given:
        return None
    try:
        read = parse_datetime(given) if isinstance(given, str) else None
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        message = "`expires_at` is a moment with its offset, such as 2026-12-31T23:59:59+01:00."
        raise InvalidInput(message, problems=[{"field": "expires_at", "code": "not_a_moment", "message": message}])
    return read
