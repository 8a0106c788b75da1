"""Config offers: draft, published in immutable revisions, archived (S0-04, S0-32, S0-34, S4-05..07, D-01, D-11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, Category, Product, ProductGroup, Programme, User
from loyalty.services import audit, outbox
from offers import rules
from offers.models import Audience, ConfigOffer, OfferRevision, OfferTemplate
from offers.services import field, module, voucher
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
# What a revision keeps; the rest of an offer takes effect at once.
REVISED = ("name", "description", "image_url", "web_page_url", "terms", "texts")
# Texts of one language, and how long each may be.
TEXTS = {"name": 200, "description": 5000, "how_to_use": 5000, "conditions": 20_000}
# A problem list names the first unknown products, not thousands.
MOST_IDS_NAMED = 20


class InvalidOffer(InvalidInput):
    """The offer is not acceptable; `problems` names every field and rule at once."""

    code = "invalid_offer"


class OfferIsArchived(Conflict):
    """An archived offer changes no more."""

    code = "offer_archived"


@dataclass(frozen=True)
class Put:
    """What a PUT by reference or external id did."""

    offer: ConfigOffer
    is_created: bool
    changed: tuple[str, ...]


@transaction.atomic
def create(
    *, programme: Programme, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Make a draft. `values` has keys of WRITABLE; offer_reference and name are mandatory (S4-05).

    Raises InvalidOffer with every problem, OffersModuleOff.
    """
    module.require(programme=programme)
    offer = ConfigOffer(programme=programme)
    _apply(offer, values)
    _save(offer)
    audit.record(
        action="offer.created",
        actor=actor,
        api_client=api_client,
        programme=programme,
        target=offer,
        data={"offer_reference": offer.offer_reference},
    )
    return offer


