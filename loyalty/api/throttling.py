"""How often one caller may ask, by who she is (A5). Counted in `loyalty/services/rate_limit.py`."""

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from loyalty.api.authentication import ActingMember
from loyalty.models import ApiClient
from loyalty.services import rate_limit

if TYPE_CHECKING:
    # These classes are named in the settings that rest_framework.views reads while it is being imported.
    from rest_framework.views import APIView


class CallerThrottle(BaseThrottle):
    """A member by herself, whatever token she sends; an API client by its key; a stranger by the address."""

    seconds_left = 0.0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        caller = request.auth
        client = caller.api_client if isinstance(caller, ActingMember) else caller
        if isinstance(client, ApiClient):
            taken = rate_limit.take(name="client", key=client.prefix)
        elif isinstance(caller, ActingMember):
            taken = rate_limit.take(name="member", key=str(caller.member_id))
        else:
            taken = rate_limit.take(name="stranger", key=request.META.get("REMOTE_ADDR", ""))
        self.seconds_left = taken.seconds_left
        return taken.is_allowed

    def wait(self) -> float:
        return self.seconds_left
