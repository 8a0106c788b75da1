"""Short words to a person after an act, with an undo for ten seconds (SCREENS, "undo after").

`say` for a page that redirects; `trigger` for an answer to htmx, which shows the toast without a reload.
"""

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

LEVELS = {"success": messages.SUCCESS, "info": messages.INFO, "warning": messages.WARNING, "error": messages.ERROR}
UNDO = "undo="


def say(request: HttpRequest, text: str, *, level: str = "success", undo: str = "") -> None:
    """Show `text` on the next page; `undo` is an address that takes the act back when POSTed to."""
    messages.add_message(request, LEVELS[level], text, extra_tags=f"{UNDO}{undo}" if undo else "")


def trigger(response: HttpResponse, text: str, *, level: str = "success", undo: str = "") -> HttpResponse:
    """Show `text` when this answer reaches htmx."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    events["laurel:toast"] = {"level": level, "text": str(text), "undo": undo}
    response.headers["HX-Trigger"] = json.dumps(events)
    return response
