"""Words of the support desk: time left, masked contact data, what a door's entry or an event says."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from loyalty import contact
from loyalty.models import Member
from offers.models import AssignmentEvent, DoorEntry
from offers.models.outcome import OUTCOME_LABELS, OUTCOME_SENTENCES, REASONS_OF_IMPORTS
from offers.selectors.timeline import Change, Entry
from offers.services import reason
from support.selectors import reason as desk_reasons
from support.selectors.assignment import Holding
from support.selectors.look import LOOKS
from support.templatetags.laurel import moment, money

register = template.Library()

VERBS = {
    "accepted": gettext_lazy("accepted"),
    "seen": gettext_lazy("seen by the member"),
    "exposed": gettext_lazy("code shown"),
    "revoked": gettext_lazy("revoked"),
    "synchronized": gettext_lazy("confirmed by the till"),
    "used_up": gettext_lazy("used up"),
    "closed": gettext_lazy("closed"),
    "declined": gettext_lazy("declined by the member"),
    "undone": gettext_lazy("undone"),
    "issued": gettext_lazy("issued"),
    "redeemed": gettext_lazy("used"),
    "told": gettext_lazy("told to others"),
    "reissued": gettext_lazy("reissued"),
    "extended": gettext_lazy("extended"),
    "returned": gettext_lazy("use given back"),
}


@register.simple_tag(takes_context=True)
def email_of(context: template.Context, member: Member) -> str:
    """Write a member's e-mail address: in clear for who may see contact data, else masked."""
    return member.email if _sees_contact_data(context) else contact.masked_email(member.email)


@register.simple_tag(takes_context=True)
def phone_of(context: template.Context, member: Member) -> str:
    """Write a member's phone number: in clear for who may see contact data, else masked."""
    return member.phone if _sees_contact_data(context) else contact.masked_phone(member.phone)


def _sees_contact_data(context: template.Context) -> bool:
    return bool(context["user"].has_perm("loyalty.see_contact_data"))


@register.filter
def called(labels: Mapping[str, Any], code: str) -> Any:
    """Return what a code is called, or the code where it has no name."""
    return labels.get(code, code)


