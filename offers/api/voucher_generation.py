"""`voucher-banks/{offer_reference}/batches` and `…/batches/{id}/export`: making codes, and the till's copy (D-07)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.models import Scope
from offers.api.voucher import VoucherBatchSerializer, answered
from offers.api.voucher_code import BY, BankView
from offers.selectors import voucher as selectors
from offers.services import voucher_generation


class GenerationSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="At most 1,000,000.")
    pattern = serializers.CharField(
        trim_whitespace=False, help_text="Each ? becomes a random character: TEA-????-????."
    )
    characters = serializers.CharField(default=voucher_generation.UNAMBIGUOUS, trim_whitespace=False)
    expires_at = serializers.DateTimeField(default=None, allow_null=True)


class VoucherBatches(BankView):
    @extend_schema(
        operation_id="generate_voucher_codes",
        request=GenerationSerializer,
        responses={201: VoucherBatchSerializer},
        parameters=[BY],
    )
    def post(self, request: Request, key: str) -> Response:
        """Make codes, where the bank allows it. They can be drawn once they were exported."""
        bank, given, now = self.found(key), self.given(GenerationSerializer), clock.now()
        batch = voucher_generation.generate(bank=bank, **given, actor=None, api_client=self.client, now=now)
        return answered(batch, now=now)


class ExportVoucherBatch(BankView):
    scopes = {"POST": Scope.CODES_READ}

    @extend_schema(
        operation_id="export_voucher_codes",
        request=None,
        responses={(200, "text/plain"): OpenApiTypes.STR},
        parameters=[BY],
    )
    def post(self, request: Request, key: str, batch_id: int) -> StreamingHttpResponse:
        """Export a batch for the till, one code a line. Its codes count as shown; held ones are drawn from now."""
        batch = selectors.find_batch(bank=self.found(key), batch_id=batch_id)
        codes = voucher_generation.export(batch=batch, actor=None, api_client=self.client, now=clock.now())
        return StreamingHttpResponse(_lines(codes), content_type="text/plain; charset=utf-8")


def _lines(codes: Iterator[tuple[str, datetime | None]]) -> Iterator[str]:
    return (f"{code}\n" for code, _expires_at in codes)
