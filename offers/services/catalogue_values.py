"""What may stand in a config offer: every value checked, every problem named at once (S4-05, S4-11, S0-34)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from django.db import models
from django.utils.translation import gettext as _

from loyalty.errors import InvalidInput
from loyalty.models import Category, Product, ProductGroup, Programme
from offers import rules
from offers.models import Audience, ConfigOffer
from offers.services import field
from offers.services.problem import of_model, problem

# What a caller may set; all else is the product's own.
WRITABLE = (
    "offer_reference",
    "external_id",
    "audience",
    "name",
    "description",
    "image_url",
    "web_page_url",
    "to_synchronize",
    "require_vouchers",
    "repeat_policy",
    "is_bearer",
    "rank",
    "terms",
    "texts",
    "fields",
)
# Assignments refer to these, or were counted by them, from the first publication on (D-01).
FIXED_ONCE_PUBLISHED = ("offer_reference", "audience", "repeat_policy")
# Texts of one language, and how long each may be.
TEXTS = {"name": 200, "description": 5000, "how_to_use": 5000, "conditions": 20_000}
# A problem list names the first unknown products, not thousands.
MOST_IDS_NAMED = 20


class InvalidOffer(InvalidInput):
    """The offer is not acceptable; `problems` names every field and rule at once."""

    code = "invalid_offer"


def publication_problems(*, offer: ConfigOffer, now: datetime) -> list[dict[str, Any]]:
    """Return everything that stands against publishing the offer as it is: its values, rules and product ids."""
    problems = of_model(offer, exclude={"programme", "current_revision"})
    try:
        terms = rules.parse(offer.terms)
        # Only the programme's zone shows whether a period ends before it starts.
        rules.settle(terms, issued_at=now, zone=offer.programme.zone)
    except rules.InvalidTerms as error:
        return problems + error.problems
    if offer.audience == Audience.EVERYONE:
        problems += _problems_for_everyone(offer, terms.data())
    return problems + _unknown_products(offer.programme, terms.data().get("products") or {})


def apply(offer: ConfigOffer, values: Mapping[str, Any]) -> None:
    """Set the values on the instance, or raise InvalidOffer with every problem."""
    problems = [
        problem(name, "unknown_field", _("There is no field “%(name)s”.") % {"name": name})
        for name in values
        if name not in WRITABLE
    ]
    given = {name: values[name] for name in WRITABLE if name in values}
    if "terms" in given:
        try:
            given["terms"] = rules.parse(given["terms"]).data()
        except rules.InvalidTerms as error:
            problems += error.problems
            del given["terms"]
    if "fields" in given:
        stored, found = field.check(
            programme=offer.programme, table=field.Table.OFFERS, values=given.pop("fields") or {}
        )
        problems += found
        given["fields"] = stored
    if "texts" in given:
        given["texts"], found = _texts(offer.programme, given["texts"])
        problems += found
    for name in ("offer_reference", "external_id", "name"):
        if isinstance(given.get(name), str):
            given[name] = given[name].strip()
    if "external_id" in given:
        given["external_id"] = given["external_id"] or None
    if offer.published_at is not None:
        for name in FIXED_ONCE_PUBLISHED:
            if name in given and given[name] != getattr(offer, name):
                label = _label(offer, name)
                message = _("The %(field)s is fixed by the first publication and cannot change.") % {"field": label}
                problems.append(problem(name, "fixed_once_published", message))
                del given[name]
    for name, value in given.items():
        setattr(offer, name, value)
    problems += of_model(offer, exclude={"programme", "current_revision"})
    if offer.audience == Audience.EVERYONE and offer.require_vouchers is True:
        message = _("An offer for everyone is not assigned, so it has no codes of its own. Switch one of the two off.")
        problems.append(problem("require_vouchers", "not_for_everyone", message))
    problems += _taken(offer)
    if problems:
        raise InvalidOffer(
            _("The offer was not saved: %(first)s") % {"first": problems[0]["message"]}, problems=problems
        )


def _texts(programme: Programme, texts: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the texts by language without the empty ones, and what is wrong with them."""
    problems: list[dict[str, Any]] = []
    kept: dict[str, Any] = {}
    if not isinstance(texts, Mapping):
        return {}, [problem("texts", "not_an_object", _("Give the texts as an object keyed by language."))]
    for language, entries in texts.items():
        if language not in programme.languages:
            message = _("“%(language)s” is not a language of this programme. Use one of: %(known)s.")
            known = {"language": language, "known": ", ".join(programme.languages)}
            problems.append(problem(f"texts.{language}", "unknown_language", message % known))
            continue
        if not isinstance(entries, Mapping):
            problems.append(problem(f"texts.{language}", "not_an_object", _("Give an object of texts.")))
            continue
        for name, text in entries.items():
            place = f"texts.{language}.{name}"
            if name not in TEXTS:
                message = _("There is no such text. Use one of: %(known)s.") % {"known": ", ".join(TEXTS)}
                problems.append(problem(place, "unknown_field", message))
            elif not isinstance(text, str):
                problems.append(problem(place, "wrong_type", _("A text is expected.")))
            elif len(text) > TEXTS[name]:
                message = _("This text has %(length)d characters. Use at most %(limit)d.")
                problems.append(problem(place, "too_long", message % {"length": len(text), "limit": TEXTS[name]}))
            elif text.strip():
                kept.setdefault(language, {})[name] = text.strip()
    return kept, problems


