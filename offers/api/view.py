"""What the machines' views of the catalogue share."""

from collections.abc import Collection, Mapping
from typing import Any

from rest_framework.request import Request

from loyalty import storable
from loyalty.api.view import ClientView
from loyalty.errors import InvalidInput
from offers.services import module


def unknown_fields(body: Mapping[str, Any], known: Collection[str]) -> list[dict[str, str]]:
    """Return a problem for each field of a body that is not known."""
    message = "“%s” is not known here. Use: %s."
    return [
        {"field": str(name), "code": "unknown_field", "message": message % (name, ", ".join(known))}
        for name in body
        if name not in known
    ]


def refuse_unknown(body: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise InvalidInput for fields that are not known, each of them named."""
    if problems := unknown_fields(body, known):
        raise InvalidInput("Some fields are not acceptable.", problems=problems)


class OffersView(ClientView):
    """A view for API clients; where the offers module is off, it says so and does nothing (S4-41)."""

    # The ways to name one thing in an address, the usual first; `?by=` chooses another.
    keys: tuple[str, ...] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        module.require(programme=self.programme)

    @property
    def by(self) -> str:
        """Return which key the address carries."""
        chosen = self.request.query_params.get("by") or self.keys[0]
        if chosen not in self.keys:
            message = f"`by` is one of: {', '.join(self.keys)}."
            raise InvalidInput(message, problems=[{"field": "by", "code": "unknown_choice", "message": message}])
        return chosen

    def storable_body(self) -> Mapping[str, Any]:
        """Return the request's JSON object for a service that keeps its values as they are."""
        body = self.body()
        problems = [
            {"field": place, "code": code, "message": message} for place, code, message in storable.problems(body)
        ]
        if problems:
            raise InvalidInput("Some fields are not acceptable.", problems=problems)
        return body
