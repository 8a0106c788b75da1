"""`voucher-banks/{offer_reference}/codes/find`, `…/void` and `…/batches/{id}/undo`: mending a bank (B-17)."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.models import Scope
from offers.api.view import OffersView
from offers.models import VoucherBank
from offers.selectors import voucher as selectors
from offers.services import voucher_batch, voucher_code

BY = OpenApiParameter("by", str, enum=["offer_reference", "id"], description="What the address carries.")


class CodeSerializer(serializers.Serializer[Any]):
    # Posted, not asked for in an address: those end up in logs.
    code = serializers.CharField(max_length=100)


class VoidSerializer(CodeSerializer):
    reason = serializers.CharField(max_length=200)


class CodeStateSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(["left", "held", "expired", "reserved", "given", "voided"])
    expires_at = serializers.DateTimeField(source="code.segment.expires_at", allow_null=True, default=None)
    voided_at = serializers.DateTimeField(source="code.voided_at", allow_null=True)
    assignment_id = serializers.UUIDField(source="assignment.pk", allow_null=True, default=None)


class UndoingSerializer(serializers.Serializer[Any]):
    removed = serializers.IntegerField(help_text="Codes that nobody had drawn; they may be imported again.")
    kept = serializers.IntegerField(help_text="Codes that were drawn, or voided.")


class BankView(OffersView):
    scopes = {"POST": Scope.VOUCHERS}
    keys = ("offer_reference", "id")

    def found(self, key: str) -> VoucherBank:
        return selectors.find(programme=self.programme, by=self.by, key=key)

    def given(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        read = serializer(data=self.body())
        read.is_valid(raise_exception=True)
        return read.validated_data


class FindVoucherCode(BankView):
    @extend_schema(
        operation_id="find_voucher_code", request=CodeSerializer, responses=CodeStateSerializer, parameters=[BY]
    )
    def post(self, request: Request, key: str) -> Response:
        """Say where a code stands. Only whole codes are found, so that nobody reads a bank by guessing."""
        bank = self.found(key)
        found = selectors.find_code(bank=bank, text=self.given(CodeSerializer)["code"], now=clock.now())
        if found is None:
            raise voucher_code.CodeNotFound("There is no such code in this bank.")
        return Response(CodeStateSerializer(found).data)


class VoidVoucherCode(BankView):
    @extend_schema(
        operation_id="void_voucher_code", request=VoidSerializer, responses=CodeStateSerializer, parameters=[BY]
    )
    def post(self, request: Request, key: str) -> Response:
        """Make a code void: nobody is given it, and it never comes back. Again changes nothing."""
        bank, given, now = self.found(key), self.given(VoidSerializer), clock.now()
        voucher_code.void(bank=bank, **given, actor=None, api_client=self.client, now=now)
        return Response(CodeStateSerializer(selectors.find_code(bank=bank, text=given["code"], now=now)).data)


class UndoVoucherBatch(BankView):
    @extend_schema(operation_id="undo_voucher_import", request=None, responses=UndoingSerializer, parameters=[BY])
    def post(self, request: Request, key: str, batch_id: int) -> Response:
        """Take an import's undrawn codes out of the bank again. Again changes nothing."""
        batch = selectors.find_batch(bank=self.found(key), batch_id=batch_id)
        done = voucher_batch.undo(batch=batch, actor=None, api_client=self.client, now=clock.now())
        return Response(UndoingSerializer(done).data)
