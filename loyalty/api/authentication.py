"""API clients come with `Authorization: Api-Key …`; members with `Authorization: Bearer …` (a signed token).

A trusted server acts for a member with its own key, the scope for that, and `Laurel-Member: <external id>`.
"""

from dataclasses import dataclass

import structlog
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from loyalty.models import ApiClient, Member, Scope
from loyalty.services import member_token, rate_limit


@dataclass(frozen=True, slots=True)
class ActingMember:
    """`request.auth` of the member's own addresses: who asks, and through whom."""

    member_id: int
    programme_id: int
    # The staff person who looks on; she changes nothing and sees no codes.
    actor_id: int | None = None
    api_client: ApiClient | None = None


class ApiClientAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ApiClient whose key was sent."""

    keyword = "Api-Key"

    def authenticate(self, request: Request) -> tuple[None, ApiClient] | None:
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        address = request.META.get("REMOTE_ADDR", "")
        try:
            client = ApiClient.objects.get_from_key(key.strip().replace("\0", ""))
        except ApiClient.DoesNotExist:
            taken = rate_limit.take(name="wrong_key", key=address)
            if not taken.is_allowed:
                raise exceptions.Throttled(wait=taken.seconds_left) from None
            raise exceptions.AuthenticationFailed("This key is not known.") from None
        if client.has_expired or client.revoked:
            raise exceptions.AuthenticationFailed("This key is no longer valid.")
        if client.allowed_addresses and address not in client.allowed_addresses:
            raise exceptions.AuthenticationFailed("This key may not be used from this address.")
        moment = timezone.now()
        if client.last_used_at is None or (moment - client.last_used_at).total_seconds() > 60:
            ApiClient.objects.filter(pk=client.pk).update(last_used_at=moment)
        structlog.contextvars.bind_contextvars(api_client=client.prefix)
        return None, client

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class MemberTokenAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ActingMember of a signed token. No query: the member's list asks one and no more."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[None, ActingMember] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        try:
            # The host's clock, not the database's: a token's end needs no more precision than that.
            claims = member_token.verify(token=token.strip(), now=timezone.now())
        except member_token.InvalidToken as error:
            raise exceptions.AuthenticationFailed(error.message, code=error.code) from None
        structlog.contextvars.bind_contextvars(member_id=claims.member_id)
        return None, ActingMember(claims.member_id, claims.programme_id, actor_id=claims.actor_id)

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class TrustedServerAuthentication(BaseAuthentication):
    """A key that may act for members, and the member it acts for now."""

    header = "Laurel-Member"

    def authenticate(self, request: Request) -> tuple[None, ActingMember] | None:
        found = ApiClientAuthentication().authenticate(request)
        if found is None:
            return None
        client = found[1]
        if Scope.ACT_FOR_MEMBER not in client.scopes:
            raise exceptions.PermissionDenied("This key may not act for members.")
        external_id = request.headers.get(self.header, "")
        member = (
            Member.objects.filter(
                programme_id=client.programme_id, external_id=external_id, status=Member.Status.ACTIVE
            )
            .values_list("pk", flat=True)
            .first()
            if external_id and "\0" not in external_id
            else None
        )
        if member is None:
            raise exceptions.NotFound(f"Name an active member of your programme in the header {self.header}.")
        structlog.contextvars.bind_contextvars(member_id=member)
        return None, ActingMember(member, client.programme_id, api_client=client)

    def authenticate_header(self, request: Request) -> str:
        return ApiClientAuthentication.keyword
