"""How an explanation says moments and reasons: as one reads them out, in the zone of whoever is told (D-09)."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import gettext as _

from loyalty.models import Member
from offers.models import AssignmentEvent, Source
from offers.models.outcome import OUTCOME_SENTENCES, REASON_LABELS, REASONS_OF_IMPORTS
from offers.services.reason import Reason


def zone_of(member: Member) -> ZoneInfo:
    """Return the zone in which the member reads moments."""
    return ZoneInfo(member.timezone) if member.timezone else member.programme.zone


def from_when(moment: datetime, *, zone: ZoneInfo, now: datetime) -> str:
    """Say a moment: `today at 14:00`, `Monday 23 November`, with the year where it is another one."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    at = "" if local.time() == time.min else _(" at %(time)s") % {"time": f"{local:%H:%M}"}
    day = local.date()
    named = {today: _("today"), today + timedelta(days=1): _("tomorrow"), today - timedelta(days=1): _("yesterday")}
    how = "l j F" if day.year == today.year else "l j F Y"
    return f"{named.get(day) or formats.date_format(local, how)}{at}"


def until_when(moment: datetime, *, zone: ZoneInfo, now: datetime) -> str:
    """Say a half-open end: what is over at midnight lasts until the end of the day before."""
    if moment.astimezone(zone).time() != time.min:
        return from_when(moment, zone=zone, now=now)
    day = from_when(moment.astimezone(zone) - timedelta(days=1), zone=zone, now=now)
    return _("the end of %(day)s") % {"day": day}


def who(event: AssignmentEvent | None, run: str = "") -> str:
    """Say who stood behind an event: a person, a machine, a run's undo, an import, the member herself."""
    if event is None:
        return _("nobody known")
    if event.actor:
        return str(event.actor)
    if event.api_client:
        return str(event.api_client.name)
    if event.data.get("run"):
        return _("the undo of the run “%(run)s”") % {"run": run}
    if event.source is None:
        return _("the member herself")
    return str(Source(event.source).label)


def reason_of(event: AssignmentEvent | None) -> str:
    """Say the reason that was given for an ending."""
    said = event.data.get("reason", "") if event else ""
    return str(REASONS_OF_IMPORTS.get(said, said)) or _("none was given.")


def refused(outcome: str, reasons: Iterable[Reason] = ()) -> str:
    """Say a refusal: its reasons, else what its outcome means."""
    said = [reason.message for reason in reasons]
    return " ".join(text for text in said if text) or str(OUTCOME_SENTENCES.get(outcome, outcome.replace("_", " ")))


def left_out(outcome: str, reason: str | None) -> str:
    """Say why a run left a member out; the reason is the code that its frozen audience keeps."""
    sentence = str(OUTCOME_SENTENCES.get(outcome, outcome.replace("_", " ")))
    return f"{sentence} ({REASON_LABELS.get(reason, reason)})" if reason else sentence


def filled(sentence: Any, words: Mapping[str, Any]) -> str:
    """Put the words into a sentence."""
    return str(sentence) % words
