"""What the API's views share: who asks, as what she is. Permissions have let nobody else through."""

from typing import cast

from rest_framework.views import APIView

from loyalty.api.authentication import ActingMember, MemberTokenAuthentication, TrustedServerAuthentication
from loyalty.api.permissions import HasScope, IsMember
from loyalty.models import ApiClient, Programme


class ClientView(APIView):
    """A view for API clients; its `scopes` say what each method asks of the key."""

    permission_classes = [HasScope]

    @property
    def client(self) -> ApiClient:
        return cast(ApiClient, self.request.auth)

    @property
    def programme(self) -> Programme:
        return self.client.programme


class MemberView(APIView):
    """A view for members: each comes with her token, or a trusted server comes for her."""

    authentication_classes = [MemberTokenAuthentication, TrustedServerAuthentication]
    permission_classes = [IsMember]

    @property
    def caller(self) -> ActingMember:
        return cast(ActingMember, self.request.auth)