@register.simple_tag
def remaining(until: datetime | None, now: datetime) -> str:
    """Say how long something still lasts: `3 days left`; without an end it is "no end"."""
    if until is None:
        return _("no end")
    left = until - now
    if left <= timedelta(0):
        return _("over")
    if left >= timedelta(days=2):
        return ngettext("%(n)d day left", "%(n)d days left", left.days) % {"n": left.days}
    hours = int(left.total_seconds() // 3600)
    if hours >= 1:
        return ngettext("%(n)d hour left", "%(n)d hours left", hours) % {"n": hours}
    minutes = max(1, int(left.total_seconds() // 60))
    return ngettext("%(n)d minute left", "%(n)d minutes left", minutes) % {"n": minutes}


@register.simple_tag(takes_context=True)
def until(context: template.Context, end: datetime) -> SafeString:
    """Say a half-open end as people do: what is over at midnight lasts until the end of the day before."""
    if not _is_midnight(context, end):
        return moment(context, end)
    return _last_day(context, end, "D j M", _("the end of %(day)s"))


@register.simple_tag(takes_context=True)
def last_day(context: template.Context, end: datetime) -> SafeString:
    """Say a half-open end in little room: its last day, or the moment where it is none of a day's."""
    return _last_day(context, end, "j M", "%(day)s") if _is_midnight(context, end) else moment(context, end)


def _is_midnight(context: template.Context, end: datetime) -> bool:
    return end.astimezone(context["programme"].zone).time() == time.min


def _last_day(context: template.Context, end: datetime, how: str, words: str) -> SafeString:
    zone = context["programme"].zone
    local = end.astimezone(zone)
    last = local.date() - timedelta(days=1)
    this_year = last.year == timezone.now().astimezone(zone).year
    text = words % {"day": formats.date_format(last, how if this_year else f"{how} Y")}
    title = f"{formats.date_format(last, 'l j F Y')} 24:00 {local.tzname()} ({zone.key})"
    return format_html('<time class="nowrap" datetime="{}" title="{}">{}</time>', end.isoformat(), title, text)


@register.simple_tag
def since(moment: datetime, now: datetime) -> str:
    """Say for how long something has been so: `for 3 minutes`."""
    gone = max(now - moment, timedelta(0))
    if gone >= timedelta(days=2):
        return ngettext("for %(n)d day", "for %(n)d days", gone.days) % {"n": gone.days}
    hours = int(gone.total_seconds() // 3600)
    if hours >= 1:
        return ngettext("for %(n)d hour", "for %(n)d hours", hours) % {"n": hours}
    minutes = max(1, int(gone.total_seconds() // 60))
    return ngettext("for %(n)d minute", "for %(n)d minutes", minutes) % {"n": minutes}


# What a verb changed, in words. That its own moment was set, the entry says already.
FIELDS = {
    "ends_at": gettext_lazy("usable until"),
    "holding_key": gettext_lazy("counts as held"),
    "voucher_code": gettext_lazy("code"),
}


@register.filter
def entry_label(entry: Entry) -> str:
    """Say what an entry of an assignment's timeline is about."""
    known = VERBS.get(entry.kind)
    return str(known) if known else entry.kind.replace("_", " ")


@register.simple_tag(takes_context=True)
def changed(context: template.Context, change: Change) -> SafeString:
    """Say what a change was: the field, its old and its new value; moments as people write them."""
    label = FIELDS.get(change.field)
    if label is None or change.old == change.new:
        return SafeString("")
    if change.field == "voucher_code" and change.new is None:
        return format_html('<span class="under soft">{}</span>', _("its code, which nobody saw, went back to the bank"))
    old, new = (_value(context, change.field, value) for value in (change.old, change.new))
    return format_html('<span class="under soft">{}: {} → {}</span>', label, old, new)


def _value(context: template.Context, name: str, value: Any) -> str:
    if name == "holding_key":
        return _("no") if value is None else _("yes")
    if value is None:
        return _("none")
    if name == "ends_at":
        return until(context, datetime.fromisoformat(value))
    return str(value)


@register.filter
def verb(event: AssignmentEvent) -> str:
    """Say what an event did to its assignment."""
    known = VERBS.get(event.verb)
    return str(known) if known else event.verb.replace("_", " ")


@register.filter
def outcome_label(code: str) -> str:
    return str(OUTCOME_LABELS.get(code, code.replace("_", " ")))


@register.filter
def outcome_sentence(code: str) -> str:
    return str(OUTCOME_SENTENCES.get(code, ""))


@register.simple_tag(takes_context=True)
def reason_label(context: template.Context, code: str) -> str:
    """Say an agent's or an import's reason in words; what somebody wrote stays as it is.

    The desk's reasons are read once a page, whatever the number of lines.
    """
    if code in REASONS_OF_IMPORTS:
        return str(REASONS_OF_IMPORTS[code])
    request = context["request"]
    if not hasattr(request, "grant_reasons"):
        request.grant_reasons = desk_reasons.labels(programme=request.programme)
    return str(request.grant_reasons.get(code, code))


@register.filter
def outcome_of(entry: DoorEntry) -> str:
    return str(entry.answer.get("outcome", ""))


@register.filter
def messages_of(entry: DoorEntry) -> list[str]:
    """Return the sentences of a refusal's reasons, or the outcome's own where it has none."""
    said = [reason.read(stored).message for stored in entry.answer.get("reasons", [])]
    return [text for text in said if text] or [outcome_sentence(outcome_of(entry))]


@register.simple_tag
def source_line(holding: Holding) -> str:
    """Say which door made an assignment, and who or which run stood behind it (S0-11)."""
    held = holding.assignment
    if held.run:
        return _("by the run “%(run)s”") % {"run": held.run.name}
    if held.actor:
        return _("by %(person)s, %(door)s") % {"person": held.actor, "door": held.get_source_display()}
    return _("by %(door)s") % {"door": held.get_source_display()}


@register.simple_tag
def address(name: str, *arguments: Any) -> str:
    """Return a page's address, or nothing where the page does not exist: a link may lead to a part that is off."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""


RECORD_WORDS = {
    "external_id": gettext_lazy("External id"),
    "first_name": gettext_lazy("First name"),
    "last_name": gettext_lazy("Last name"),
    "email": gettext_lazy("E-mail"),
    "phone": gettext_lazy("Phone"),
    "birth_date": gettext_lazy("Born"),
    "gender": gettext_lazy("Gender"),
    "language": gettext_lazy("Language"),
    "timezone": gettext_lazy("Time zone"),
    "city": gettext_lazy("City"),
    "country": gettext_lazy("Country"),
    "tier": gettext_lazy("Tier"),
    "status": gettext_lazy("Status"),
    "joined_at": gettext_lazy("Joined"),
    "created_at": gettext_lazy("First known"),
    "updated_at": gettext_lazy("Last changed"),
    "agreed": gettext_lazy("Agreed"),
    "at": gettext_lazy("When"),
    "benefit_minor": gettext_lazy("Benefit"),
    "total_minor": gettext_lazy("Total"),
    "amount_minor": gettext_lazy("Amount"),
    "discount_minor": gettext_lazy("Discount"),
    "personalized_offer_id": gettext_lazy("Personalized Offer ID"),
}
MASKED = {"email": contact.masked_email, "phone": contact.masked_phone}


@register.filter
def record_word(key: str) -> str:
    """Return what a field of a member's record is called; a field that is a word already is that word."""
    return str(RECORD_WORDS.get(key) or key.replace("_", " ").capitalize())


@register.simple_tag(takes_context=True)
def record_value(context: template.Context, key: str, value: Any) -> str:
    """Write a value of a member's record for people: moments, money, yes and no, and what is nested line by line."""
    if value is None or value in ("", [], {}):
        return format_html('<span class="soft">{}</span>', _("none"))
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if key == "usable_until":
        return until(context, value)
    if isinstance(value, date):
        return moment(context, value)
    if key.endswith("_minor"):
        return money(context, value)
    if key == "what" and value in LOOKS:
        return str(LOOKS[value])
    if key == "what" and value in VERBS:
        return str(VERBS[value])
    if key in MASKED:
        # Also where it is nested: what an import changed, what a list says.
        return MASKED[key](str(value))
    if isinstance(value, dict):
        lines = [(record_word(str(name)), record_value(context, str(name), each)) for name, each in value.items()]
        return format_html_join("", "<div>{}: {}</div>", lines)
    if isinstance(value, list):
        return format_html_join("", "<div>{}</div>", [(record_value(context, "", each),) for each in value])
    return str(value)
