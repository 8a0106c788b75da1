"""`voucher-banks/{offer_reference}/codes`: upload a file of codes, count what is left (S4-17..22)."""

import io
import tempfile
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any, BinaryIO

from django.conf import settings
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.view import OffersView
from offers.models import VoucherBatch
from offers.selectors import catalogue as offer_selectors
from offers.selectors import voucher as selectors
from offers.services import voucher, voucher_file

BY = OpenApiParameter("by", str, enum=["offer_reference", "id"], description="What the address carries.")
CHUNK = 1 << 16


class VoucherFileParser(BaseParser):
    """Receives the whole file before the import locks the bank: beyond 1 MiB on disk, never above the limit."""

    media_type = "text/plain"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        voucher_file.check_size(int(stream.META.get("CONTENT_LENGTH") or 0))  # type: ignore[attr-defined]
        file = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115
        try:
            size = 0
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                voucher_file.check_size(size)
                file.write(chunk)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file


class VoucherBatchSerializer(serializers.ModelSerializer[VoucherBatch]):
    left = serializers.IntegerField(help_text="Unassigned codes of the offer, after this import.")

    class Meta:
        model = VoucherBatch
        fields = ["id", "lines", "imported", "duplicates_in_file", "duplicates_in_bank", "expires_at", "left"]


class StockSerializer(serializers.Serializer[Any]):
    offer_reference = serializers.CharField()
    left = serializers.IntegerField(help_text="Unassigned codes that can be drawn now.")
    drawn = serializers.IntegerField()
    expired = serializers.IntegerField(help_text="Never drawn, and too late.")
    imported = serializers.IntegerField()


class VoucherCodes(OffersView):
    scopes = {"GET": Scope.VOUCHERS, "POST": Scope.VOUCHERS}
    parser_classes = [VoucherFileParser]
    keys = ("offer_reference", "id")

    @extend_schema(operation_id="count_voucher_codes", responses=StockSerializer, parameters=[BY])
    def get(self, request: Request, key: str) -> Response:
        """Count the unassigned codes of an offer; expired ones do not count."""
        bank = selectors.find(programme=self.programme, by=self.by, key=key)
        stock = selectors.stock(bank=bank, now=clock.now())
        return Response(
            {
                "offer_reference": bank.config_offer.offer_reference,
                "left": stock.left,
                "drawn": stock.drawn,
                "expired": stock.expired,
                "imported": stock.imported,
            }
        )

    @extend_schema(
        operation_id="upload_voucher_codes",
        request={"text/plain": OpenApiTypes.BINARY},
        responses={201: VoucherBatchSerializer},
        parameters=[
            BY,
            OpenApiParameter("expires_at", OpenApiTypes.DATETIME, description="When the codes expire, with offset."),
            OpenApiParameter("file_name", str),
        ],
    )
    def post(self, request: Request, key: str) -> Response:
        """Import codes: one a line, UTF-8, no header, at most 26,214,400 bytes. Codes that are there are ignored.

        Sending the same file again is harmless. Any problem refuses the whole file and names the lines.
        """
        expires_at = self._expires_at()
        if self.by == "offer_reference":
            # Also before the first publication, when there is no bank yet.
            bank = voucher.make_bank(offer=offer_selectors.find(programme=self.programme, key=key))
        else:
            bank = selectors.find(programme=self.programme, by="id", key=key)
        # Without a body the framework does not ask the parser.
        given: Any = request.data
        file: BinaryIO = given if hasattr(given, "read") else io.BytesIO()
        now = clock.now()
        with file:
            batch = voucher.import_file(
                bank=bank,
                file=file,
                file_name=request.query_params.get("file_name", ""),
                expires_at=expires_at,
                actor=None,
                now=now,
                api_client=self.client,
            )
        batch.left = selectors.codes_left(bank=bank, now=now)  # type: ignore[attr-defined]
        return Response(VoucherBatchSerializer(batch).data, status=201)

    def _expires_at(self) -> datetime | None:
        given = self.request.query_params.get("expires_at")
        if not given:
            return None
        try:
            moment = parse_datetime(given)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            message = "`expires_at` is a moment with its offset, such as 2026-12-31T23:59:59+01:00."
            raise InvalidInput(message, problems=[{"field": "expires_at", "code": "not_a_moment", "message": message}])
        return moment
