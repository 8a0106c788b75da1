"""Offer templates: the shell for assignments, naming the rules that must be given (S0-05..09, S0-32, D-11)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from loyalty.errors import Conflict, InvalidInput
from loyalty.models import ApiClient, Programme, User
from loyalty.services import audit
from offers import rules
from offers.models import Audience, ConfigOffer, OfferTemplate
from offers.services import module
from offers.services.problem import of_model, problem

WRITABLE = ("config_offer", "external_id", "name", "description", "required_rules", "desk_roles")


class InvalidTemplate(InvalidInput):
    """The template is not acceptable; `problems` names every field at once."""

    code = "invalid_template"


class TemplateIsArchived(Conflict):
    """An archived template changes no more."""

    code = "template_archived"


class DefaultTemplate(Conflict):
    """The default template stays as publishing made it (D-11)."""

    code = "default_template"


@dataclass(frozen=True)
class Put:
    """What a PUT by external id did."""

    template: OfferTemplate
    is_created: bool
    changed: tuple[str, ...]


@transaction.atomic
def create(
    *, programme: Programme, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None = None
) -> OfferTemplate:
    """Make a template. `values` has keys of WRITABLE; a personalized config offer (S0-05) and a name are mandatory.

    Raises InvalidTemplate with every problem, OffersModuleOff.
    """
    module.require(programme=programme)
    template = OfferTemplate(programme=programme)
    _apply(template, values)
    _save(template)
    audit.record(
        action="template.created",
        actor=actor,
        api_client=api_client,
        programme=programme,
        target=template,
        data={"config_offer": template.config_offer_id, "required_rules": template.required_rules},
    )
    return template


@transaction.atomic
def update(
    *, template: OfferTemplate, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None = None
) -> OfferTemplate:
    """Change the given keys of WRITABLE; grants from now on need the rules that it then names.

    Raises InvalidTemplate with every problem, TemplateIsArchived, DefaultTemplate, OffersModuleOff.
    """
    return _update(template=template, values=values, actor=actor, api_client=api_client)[0]


@transaction.atomic
def put(
    *,
    programme: Programme,
    external_id: str,
    values: Mapping[str, Any],
    actor: User | None,
    api_client: ApiClient | None = None,
) -> Put:
    """Create the template with that external id, or change it: the same call again changes nothing (S0-32)."""
    module.require(programme=programme)
    values = {**values, "external_id": external_id}
    template = OfferTemplate.objects.filter(programme=programme, external_id=external_id).first()
    if template is None:
        made = create(programme=programme, values=values, actor=actor, api_client=api_client)
        return Put(template=made, is_created=True, changed=tuple(sorted(values)))
    template, changed = _update(template=template, values=values, actor=actor, api_client=api_client)
    return Put(template=template, is_created=False, changed=changed)


@transaction.atomic
def archive(
    *, template: OfferTemplate, actor: User | None, now: datetime, api_client: ApiClient | None = None
) -> OfferTemplate:
    """Take the template out of use; assignments that it made keep it. Archiving again changes nothing.

    Raises DefaultTemplate: that one goes with its offer.
    """
    module.require(programme=template.programme)
    template = _locked(template)
    if template.archived_at is not None:
        return template
    if template.is_default:
        raise DefaultTemplate(
            _("“%(name)s” is its offer's default template. Archive the offer instead.") % {"name": template.name}
        )
    template.archived_at = now
    template.save(update_fields=["archived_at", "updated_at"])
    audit.record(
        action="template.archived",
        actor=actor,
        api_client=api_client,
        programme=template.programme,
        target=template,
    )
    return template


def check(*, template: OfferTemplate, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what `create` or `update` would refuse, for a form that shows it beside each field. Writes nothing."""
    try:
        _apply(copy.copy(template), values)
    except InvalidTemplate as error:
        return error.problems
    return []


def _update(
    *, template: OfferTemplate, values: Mapping[str, Any], actor: User | None, api_client: ApiClient | None
) -> tuple[OfferTemplate, tuple[str, ...]]:
    module.require(programme=template.programme)
    template = _locked(template)
    if template.archived_at is not None:
        raise TemplateIsArchived(
            _("“%(name)s” is archived and cannot change. Make a new template instead.") % {"name": template.name}
        )
    before = {name: _stored(template, name) for name in WRITABLE}
    _apply(template, values)
    changed = tuple(name for name in WRITABLE if _stored(template, name) != before[name])
    if not changed:
        return template, ()
    _save(template)
    audit.record(
        action="template.updated",
        actor=actor,
        api_client=api_client,
        programme=template.programme,
        target=template,
        data={"changed": {name: [before[name], _stored(template, name)] for name in changed}},
    )
    return template, changed


