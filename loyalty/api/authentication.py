"""API clients come with `Authorization: Api-Key …`; members with `Authorization: Bearer …` (a signed token)."""

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from loyalty.models import ApiClient


class ApiClientAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ApiClient whose key was sent."""

    keyword = "Api-Key"

    def authenticate(self, request: Request) -> tuple[None, ApiClient] | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        try:
            client = ApiClient.objects.get_from_key(key.strip())
        except ApiClient.DoesNotExist:
            raise exceptions.AuthenticationFailed("This key is not known.") from None
        if client.has_expired or client.revoked:
            raise exceptions.AuthenticationFailed("This key is no longer valid.")
        address = request.META.get("REMOTE_ADDR", "")
        if client.allowed_addresses and address not in client.allowed_addresses:
            raise exceptions.AuthenticationFailed("This key may not be used from this address.")
        moment = timezone.now()
        if client.last_used_at is None or (moment - client.last_used_at).total_seconds() > 60:
            ApiClient.objects.filter(pk=client.pk).update(last_used_at=moment)
        return None, client

    def authenticate_header(self, request: Request) -> str:
        return self.keyword
