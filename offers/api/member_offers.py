"""The member's own addresses: `me/offers`. She comes with her token, or a trusted server comes for her."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import ProblemSchema
from loyalty.api.view import MemberView
from loyalty.errors import Conflict
from loyalty.models import Programme
from offers import rules
from offers.models import Source
from offers.selectors import member_offers, offer_products
from offers.services import assignment_verbs, closing
from offers.services.verb import By

LANGUAGE = OpenApiParameter(
    "Accept-Language", str, OpenApiParameter.HEADER, description="Preferred over the member's own language."
)
STATUSES = ("usable", "upcoming", "waiting_for_acceptance")
ALL_STATUSES = (*STATUSES, "used_up", "expired", "closed")


class BenefitSchema(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["percent", "amount", "fixed_price", "bonus_points"])
    size = serializers.IntegerField(help_text="Whole percents, minor units of the currency, or points.")
    maximum_minor = serializers.IntegerField(required=False, allow_null=True)


class PersonalItemSchema(serializers.Serializer[Any]):
    external_id = serializers.CharField()
    name = serializers.CharField(required=False)
    benefit = serializers.DictField(help_text="As `benefit`; or the type `coupon`, with `offer_reference`.")
    starts_at = serializers.CharField(required=False)
    ends_at = serializers.CharField(required=False, help_text="A date: included, in the programme's zone.")


class PersonalSchema(serializers.Serializer[Any]):
    """A member's own terms (S1-19): items, or thresholds of the receipt."""

    mechanic = serializers.ChoiceField(["products", "groups", "categories", "receipt"])
    items = PersonalItemSchema(many=True, required=False)
    benefit_type = serializers.CharField(required=False)
    thresholds = serializers.ListField(child=serializers.DictField(), required=False)


class MemberOfferSchema(serializers.Serializer[Any]):
    """Documentation only: the list is written without a serializer (PERFORMANCE.md, goal D)."""

    id = serializers.UUIDField(help_text="The Personalized Offer ID, or the public id of an offer for everyone.")
    is_personal = serializers.BooleanField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    image_url = serializers.CharField(allow_blank=True)
    web_page_url = serializers.CharField(allow_blank=True)
    benefit = BenefitSchema(allow_null=True)
    personal = PersonalSchema(allow_null=True)
    status = serializers.ChoiceField(STATUSES)
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Half-open: over at this moment.")
    acceptance_required = serializers.BooleanField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    has_code = serializers.BooleanField(help_text="The code itself stands only in the detail.")
    rank = serializers.IntegerField(help_text="Lower stands first.")


class MemberOfferListSchema(serializers.Serializer[Any]):
    currency = serializers.CharField()
    language = serializers.CharField()
    offers = MemberOfferSchema(many=True)


class SentenceSchema(serializers.Serializer[Any]):
    rule = serializers.CharField()
    text = serializers.CharField()


class MemberOfferDetailSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    is_personal = serializers.BooleanField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    how_to_use = serializers.CharField(allow_blank=True)
    image_url = serializers.CharField(allow_blank=True)
    web_page_url = serializers.CharField(allow_blank=True)
    currency = serializers.CharField()
    language = serializers.CharField()
    terms = serializers.DictField(help_text="Rules by kind.")
    explanation = SentenceSchema(many=True)
    status = serializers.ChoiceField(ALL_STATUSES)
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    acceptance_required = serializers.BooleanField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True, help_text="The offer that this one was reissued for.")
    has_code = serializers.BooleanField()
    code = serializers.CharField(allow_null=True, help_text="Only while the offer is usable.")


class AcceptanceSchema(serializers.Serializer[Any]):
    code = serializers.ChoiceField(["accepted", "already_accepted"])
    accepted_at = serializers.DateTimeField()


class DeclineSchema(serializers.Serializer[Any]):
    code = serializers.ChoiceField(["declined", "already_closed"])
    closed_at = serializers.DateTimeField()


class ProductSchema(serializers.Serializer[Any]):
    external_id = serializers.CharField()
    name = serializers.CharField()
    brand = serializers.CharField(allow_blank=True)
    package_size = serializers.CharField(allow_blank=True)


class OfferProductsSchema(serializers.Serializer[Any]):
    is_everything = serializers.BooleanField(help_text="The offer is for all products.")
    count = serializers.IntegerField()
    products = ProductSchema(many=True, help_text="The first fifty by name.")


def languages(request: Request) -> list[str]:
    """Return what the reader asks for, best first; the primary language stands in for its regions."""
    header = request.META.get("HTTP_ACCEPT_LANGUAGE", "")
    if not header:
        return []
    asked = [code.partition("-")[0] for code, weight in parse_accept_lang_header(header) if code != "*" and weight > 0]
    return list(dict.fromkeys(asked))


