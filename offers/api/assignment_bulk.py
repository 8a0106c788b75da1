"""`assignments/bulk`: the door of outside bulk producers, told apart from the API's own and from runs (S0-36)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema
from loyalty.api.idempotency import idempotent
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.assignment import REFUSALS, GrantValues
from offers.api.view import OffersView
from offers.models import FieldDefinition
from offers.selectors import campaign as campaigns
from offers.selectors import template as templates
from offers.services import bulk_door, field
from offers.services.assignment import Grant
from offers.services.problem import problem


class BulkGrantValues(GrantValues):
    reference = serializers.CharField(
        max_length=200,
        help_text="Your own id of this grant, kept for good: the same grant again is answered as before.",
    )


class BulkValues(serializers.Serializer[Any]):
    grants = serializers.ListField(child=BulkGrantValues(), allow_empty=False, max_length=bulk_door.MOST)


class BulkOutcome(serializers.Serializer[Any]):
    reference = serializers.CharField()
    outcome = serializers.ChoiceField(["assigned", *sorted(REFUSALS), "reference_reused"])
    is_replayed = serializers.BooleanField(help_text="It was answered before, under the same reference.")
    assignment = serializers.UUIDField(required=False, help_text="The Personalized Offer ID, where it was assigned.")
    reasons = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="Why not, each with a code and a message."
    )


class BulkAnswer(serializers.Serializer[Any]):
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="By outcome, the replayed included.")
    results = BulkOutcome(many=True, help_text="In the order of the request.")


class BulkAssignments(OffersView):
    scopes = {"POST": Scope.ASSIGN_IN_BULK}

    @extend_schema(
        operation_id="create_assignments_in_bulk",
        request=BulkValues,
        responses={200: BulkAnswer, 422: ProblemSchema},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Assign up to 1,000 offers as one set, as an outside bulk producer; each is answered for itself."""
        values = BulkValues(data=self.body())
        values.is_valid(raise_exception=True)
        grants = self.grants(values.validated_data["grants"])
        answers = bulk_door.grant(
            programme=self.programme,
            instance=self.client.prefix,
            grants=grants,
            context={"api_client": self.client.name},
        )
        results = [
            {"reference": each.reference, "is_replayed": answer.is_replayed, **answer.outcome.as_dict()}
            for each, answer in zip(grants, answers, strict=True)
        ]
        return Response({"counts": Counter(each["outcome"] for each in results), "results": results})

    def grants(self, given: Sequence[dict[str, Any]]) -> list[Grant]:
        """Return the grants that are meant, or raise every problem of all of them; four queries, however many."""
        own, by_offer = templates.ids_by_name(
            programme=self.programme,
            external_ids={each["template"] for each in given if "template" in each},
            offers={each["offer"] for each in given if "offer" in each},
        )
        known_campaigns = campaigns.ids_by_external_id(
            programme=self.programme, external_ids={each["campaign"] for each in given if each.get("campaign")}
        )
        table = FieldDefinition.Table.ASSIGNMENTS
        fields = field.known(programme=self.programme, table=table) if any("fields" in each for each in given) else {}
        problems: list[dict[str, Any]] = []
        seen: dict[str, int] = {}
        grants = []
        for n, each in enumerate(given):
            place = f"grants[{n}]"
            name = "template" if "template" in each else "offer"
            template_id = (own if name == "template" else by_offer).get(each[name])
            if template_id is None:
                message = f"There is no {name} “{each[name]}”."
                problems.append(problem(f"{place}.{name}", f"unknown_{name}", message))
            campaign_id = known_campaigns.get(each["campaign"]) if each.get("campaign") else None
            if each.get("campaign") and campaign_id is None:
                message = f"There is no campaign “{each['campaign']}”."
                problems.append(problem(f"{place}.campaign", "unknown_campaign", message))
            if (first := seen.setdefault(each["reference"], n)) != n:
                message = f"grants[{first}] has the reference “{each['reference']}” already. Each grant has its own."
                problems.append(problem(f"{place}.reference", "named_twice", message))
            extra, found = field.check(
                programme=self.programme, table=table, values=each.get("fields", {}), fields=fields
            )
            problems += [{**one, "field": f"{place}.{one['field']}"} for one in found]
            if template_id is not None:
                grants.append(
                    Grant(
                        template_id=template_id,
                        member_external_id=each["member"],
                        terms=each.get("terms", {}),
                        campaign_id=campaign_id,
                        rank=each.get("rank"),
                        reference=each["reference"],
                        fields=extra or None,
                    )
                )
        if problems:
            raise InvalidInput("Some grants are not acceptable, so none was done.", problems=problems)
        return grants