@transaction.atomic
def update(
    *, offer: ConfigOffer, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Change the given keys of WRITABLE. Of a published offer, members see texts and terms after publishing again.

    Raises InvalidOffer with every problem, OfferIsArchived, OffersModuleOff.
    """
    return _update(offer=offer, values=values, actor=actor, api_client=api_client)[0]


@transaction.atomic
def put(
    *,
    programme: Programme,
    key: Mapping[str, str],
    values: Mapping[str, Any],
    actor: User | None,
    api_client: ApiClient | None = None,
) -> Put:
    """Create the offer with that key, or change it: the same call again changes nothing (S0-32).

    `key` is {"offer_reference": …} or {"external_id": …}. Raises as `create` and `update` do.
    """
    module.require(programme=programme)
    offer = ConfigOffer.objects.filter(programme=programme, **key).first()
    if offer is None:
        made = create(programme=programme, values={**values, **key}, actor=actor, api_client=api_client)
        return Put(offer=made, is_created=True, changed=tuple(sorted({*values, *key})))
    offer, changed = _update(offer=offer, values={**values, **key}, actor=actor, api_client=api_client)
    return Put(offer=offer, is_created=False, changed=changed)


@transaction.atomic
def publish(
    *, offer: ConfigOffer, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> OfferRevision:
    """Freeze the offer as it stands as its next revision, from `now` on.

    The first publication makes the default template (D-11), which an offer for everyone has not (S0-34); a bank is made
    where vouchers are required. Raises InvalidOffer with every problem, OfferIsArchived, OffersModuleOff.
    """
    module.require(programme=offer.programme)
    offer = _locked(offer)
    _refuse_archived(offer)
    if problems := publication_problems(offer=offer, now=now):
        raise InvalidOffer(
            _("The offer cannot be published yet: %(first)s") % {"first": problems[0]["message"]}, problems=problems
        )
    period = {}
    if offer.audience == Audience.EVERYONE:
        # The member's list reads these beside her own assignments and runs no rules.
        settled = rules.settle(offer.terms, issued_at=now, zone=offer.programme.zone)
        period = {"starts_at": settled.starts_at, "ends_at": settled.ends_at}
    last = offer.revisions.aggregate(number=models.Max("number"))["number"] or 0
    revision = OfferRevision.objects.create(
        config_offer=offer,
        number=last + 1,
        published_at=now,
        published_by=actor,
        **period,
        **{name: getattr(offer, name) for name in REVISED},
    )
    offer.state = ConfigOffer.State.PUBLISHED
    offer.current_revision = revision
    offer.published_at = now
    offer.save(update_fields=["state", "current_revision", "published_at", "updated_at"])
    if offer.audience == Audience.PERSONALIZED:
        OfferTemplate.objects.update_or_create(
            config_offer=offer, is_default=True, defaults={"programme_id": offer.programme_id, "name": offer.name}
        )
    if offer.require_vouchers:
        voucher.make_bank(offer=offer)
    audit.record(
        action="offer.published",
        actor=actor,
        api_client=api_client,
        programme=offer.programme,
        target=offer,
        data={"revision": revision.number},
    )
    _tell(offer, "offer.published" if last == 0 else "offer.changed", revision=revision.number)
    return revision


@transaction.atomic
def archive(
    *, offer: ConfigOffer, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Close the offer: nobody is given it any more; what members hold stays theirs. Archiving again changes nothing."""
    module.require(programme=offer.programme)
    offer = _locked(offer)
    if offer.state == ConfigOffer.State.ARCHIVED:
        return offer
    offer.state = ConfigOffer.State.ARCHIVED
    offer.archived_at = now
    offer.save(update_fields=["state", "archived_at", "updated_at"])
    audit.record(action="offer.archived", actor=actor, api_client=api_client, programme=offer.programme, target=offer)
    _tell(offer, "offer.archived")
    return offer


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


def unpublished_changes(*, offer: ConfigOffer) -> tuple[str, ...]:
    """Name the fields in which the offer differs from what members see; none for a draft."""
    revision = offer.current_revision
    return tuple(name for name in REVISED if revision and getattr(offer, name) != getattr(revision, name))


def _update(
    *, offer: ConfigOffer, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None
) -> tuple[ConfigOffer, tuple[str, ...]]:
    module.require(programme=offer.programme)
    offer = _locked(offer)
    _refuse_archived(offer)
    before = {name: getattr(offer, name) for name in WRITABLE}
    _apply(offer, values)
    changed = tuple(name for name in WRITABLE if getattr(offer, name) != before[name])
    if not changed:
        return offer, ()
    _save(offer)
    if offer.require_vouchers and offer.is_published:
        voucher.make_bank(offer=offer)
    audit.record(
        action="offer.updated",
        actor=actor,
        api_client=api_client,
        programme=offer.programme,
        target=offer,
        data={"changed": {name: [before[name], getattr(offer, name)] for name in changed}},
    )
    # What a revision keeps is told when it is published; the rest holds from now on.
    if offer.is_published and not set(changed) <= set(REVISED):
        _tell(offer, "offer.changed")
    return offer, changed


def _locked(offer: ConfigOffer) -> ConfigOffer:
    return ConfigOffer.objects.select_for_update(of=("self",)).select_related("programme").get(pk=offer.pk)


def _refuse_archived(offer: ConfigOffer) -> None:
    if offer.state == ConfigOffer.State.ARCHIVED:
        raise OfferIsArchived(
            _("“%(offer)s” is archived and cannot change. Make a new offer instead.") % {"offer": offer.name}
        )


def _apply(offer: ConfigOffer, values: Mapping[str, Any]) -> None:
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
                label = offer._meta.get_field(name).verbose_name
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
            label = offer._meta.get_field(name).verbose_name
            message = _("Another offer has the %(field)s “%(value)s”. Choose another.") % {
                "field": label,
                "value": value,
            }
            problems.append(problem(name, "taken", message))
    return problems


def _save(offer: ConfigOffer) -> None:
    try:
        with transaction.atomic():
            offer.save()
    except IntegrityError as error:
        # Two callers created it at the same moment; the constraint let one through.
        raise Conflict(_("Another offer took this reference at the same moment. Load it and try again.")) from error


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


def _tell(offer: ConfigOffer, event: str, **data: Any) -> None:
    """Let the till hear of it (S4-40)."""
    outbox.write(
        programme=offer.programme,
        type=event,
        config_offer_id=offer.pk,
        data={"offer_reference": offer.offer_reference, "external_id": offer.external_id, **data},
    )
