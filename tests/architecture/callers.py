"""Who may knock: each kind of caller with what lets her in, and what an answer means for her."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from loyalty.models import Scope
from loyalty.services import member_token
from tests.architecture.world import World
from tests.factories import ApiClientFactory, UserFactory

ROLES = ("support agent", "support lead", "marketer", "administrator", "integration", "auditor")
REFUSED = (401, 403)


@dataclass
class Caller:
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def ask(self, method: str, address: str) -> HttpResponse:
        """Send one request, with nothing left over from the one before."""
        client = self.client
        client.cookies.clear()
        if self.session:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.session
        answer: Any = getattr(client, method.lower())(address, headers=dict(self.headers))
        return answer


def text_of(answer: Any) -> str:
    """Return what an answer says, streamed or not."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return body.decode(errors="replace")


def is_let_in(answer: HttpResponse) -> bool:
    """Say whether the caller got past the door; what she found there (nothing, a bad form) does not matter."""
    if answer.status_code in (*REFUSED, 405):
        return False
    return not (300 <= answer.status_code < 400 and "/login/" in answer.headers["Location"])


def of(world: World) -> dict[str, Caller]:
    """Return a caller of each kind, all of them of this world's programme."""
    programme = world.programme
    found = {"stranger": Caller("stranger")}
    for role in ROLES:
        client = Client()
        client.force_login(UserFactory(role=role, programmes=[programme]))
        found[role] = Caller(role, session=client.cookies[settings.SESSION_COOKIE_NAME].value)
    token = member_token.mint(member=world["member"], now=timezone.now())
    found["member's token"] = Caller("member's token", {"Authorization": f"Bearer {token}"})
    client = Client()
    client.post("/rewards/session", {"token": token})
    found["member"] = Caller("member", session=client.cookies[settings.SESSION_COOKIE_NAME].value)
    for name, scopes in (("key", Scope.values), ("key without scopes", [])):
        _, key = ApiClientFactory(programme=programme, scopes=scopes)
        headers = {"Authorization": f"Api-Key {key}", "Laurel-Member": world["member"].external_id}
        found[name] = Caller(name, headers)
    return found


def who_sees_most(known: Mapping[str, Caller], address: str) -> list[Caller]:
    """Return those who get furthest at an address; what they are not shown, nobody is."""
    if address.startswith("/api/"):
        return [known["key"], known["member's token"]]
    return [known["member" if address.startswith("/rewards/") else "administrator"]]
