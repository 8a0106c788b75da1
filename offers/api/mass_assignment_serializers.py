"""How runs, dry runs and their outcomes are written for machines (S4-24..28)."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from offers.models import MassAssignment
from offers.selectors import mass_assignment as selectors
from offers.services import run_dry_run
from offers.services.audience import DryRun
from offers.services.member_value_preview import Sample


class ProgressSerializer(serializers.Serializer[Any]):
    """Counted from committed rows only."""

    total = serializers.IntegerField(help_text="How many are to be assigned.")
    done = serializers.IntegerField()
    percent = serializers.IntegerField(help_text="Whole percents, rounded down.")
    assigned = serializers.IntegerField()
    refused = serializers.DictField(child=serializers.IntegerField(), help_text="By outcome code.")
    failed_chunks = serializers.IntegerField()
    retried_chunks = serializers.IntegerField()
    per_minute = serializers.IntegerField(allow_null=True)
    seconds_left = serializers.IntegerField(allow_null=True, help_text="About, at the rate of the last minute.")
    workers = serializers.IntegerField(help_text="At it now.")


class FailureSerializer(serializers.Serializer[Any]):
    """Why a run failed or stands still; other codes carry other numbers."""

    code = serializers.CharField(help_text="cap_reached, budget_reached, out_of_codes, planning_failed, offer_closed …")
    message = serializers.CharField(required=False, help_text="One sentence, with what to do.")
    reason = serializers.CharField(required=False, help_text="Which limit has too little left.")
    needed = serializers.IntegerField(required=False)
    short = serializers.IntegerField(required=False)
    problems = serializers.ListField(child=serializers.DictField(), required=False, help_text="Every cause.")


class MassAssignmentSerializer(serializers.ModelSerializer[MassAssignment]):
    config_offer = serializers.CharField(source="config_offer.offer_reference")
    targeting = serializers.IntegerField(source="targeting_version.targeting_id")
    targeting_version = serializers.IntegerField(
        source="targeting_version.number", help_text="Which it keeps, whatever is saved since."
    )
    targeting_current_version = serializers.IntegerField(source="targeting_version.targeting.current_version.number")
    campaign = serializers.SerializerMethodField(help_text="External id, or null where the run stands for itself.")
    hold_out_percent = serializers.FloatField()
    waiting = serializers.SerializerMethodField(
        help_text="What it waits for, as the failure that it would be; or null."
    )
    failure = serializers.SerializerMethodField(help_text="Null unless it failed or stands still.")
    progress = serializers.SerializerMethodField(help_text="Null until the run is planned, and in lists.")

    class Meta:
        model = MassAssignment
        fields = [
            "id", "name", "state", "follows", "config_offer", "template", "targeting", "targeting_version",
            "targeting_current_version", "campaign", "terms", "member_values", "hold_out_percent", "rank", "matched",
            "excluded", "eligible", "failure", "progress", "on_shortfall", "wait_days", "waiting", "wait_until",
            "launch_at", "created_at", "launched_at", "planned_at", "finished_at",
        ]  # fmt: skip

    def get_campaign(self, run: MassAssignment) -> str | None:
        return run.campaign.external_id if run.campaign and not run.campaign.is_of_run else None

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_failure(self, run: MassAssignment) -> dict[str, Any] | None:
        return run.failure

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_waiting(self, run: MassAssignment) -> dict[str, Any] | None:
        return run.waiting

    @extend_schema_field(ProgressSerializer(allow_null=True))
    def get_progress(self, run: MassAssignment) -> dict[str, Any] | None:
        if "now" not in self.context or run.planned_at is None:
            return None
        return ProgressSerializer(selectors.progress(run=run, now=self.context["now"])).data


class ShortfallSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(["cap_reached", "budget_reached"])
    reason = serializers.CharField(
        help_text="Which limit: offer_cap, offer_daily_cap, offer_budget, offer_daily_budget; campaign_… likewise."
    )
    needed = serializers.IntegerField(help_text="Assignments, or minor units of money for budgets.")
    left = serializers.IntegerField()
    short = serializers.IntegerField()
    message = serializers.CharField(source="sentence")
    advice = serializers.CharField(help_text="What to do.")


class SpreadSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(source="key", help_text="Rule and field, such as `benefit.size`.")
    minimum = serializers.IntegerField(allow_null=True, help_text="In whole units of the rule: minor units of money.")
    median = serializers.IntegerField(allow_null=True)
    maximum = serializers.IntegerField(allow_null=True)


class SampleSerializer(serializers.Serializer[Any]):
    member = serializers.CharField(source="external_id")
    terms = serializers.DictField(source="values", help_text="What her assignment would carry.")
    sentences = serializers.SerializerMethodField()

    def get_sentences(self, sample: Sample) -> list[str]:
        return [str(line.text) for line in sample.lines]


class WarningSerializer(serializers.Serializer[Any]):
    field = serializers.SerializerMethodField(help_text="Rule and field, such as `validity.ends_at`.")
    code = serializers.ChoiceField(["ends_after_offer", "starts_before_offer", "over_before_it_begins"])
    message = serializers.CharField()

    def get_field(self, found: Mapping[str, Any]) -> str:
        return f"{found['rule']}.{found['field']}"


class DryRunSerializer(serializers.Serializer[Any]):
    matched = serializers.IntegerField()
    excluded = serializers.DictField(child=serializers.IntegerField(), help_text="By outcome code.")
    reasons = serializers.DictField(
        child=serializers.IntegerField(),
        help_text=(
            "Why those are `ineligible` who are: not_in_audience, conditions_not_met, campaign_per_member; and of "
            "which field a value is missing or not valid, such as benefit.size."
        ),
    )
    eligible = serializers.IntegerField(help_text="How many would be assigned.")
    codes_left = serializers.IntegerField(allow_null=True, help_text="Null: the offer needs no codes.")
    codes_short = serializers.IntegerField()
    exposure_minor = serializers.IntegerField(help_text="Worst case in minor units; 0 where it is not known.")
    limits = ShortfallSerializer(
        many=True, help_text="What caps and hard budgets have too little of: with any of it a launch assigns nobody."
    )
    fits = serializers.IntegerField(help_text="For how many, the first ones, there is enough: a cut run assigns these.")
    spreads = SpreadSerializer(many=True, help_text="Numbers that differ per member, over those to be assigned.")
    samples = SampleSerializer(many=True, help_text="What three of them would be given, where it differs per member.")
    warnings = WarningSerializer(
        many=True, help_text="Allowed, but perhaps not meant: a period that goes beyond the offer's own."
    )
    needs_approval = serializers.SerializerMethodField(
        help_text="So large that the launched run waits for somebody else's approval, or another key's."
    )

    def get_needs_approval(self, found: DryRun) -> bool:
        return run_dry_run.needs_approval(found=found, **self.context["launch"])


class ReachedSerializer(serializers.Serializer[Any]):
    member = serializers.CharField(source="external_id")
    outcome = serializers.CharField()
    reason = serializers.CharField(help_text="Why not eligible, or which field's value is missing or not valid.")
    value = serializers.CharField(help_text="What her attribute or list says, where that is why she was refused.")
    values = serializers.DictField(
        help_text="What she got of the terms that differ per member, as they are stored, such as `benefit.size`: 13."
    )
    assignment_id = serializers.UUIDField(allow_null=True)
    since = serializers.CharField(
        help_text="What became of the assignment: open, seen, accepted, redeemed, … or empty."
    )


class OutcomesSerializer(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True, help_text="The cursor of the next page.")
    results = ReachedSerializer(many=True)