def _stored(template: OfferTemplate, name: str) -> Any:
    return template.config_offer_id if name == "config_offer" else getattr(template, name)


def _locked(template: OfferTemplate) -> OfferTemplate:
    return (
        OfferTemplate.objects.select_for_update(of=("self",))
        .select_related("programme", "config_offer")
        .get(pk=template.pk)
    )


def _apply(template: OfferTemplate, values: Mapping[str, Any]) -> None:
    """Set the values on the instance, or raise InvalidTemplate with every problem."""
    problems = [
        problem(name, "unknown_field", _("There is no field “%(name)s”.") % {"name": name})
        for name in values
        if name not in WRITABLE
    ]
    given = {name: values[name] for name in WRITABLE if name in values}
    problems += _offer_problems(template, given)
    if "required_rules" in given:
        given["required_rules"], found = _required(given["required_rules"])
        problems += found
        if template.is_default and given["required_rules"]:
            message = _("The default template requires no rules. Make another template for this offer.")
            problems.append(problem("required_rules", "default_template", message))
    if "desk_roles" in given:
        given["desk_roles"], found = _roles(given["desk_roles"])
        problems += found
    for name in ("external_id", "name"):
        if isinstance(given.get(name), str):
            given[name] = given[name].strip()
    if "external_id" in given:
        given["external_id"] = given["external_id"] or None
    for name, value in given.items():
        setattr(template, name, value)
    problems += of_model(template, exclude={"programme", "config_offer"})
    others = OfferTemplate.objects.filter(programme=template.programme).exclude(pk=template.pk)
    if template.external_id and others.filter(external_id=template.external_id).exists():
        message = _("Another template has the external id “%(value)s”. Choose another.")
        problems.append(problem("external_id", "taken", message % {"value": template.external_id}))
    if problems:
        raise InvalidTemplate(
            _("The template was not saved: %(first)s") % {"first": problems[0]["message"]}, problems=problems
        )


def _offer_problems(template: OfferTemplate, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Say what is wrong with the config offer; takes it out of `given` where it cannot be used."""
    offer = given.get("config_offer", template.config_offer if template.config_offer_id else None)
    if not isinstance(offer, ConfigOffer) or offer.programme_id != template.programme_id:
        given.pop("config_offer", None)
        message = _("Choose the config offer: a template cannot be saved without one.")
        return [problem("config_offer", "required", message)]
    if template.pk is not None and offer.pk != template.config_offer_id:
        del given["config_offer"]
        message = _("A template stays with its config offer. Make a new template for the other offer.")
        return [problem("config_offer", "fixed", message)]
    if offer.audience == Audience.EVERYONE:
        message = _("“%(offer)s” is for everyone and is never assigned. Choose a personalized offer.")
        return [problem("config_offer", "not_personalized", message % {"offer": offer.name})]
    if offer.state == ConfigOffer.State.ARCHIVED and template.pk is None:
        message = _("“%(offer)s” is archived. Choose an offer that is still in use.") % {"offer": offer.name}
        return [problem("config_offer", "offer_archived", message)]
    return []


def _required(given: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the required kinds in form order without repetition, and the unknown ones as problems (S0-06)."""
    if not isinstance(given, list | tuple | set):
        return [], [problem("required_rules", "not_a_list", _("Give a list of rules."))]
    known = ", ".join(rules.KINDS)
    problems = [
        problem(
            "required_rules",
            "unknown_rule",
            _("There is no rule “%(kind)s”. Use some of: %(known)s.") % {"kind": kind, "known": known},
        )
        for kind in given
        if kind not in rules.KINDS
    ]
    return [kind for kind in rules.KINDS if kind in given], problems


def _roles(given: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of roles in their order without repetition, and the unknown ones as problems (B-05)."""
    if not isinstance(given, list | tuple | set) or not all(isinstance(name, str) for name in given):
        return [], [problem("desk_roles", "not_a_list", _("Give a list of roles by their names."))]
    known = list(Group.objects.order_by("name").values_list("name", flat=True))
    problems = [
        problem(
            "desk_roles",
            "unknown_role",
            _("There is no role “%(role)s”. Use some of: %(known)s.") % {"role": name, "known": ", ".join(known)},
        )
        for name in given
        if name not in known
    ]
    return [name for name in known if name in given], problems


def _save(template: OfferTemplate) -> None:
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError as error:
        # Two callers created it at the same moment; the constraint let one through.
        raise Conflict(
            _("Another template took this external id at the same moment. Load it and try again.")
        ) from error