class MyOffers(MemberView):
    @extend_schema(
        operation_id="list_my_offers", parameters=[LANGUAGE], responses={200: MemberOfferListSchema, 404: ProblemSchema}
    )
    def get(self, request: Request) -> HttpResponse:
        """List the member's offers: hers first, then those for everyone; each part by rank, then by end."""
        found = member_offers.listed(
            member_id=self.caller.member_id, programme_id=self.caller.programme_id, languages=languages(request)
        )
        return HttpResponse(
            member_offers.as_json(found),
            content_type="application/json",
            headers={"Content-Language": found.language, "Cache-Control": "private, no-store"},
        )


class MyOffer(MemberView):
    @extend_schema(
        operation_id="get_my_offer", parameters=[LANGUAGE], responses={200: MemberOfferDetailSchema, 404: ProblemSchema}
    )
    def get(self, request: Request, offer_id: UUID) -> Response:
        """Show one offer, with its code while it is usable; the code counts as seen from now on."""
        now = clock.now()
        offer = member_offers.detail(
            member_id=self.caller.member_id,
            programme_id=self.caller.programme_id,
            offer_id=offer_id,
            now=now,
            languages=languages(request),
        )
        code = None
        if self.caller.actor_id is None and offer.is_personal:
            if offer.seen_at is None:
                assignment_verbs.mark_seen(member_id=offer.member_id, assignment_id=offer.id, now=now)
            if offer.has_code and offer.status == "usable":
                code = assignment_verbs.expose(
                    member_id=offer.member_id, assignment_id=offer.id, now=now, api_client=self.caller.api_client
                )
        with translation.override(offer.language):
            sentences = [
                {"rule": line.rule, "text": str(line.text)}
                for line in rules.explain(offer.terms, currency=offer.currency, zone=offer.programme_zone)
            ]
        hidden = ("member_id", "seen_at", "is_bearer", "timezone", "programme_timezone")
        answer = {name: getattr(offer, name) for name in offer.__slots__ if name not in hidden}
        return Response(
            answer | {"explanation": sentences, "code": code}, headers={"Cache-Control": "private, no-store"}
        )


class AcceptMyOffer(MemberView):
    @extend_schema(
        operation_id="accept_my_offer",
        request=None,
        responses={200: AcceptanceSchema, 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema},
    )
    def post(self, request: Request, offer_id: UUID) -> Response:
        """Accept an offer that has to be accepted (S1-16); once more is the same answer."""
        now = clock.now()
        member_offers.detail(
            member_id=self.caller.member_id, programme_id=self.caller.programme_id, offer_id=offer_id, now=now
        )
        answer = assignment_verbs.accept(
            member_id=self.caller.member_id,
            assignment_id=offer_id,
            now=now,
            source=Source.API if self.caller.api_client else None,
            api_client=self.caller.api_client,
        )
        if answer.is_accepted:
            return Response({"code": answer.code, "accepted_at": answer.accepted_at})
        # An offer for everyone has no record of its own, so there is nothing to accept.
        code = answer.code if answer.code in REFUSALS else "not_required"
        raise Conflict(REFUSALS[code], code=code)


class DeclineMyOffer(MemberView):
    @extend_schema(
        operation_id="decline_my_offer",
        request=None,
        responses={200: DeclineSchema, 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema},
    )
    def post(self, request: Request, offer_id: UUID) -> Response:
        """Decline an offer that was given to the member: it leaves her list; once more is the same answer."""
        now = clock.now()
        offer = member_offers.detail(
            member_id=self.caller.member_id, programme_id=self.caller.programme_id, offer_id=offer_id, now=now
        )
        if not offer.is_personal:
            raise Conflict("This offer is for everyone, so there is nothing to decline.", code="for_everyone")
        client = self.caller.api_client
        answer = closing.decline(
            programme=Programme.objects.get(pk=self.caller.programme_id),
            member_id=offer.member_id,
            assignment_id=offer_id,
            by=By(Source.API if client else None, api_client=client),
            now=now,
        )
        if not answer.is_closed:
            raise Conflict(REFUSALS[answer.code], code=answer.code)
        return Response({"code": answer.code, "closed_at": answer.closed_at})


REFUSALS = {
    "not_required": "This offer counts without acceptance.",
    "waiting_for_till": "This offer is still being prepared. Try again in a few minutes.",
    "expired": "This offer is over.",
    "used_up": "This offer is used up.",
    "closed": "This offer is closed.",
    "revoked": "This offer was taken back.",
}


class MyOfferProducts(MemberView):
    @extend_schema(operation_id="list_my_offer_products", responses={200: OfferProductsSchema, 404: ProblemSchema})
    def get(self, request: Request, offer_id: UUID) -> Response:
        """List what the offer is for."""
        offer = member_offers.detail(
            member_id=self.caller.member_id,
            programme_id=self.caller.programme_id,
            offer_id=offer_id,
            now=clock.now(),
        )
        found = offer_products.products(programme_id=self.caller.programme_id, terms=offer.terms)
        return Response(
            {
                "is_everything": found.is_everything,
                "count": found.count,
                "products": ProductSchema(found.items, many=True).data,
            }
        )
