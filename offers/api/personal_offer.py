"""`personal-offers`: members' own terms, by a machine: up to a thousand at once, or a file (S1-03..06, D-14)."""

from typing import Any

from django.db import transaction
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock, csv_export
from loyalty.api import query
from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema
from loyalty.api.idempotency import HEADER, idempotent, verb
from loyalty.api.tables import TABLE_PARSERS, Upload
from loyalty.errors import InvalidInput
from loyalty.models import Scope
from offers.api.view import OffersView
from offers.models import ConfigOffer, PersonalOfferImport, PersonalOfferRow
from offers.rules import personal_offer as rules
from offers.selectors import catalogue
from offers.selectors import personal_offer as selectors
from offers.services import personal_offer as service
from offers.services import personal_offer_report as report
from offers.tasks import personal_offer as tasks

OFFER = OpenApiParameter("offer_reference", str, required=True, description="The config offer of personal terms.")
FULL = OpenApiParameter("is_full", bool, description="Whoever is not in the file loses what she had. Default: false.")
FILE = dict.fromkeys((parser.media_type for parser in TABLE_PARSERS), OpenApiTypes.BINARY)
MOST_KEY = 200


class PersonalOfferValues(serializers.Serializer[Any]):
    offer_reference = serializers.CharField(max_length=100)
    members = serializers.ListField(
        child=serializers.JSONField(),
        allow_empty=False,
        max_length=service.MOST,
        help_text="Objects with `member` (her external id) and the attribute: see `personal-offers/schema`.",
    )


class PersonalOfferProblem(serializers.Serializer[Any]):
    line = serializers.IntegerField(allow_null=True, help_text="The line of the file, or the place in the list.")
    field = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    message = serializers.CharField()
    member = serializers.CharField(allow_blank=True)


class PersonalOfferResult(serializers.Serializer[Any]):
    member = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(PersonalOfferRow.Outcome.values)
    acceptance = serializers.ChoiceField(["kept", "lost"], required=False, help_text="Where she had accepted.")
    had_uses = serializers.BooleanField(required=False, help_text="What she had was used: its uses stay.")
    assignment = serializers.UUIDField(required=False, help_text="The Personalized Offer ID.")
    in_place_of = serializers.UUIDField(required=False)
    refusal = serializers.CharField(required=False, help_text="The outcome of a refused grant.")
    reasons = serializers.ListField(child=serializers.DictField(), required=False)
    problems = PersonalOfferProblem(many=True, required=False)


class PersonalOfferAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="The import that keeps this call.")
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="By outcome.")
    results = PersonalOfferResult(many=True, help_text="In the order of the request.")


class ImportSchema(serializers.ModelSerializer[PersonalOfferImport]):
    offer_reference = serializers.CharField(source="config_offer.offer_reference")

    class Meta:
        model = PersonalOfferImport
        fields = [
            "id", "offer_reference", "file_name", "format", "is_full", "state", "rows", "faulty", "unattributed",
            "preview", "counts", "done_to", "last_number", "failure", "created_at", "checked_at", "committed_at",
            "finished_at", "dropped_at",
        ]  # fmt: skip


class ImportWithProblems(ImportSchema):
    problems = serializers.SerializerMethodField(help_text="The first 500; the report has all of them.")

    class Meta(ImportSchema.Meta):
        fields = [*ImportSchema.Meta.fields, "problems"]

    @extend_schema_field(PersonalOfferProblem(many=True))
    def get_problems(self, upload: PersonalOfferImport) -> list[dict[str, Any]]:
        return report.problems(upload=upload)


class CommitValues(serializers.Serializer[Any]):
    leave_out_faulty = serializers.BooleanField(
        required=False, default=False, help_text="Do the others; whoever has a problem keeps what she had."
    )


class PersonalOfferView(OffersView):
    """What names one of the programme's imports, or an offer."""

    def offer(self, reference: Any) -> ConfigOffer:
        if not isinstance(reference, str) or not reference:
            message = _("Name the offer: `offer_reference`.")
            raise InvalidInput(message, problems=[{"field": "offer_reference", "code": "missing", "message": message}])
        return catalogue.find(programme=self.programme, key=reference)

    def upload(self, upload_id: int) -> PersonalOfferImport:
        return selectors.find(programme=self.programme, pk=upload_id)


