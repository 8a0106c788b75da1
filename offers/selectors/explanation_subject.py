"""What an explanation is asked about: an offer, by any of its names, a code that was brought, or one assignment."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.utils.translation import gettext as _

from loyalty.errors import NotFound
from loyalty.models import Member, Programme
from offers.models import Assignment, ConfigOffer, OfferTemplate, VoucherCode

LIMIT = 30


@dataclass(frozen=True)
class Subject:
    """What is asked about. `problem` is the verdict where the question alone settles it, such as `unknown_code`."""

    offer: ConfigOffer | None = None
    template: OfferTemplate | None = None
    assignment: Assignment | None = None
    code: VoucherCode | None = None
    by_code: bool = False
    problem: str = ""


class UnknownOffer(NotFound):
    """Nothing in the programme has this name."""

    code = "unknown_offer"


def find(*, programme: Programme, text: str) -> Subject:
    """Return what the text names.

    It is tried as a Personalized Offer ID, public id, offer reference, external id of an offer or a template, and as a
    voucher code, in this order. Raises UnknownOffer for anything else.
    """
    text = text.strip().replace("\x00", "")
    offers = ConfigOffer.objects.filter(programme=programme)
    if uuid := _uuid(text):
        found = _by_uuid(programme, uuid)
        if found:
            return found
    if offer := offers.filter(_names(text)).order_by(_first("offer_reference", text)).first():
        return Subject(offer)
    templates = OfferTemplate.objects.filter(programme=programme, external_id=text)
    if template := templates.select_related("config_offer").first():
        return Subject(template.config_offer, template=template)
    subject = by_code(programme=programme, code=text)
    if subject.problem == "unknown_code":
        raise UnknownOffer(
            _("No offer, template, voucher code or Personalized Offer ID is “%(text)s”.") % {"text": text[:100]}
        )
    return subject


def by_code(*, programme: Programme, code: str) -> Subject:
    """Return what a voucher code leads to: whose it is decides `explanation`. Codes are usually typed in capitals."""
    code = code.strip().replace("\x00", "")
    spellings = list(dict.fromkeys([code, code.upper()]))
    found = list(
        VoucherCode.objects.filter(code__in=spellings, bank__programme=programme)
        .select_related("bank__config_offer", "segment__batch")
        .order_by(_first("code", code), "pk")[:2]
    )
    if not found:
        return Subject(by_code=True, problem="unknown_code")
    if len(found) > 1 and found[0].code == found[1].code:
        return Subject(by_code=True, problem="ambiguous_code")
    [code_row] = found[:1]
    held = Assignment.objects.filter(voucher_code=code_row, member__programme=programme).first()
    problem = "" if held else "code_not_given"
    return Subject(code_row.bank.config_offer, assignment=held, code=code_row, by_code=True, problem=problem)


def by_id(*, programme: Programme, offer_id: int | None = None, template_id: int | None = None) -> Subject:
    """Return the programme's offer or template with that id. Raises UnknownOffer."""
    if template_id is not None:
        template = OfferTemplate.objects.filter(programme=programme, pk=template_id).select_related("config_offer")
        if one := template.first():
            return Subject(one.config_offer, template=one)
    elif offer := ConfigOffer.objects.filter(programme=programme, pk=offer_id or 0).first():
        return Subject(offer)
    raise UnknownOffer(_("There is no such offer here."))


def choices(*, member: Member, text: str = "") -> list[tuple[ConfigOffer, bool]]:
    """Return the programme's offers whose names hold the text, in any state; her own first. Two queries."""
    hers = set(Assignment.objects.filter(member=member).values_list("config_offer", flat=True).distinct()[:500])
    found = ConfigOffer.objects.filter(programme_id=member.programme_id)
    for word in text.replace("\x00", "").split():
        found = found.filter(
            Q(name__icontains=word) | Q(offer_reference__icontains=word) | Q(external_id__icontains=word)
        )
    is_hers = Case(When(pk__in=hers, then=Value(0)), default=Value(1), output_field=IntegerField())
    return [(offer, offer.pk in hers) for offer in found.order_by(is_hers, "name", "pk")[:LIMIT]]


def _by_uuid(programme: Programme, uuid: UUID) -> Subject | None:
    held: QuerySet[Assignment] = Assignment.objects.of_programme(programme).filter(pk=uuid)
    if one := held.select_related("config_offer").first():
        return Subject(one.config_offer, assignment=one)
    offer = ConfigOffer.objects.filter(programme=programme, public_id=uuid).first()
    return Subject(offer) if offer else None


def _names(text: str) -> Q:
    return Q(offer_reference=text) | Q(external_id=text)


def _first(field: str, text: str) -> Case:
    """Order what is spelled exactly so before anything else."""
    return Case(When(**{field: text}, then=Value(0)), default=Value(1), output_field=IntegerField())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) in {32, 36} else None
    except ValueError:
        return None
