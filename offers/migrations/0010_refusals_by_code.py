"""Doors kept the sentences of refusals; from here on they keep codes and what fills the sentences.

A sentence that says no more than its code and parameters goes; any other one stays, as `said`, and is shown as it was.
"""

import re
from typing import Any

from django.db import migrations

# As the sentences were written until now.
SENTENCES = {
    "unknown_template": r"There is no such template\.",
    "offer_is_for_everyone": r"“(?P<offer>.*)” is for everyone: it is shown to all members and never assigned\.",
    "offer_not_published": r"“(?P<offer>.*)” is (?P<state>draft|published|archived)\. Publish it before assigning it\.",
    "template_archived": r"The template “(?P<template>.*)” is archived\. Choose another one\.",
    "missing_rule": r"The template “(?P<template>.*)” requires a value for “.*”\.",
    "period_over": r"The period is already over: it ended at (?P<ended_at>\d{4}-\d\d-\d\d \d\d:\d\d) UTC\.",
}
# Their parameters were kept already.
COMPLETE = {
    "not_in_audience",
    "audience_unreadable",
    "campaign_per_member",
    "offer_cap",
    "offer_daily_cap",
    "campaign_cap",
    "campaign_daily_cap",
}
BUDGETS = {"offer_budget", "offer_daily_budget", "campaign_budget", "campaign_daily_budget"}
AT_ONCE = 1000


def converted(reason: dict[str, Any], currency: str) -> dict[str, Any]:
    """Return one reason in its new form."""
    kept = {name: value for name, value in reason.items() if name != "message"}
    message, code, parameters = reason.get("message", ""), reason["code"], dict(reason.get("parameters", {}))
    if not message or (code in COMPLETE and parameters):
        return kept
    if code in BUDGETS and parameters:
        return kept | {"parameters": parameters | {"currency": currency}}
    found = re.fullmatch(SENTENCES[code], message, re.DOTALL) if code in SENTENCES else None
    if found is None:
        return kept | {"said": message}
    parameters |= found.groupdict()
    if "ended_at" in parameters:
        parameters["ended_at"] = parameters["ended_at"].replace(" ", "T") + ":00+00:00"
    return kept | ({"parameters": parameters} if parameters else {})


def convert(apps, schema_editor):
    entries = apps.get_model("offers", "DoorEntry").objects.using(schema_editor.connection.alias)
    currencies = dict(apps.get_model("loyalty", "Programme").objects.values_list("pk", "currency"))
    last = 0
    while True:
        found = list(entries.filter(pk__gt=last, answer__has_key="reasons").order_by("pk")[:AT_ONCE])
        if not found:
            return
        for entry in found:
            currency = currencies[entry.programme_id]
            entry.answer["reasons"] = [converted(reason, currency) for reason in entry.answer["reasons"]]
        entries.bulk_update(found, ["answer"])
        last = found[-1].pk


class Migration(migrations.Migration):
    dependencies = [("offers", "0009_voucher_batches")]

    # Back is nothing to do: whoever finds no sentence says the outcome's.
    operations = [migrations.RunPython(convert, migrations.RunPython.noop)]