def _taken(offer: ConfigOffer) -> list[dict[str, Any]]:
    """Name the keys that another offer of the programme has."""
    others = ConfigOffer.objects.filter(programme=offer.programme).exclude(pk=offer.pk)
    problems = []
    for name in ("offer_reference", "external_id"):
        value = getattr(offer, name)
        if value and others.filter(**{name: value}).exists():
            label = _label(offer, name)
            message = _("Another offer has the %(field)s “%(value)s”. Choose another.") % {
                "field": label,
                "value": value,
            }
            problems.append(problem(name, "taken", message))
    return problems


def _problems_for_everyone(offer: ConfigOffer, terms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An offer without assignments has no moment of issue and nobody's acceptance (S0-34)."""
    problems = []
    if (terms.get("validity") or {}).get("days") is not None:
        message = _("Validity: an offer for everyone is never issued. Give fixed dates instead of days.")
        problems.append({**problem("days", "needs_fixed_dates", message), "rule": "validity"})
    if terms.get("acceptance"):
        message = _("Acceptance: an offer for everyone is not accepted by anyone. Remove the rule.")
        problems.append({**problem("required", "not_for_everyone", message), "rule": "acceptance"})
    return problems


def _unknown_products(programme: Programme, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name the ids that the programme does not know (S1-07, S1-09, S1-11)."""
    problems = []
    kinds: dict[str, tuple[type[models.Model], str]] = {
        "products": (Product, _("products")),
        "groups": (ProductGroup, _("product groups")),
        "categories": (Category, _("categories")),
    }
    for name, (model, label) in kinds.items():
        wanted = list(given.get(name) or [])
        if not wanted:
            continue
        known = set(
            model._default_manager.filter(programme=programme, external_id__in=wanted).values_list(
                "external_id", flat=True
            )
        )
        if unknown := [one for one in wanted if one not in known]:
            shown = ", ".join(unknown[:MOST_IDS_NAMED]) + (" …" if len(unknown) > MOST_IDS_NAMED else "")
            message = _("Products: %(count)d unknown %(what)s: %(ids)s. Remove them, or import them first.") % {
                "count": len(unknown),
                "what": label,
                "ids": shown,
            }
            problems.append({**problem(name, "unknown_products", message), "rule": "products"})
    return problems


def _label(offer: ConfigOffer, name: str) -> str:
    found = cast("models.Field[Any, Any]", offer._meta.get_field(name))
    return str(found.verbose_name)