class PersonalOffers(PersonalOfferView):
    scopes = {"POST": Scope.ASSIGN_IN_BULK}

    @extend_schema(
        operation_id="put_personal_offers",
        request=PersonalOfferValues,
        responses={200: PersonalOfferAnswer, 409: ProblemSchema, 422: ProblemSchema},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Set up to 1,000 members' attributes for one offer; each is answered for itself, the others keep theirs."""
        body = self.body()
        offer = self.offer(body.get("offer_reference"))
        members = body.get("members")
        if not isinstance(members, list):
            message = _("Give a list of members.")
            raise InvalidInput(message, problems=[{"field": "members", "code": "not_a_list", "message": message}])
        upload = service.put(
            programme=self.programme, offer=offer, values=members, now=clock.now(), api_client=self.client
        )
        results = [report.answer(row) for row in selectors.report(upload=upload)]
        return Response({"id": upload.pk, "counts": upload.counts, "results": results})


class PersonalOfferImports(PersonalOfferView):
    scopes = {"POST": Scope.ASSIGN_IN_BULK, "GET": Scope.ASSIGN_IN_BULK}

    parser_classes = TABLE_PARSERS

    @extend_schema(operation_id="list_personal_offer_imports", responses=ImportSchema(many=True), parameters=[OFFER])
    def get(self, request: Request) -> Response:
        """Return the offer's last 100 imports, the newest first."""
        offer = self.offer(request.query_params.get("offer_reference"))
        return Response(ImportSchema(selectors.imports(offer=offer)[:100], many=True).data)

    @extend_schema(
        operation_id="upload_personal_offers",
        request=FILE,
        responses={202: ImportSchema, 409: ProblemSchema, 422: ProblemSchema},
        parameters=[OFFER, FULL, OpenApiParameter("file_name", str), IDEMPOTENCY],
    )
    def post(self, request: Request) -> Response:
        """Upload a file of personal offers, to be checked: nothing is given before it is committed.

        Ask for the import until it is `checked` or `faulty`; it names every problem by its line. The same
        `Idempotency-Key` with the same file is the same import.
        """
        offer = self.offer(request.query_params.get("offer_reference"))
        key = request.headers.get(HEADER)
        if key is not None and not (0 < len(key) <= MOST_KEY and key.isascii() and key.isprintable()):
            raise InvalidInput(f"{HEADER} is 1 to 200 printable ASCII characters.", code="invalid_idempotency_key")
        data: Any = request.data
        if not isinstance(data, Upload):
            message = _("Send the file as the body.")
            raise InvalidInput(message, problems=[{"field": "", "code": "missing", "message": message}])
        with data.file:
            upload = service.receive(
                programme=self.programme,
                offer=offer,
                file=data.file,
                file_name=request.query_params.get("file_name") or data.file_name,
                is_full=query.flag(request, "is_full"),
                actor=None,
                now=clock.now(),
                api_client=self.client,
                reference=key,
            )
        transaction.on_commit(lambda: tasks.ring(upload.pk))
        return Response(ImportSchema(upload).data, status=202)


class OnePersonalOfferImport(PersonalOfferView):
    scopes = {"GET": Scope.ASSIGN_IN_BULK}

    @extend_schema(operation_id="get_personal_offer_import", responses=ImportWithProblems)
    def get(self, request: Request, upload_id: int) -> Response:
        """Return an import: its state, what it would do or did, and its problems by line."""
        return Response(ImportWithProblems(self.upload(upload_id)).data)


class CommitPersonalOfferImport(PersonalOfferView):
    scopes = {"POST": Scope.ASSIGN_IN_BULK}

    @extend_schema(
        operation_id="commit_personal_offer_import",
        request=CommitValues,
        responses={202: ImportSchema, 409: ProblemSchema, 422: ProblemSchema},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, upload_id: int) -> Response:
        """Do a checked import. With problems in it, say that faulty members are to be left out, or send it anew."""
        values = CommitValues(data=self.body())
        values.is_valid(raise_exception=True)
        upload = service.commit(
            upload=self.upload(upload_id),
            leaves_out_faulty=values.validated_data["leave_out_faulty"],
            actor=None,
            now=clock.now(),
            api_client=self.client,
        )
        transaction.on_commit(lambda: tasks.ring(upload.pk))
        return Response(ImportSchema(upload).data, status=202)


class DiscardPersonalOfferImport(PersonalOfferView):
    scopes = {"POST": Scope.ASSIGN_IN_BULK}

    @verb("discard_personal_offer_import", {200: ImportSchema, 409: ProblemSchema})
    def post(self, request: Request, upload_id: int) -> Response:
        """Put a checked import away; nothing of it is given."""
        upload = service.discard(upload=self.upload(upload_id), actor=None, now=clock.now(), api_client=self.client)
        return Response(ImportSchema(upload).data)


class RetryPersonalOfferImport(PersonalOfferView):
    scopes = {"POST": Scope.ASSIGN_IN_BULK}

    @extend_schema(
        operation_id="retry_personal_offer_import",
        request=None,
        responses={202: ImportSchema, 409: ProblemSchema},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, upload_id: int) -> Response:
        """Try a failed import again where it stopped: what was given stays. One that is at work is left so."""
        upload = service.retry(upload=self.upload(upload_id), actor=None, now=clock.now(), api_client=self.client)
        transaction.on_commit(lambda: tasks.ring(upload.pk))
        return Response(ImportSchema(upload).data, status=202)


class PersonalOfferImportReport(PersonalOfferView):
    scopes = {"GET": Scope.ASSIGN_IN_BULK}

    @extend_schema(operation_id="report_personal_offer_import", responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, upload_id: int) -> StreamingHttpResponse:
        """Return a line for each member of the import, as CSV: what became of her, and why."""
        upload = self.upload(upload_id)
        name = f"personal-offers-{upload.pk}.csv"
        return csv_export.stream(name=name, head=report.HEAD, lines=report.lines(upload=upload))


class PersonalOfferSchema(PersonalOfferView):
    scopes = {"GET": Scope.ASSIGN_IN_BULK}

    @extend_schema(operation_id="get_personal_offer_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return the JSON Schema of a member's attribute; beside it stands `member`, her external id."""
        return Response(rules.schema())
