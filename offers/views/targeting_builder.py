"""The builder of criteria on whatever page it stands: its words, its choices, and what it sends (S4-24)."""

import secrets
from typing import Any

import orjson
from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from loyalty.errors import InvalidInput
from loyalty.models import Programme
from loyalty.staff import StaffRequest
from offers.selectors import targeting_builder as selector
from offers.views.access import staff

EMPTY: dict[str, Any] = {"op": "and", "items": []}
# What the builder writes on its controls; {…} is filled in by the script.
WORDS = {
    "all": gettext_lazy("All of these"),
    "any": gettext_lazy("Any of these"),
    "none": gettext_lazy("None of these"),
    "not_all": gettext_lazy("Not all of these"),
    "join": gettext_lazy("How the conditions go together"),
    "outermost": gettext_lazy("Who is meant"),
    "condition": gettext_lazy("Condition"),
    "group": gettext_lazy("Group"),
    "group_named": gettext_lazy("Group {number}"),
    "everyone": gettext_lazy("Everyone"),
    "field": gettext_lazy("What"),
    "search_field": gettext_lazy("Search: city, spent, store…"),
    "operator": gettext_lazy("How it compares"),
    "value": gettext_lazy("Value"),
    "values": gettext_lazy("Values"),
    "choose": gettext_lazy("Choose"),
    "and": gettext_lazy("and"),
    "purchases": gettext_lazy("Purchases"),
    "offers": gettext_lazy("Offers given"),
    "more": gettext_lazy("More"),
    "targeting": gettext_lazy("In another audience"),
    "list": gettext_lazy("In an uploaded list"),
    "list_name": gettext_lazy("List"),
    "targeting_name": gettext_lazy("Audience"),
    "share": gettext_lazy("A random share"),
    "percent": gettext_lazy("Share in percent"),
    "key": gettext_lazy("the same members for the same campaign"),
    "narrow": gettext_lazy("+ Only of…"),
    "only_of": gettext_lazy("Only of {name}"),
    "ever": gettext_lazy("at any time"),
    "last": gettext_lazy("in the last"),
    "dates": gettext_lazy("between dates"),
    "from": gettext_lazy("from"),
    "until": gettext_lazy("until"),
    "period": gettext_lazy("Period"),
    "days": gettext_lazy("days"),
    "yes": gettext_lazy("yes"),
    "no": gettext_lazy("no"),
    "search": gettext_lazy("Type to search"),
    "suggestions": gettext_lazy("Suggestions"),
    "another": gettext_lazy("Another one"),
    "found": gettext_lazy("{count} found"),
    "no_match": gettext_lazy("Nothing found"),
    "empty": gettext_lazy("No condition yet. Add one, or choose Everyone."),
    "empty_group": gettext_lazy("No condition yet. Add one, or drop one here."),
    "all_members": gettext_lazy("All members are meant."),
    "remove_one": gettext_lazy("Remove {name}"),
    "duplicate_one": gettext_lazy("Duplicate {name}"),
    "move": gettext_lazy("Move {name}"),
    "more_acts": gettext_lazy("More for {name}"),
    "how_to_move": gettext_lazy("Drag it, or hold Alt and press the arrow keys"),
    "turn": gettext_lazy("Turn round"),
    "dissolve": gettext_lazy("Dissolve the group"),
    "wrap": gettext_lazy("Put into a new group"),
    "up": gettext_lazy("Move up"),
    "down": gettext_lazy("Move down"),
    "into": gettext_lazy("Move into the group beside it"),
    "out": gettext_lazy("Move out of the group"),
    "moved": gettext_lazy("{name} moved to place {place} of {count} in group {group}"),
    "moved_outermost": gettext_lazy("{name} moved to place {place} of {count}"),
    "cannot_up": gettext_lazy("It is the first one here."),
    "cannot_down": gettext_lazy("It is the last one here."),
    "cannot_into": gettext_lazy("There is no group beside it."),
    "cannot_out": gettext_lazy("It is in no inner group."),
    "duplicated": gettext_lazy("{name} duplicated"),
    "removed": gettext_lazy("{name} removed"),
    "undone": gettext_lazy("Undone"),
    "redone": gettext_lazy("Done again"),
    "nothing_to_undo": gettext_lazy("There is nothing to undo."),
    "nothing_to_redo": gettext_lazy("There is nothing to do again."),
}


def context(programme: Programme, tree: Any) -> dict[str, Any]:
    """Return what `offers/_builder.html` shows, for a stored tree or the text that was sent, JSON or not."""
    text = tree if isinstance(tree, str) else orjson.dumps(tree, option=orjson.OPT_INDENT_2).decode()
    if isinstance(tree, str):
        try:
            tree = orjson.loads(tree)
        except orjson.JSONDecodeError:
            tree = EMPTY
    return {
        "text": text,
        "words": WORDS,
        "description": selector.description(programme),
        "names": selector.names(programme, tree),
        # Tells this page's counts from those of others, so that a newer one stops an older one.
        "page": secrets.token_hex(8),
    }


def read_criteria(request: StaffRequest) -> Any:
    """Return the tree that the builder sent. Raises InvalidInput where it is no JSON or holds nothing."""
    try:
        tree = orjson.loads(request.POST.get("criteria", ""))
    except orjson.JSONDecodeError as error:
        message = _("The criteria are not JSON: %(error)s.") % {"error": error}
        raise InvalidInput(message, problems=[{"code": "not_json", "field": "criteria", "message": message}]) from error
    if tree == EMPTY:
        message = _("Add a condition, or choose “Everyone”.")
        raise InvalidInput(message, problems=[{"code": "nothing_chosen", "field": "criteria", "message": message}])
    return tree


@staff("offers.view_targeting")
@require_GET
def values(request: StaffRequest) -> HttpResponse:
    """Suggest values from real data for what is being typed (`q`), or name those that were given (`id`, several)."""
    programme, key, ids = request.programme, request.GET.get("key", ""), request.GET.getlist("id")[:100]
    if ids:
        found = selector.named(programme=programme, key=key, ids=ids)
    else:
        found = selector.suggestions(programme=programme, key=key, text=request.GET.get("q", "").strip())
    return JsonResponse({"results": [{"id": value, "name": name} for value, name in found]})
