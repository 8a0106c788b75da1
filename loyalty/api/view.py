"""What the API's views share: who asks, as what she is. Permissions have let nobody else through."""

from collections.abc import Mapping
from typing import Any, cast

from rest_framework.request import Request
from rest_framework.views import APIView

from loyalty.api.authentication import ActingMember, MemberTokenAuthentication, TrustedServerAuthentication
from loyalty.api.permissions import HasScope, IsMember
from loyalty.errors import InvalidInput, NotFound
from loyalty.models import ApiClient, Programme


class CheckedView(APIView):
    """A view whose address and query hold nothing that the database cannot be asked for."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if any("\0" in value for value in kwargs.values() if isinstance(value, str)):
            raise NotFound("There is no such thing here.")
        message = "A query holds no NUL (%00). Take it out."
        problems = [
            {"field": name.replace("\0", "\ufffd"), "code": "unstorable_character", "message": message}
            for name, values in request.query_params.lists()
            if "\0" in name or any("\0" in value for value in values)
        ]
        if problems:
            raise InvalidInput(message, problems=problems)


class ClientView(CheckedView):
    """A view for API clients; its `scopes` say what each method asks of the key."""

    permission_classes = [HasScope]

    @property
    def client(self) -> ApiClient:
        return cast(ApiClient, self.request.auth)

    @property
    def programme(self) -> Programme:
        return self.client.programme

    def body(self) -> Mapping[str, Any]:
        """Return the request's JSON object."""
        if not isinstance(self.request.data, Mapping):
            raise InvalidInput("Send a JSON object.", code="not_an_object")
        return self.request.data


class MemberView(CheckedView):
    """A view for members: each comes with her token, or a trusted server comes for her."""

    authentication_classes = [MemberTokenAuthentication, TrustedServerAuthentication]
    permission_classes = [IsMember]

    @property
    def caller(self) -> ActingMember:
        return cast(ActingMember, self.request.auth)
