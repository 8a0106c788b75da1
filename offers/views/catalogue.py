"""The catalogue: list, page, form, publishing and archiving of config offers."""

from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from loyalty import clock, csv_export, toasts
from loyalty.errors import DomainError
from loyalty.listing import Column, Listing
from loyalty.models import Programme
from loyalty.staff import StaffRequest
from offers import rules
from offers.forms.catalogue import CatalogueFilter, OfferForm
from offers.models import Audience, ConfigOffer, FieldDefinition
from offers.selectors import catalogue as selectors
from offers.selectors import eligibility
from offers.selectors import field as field_selectors
from offers.selectors import limit as limits
from offers.selectors import voucher as voucher_selectors
from offers.services import catalogue
from offers.views.access import staff

COLUMNS = (
    Column("name", gettext_lazy("Offer"), "name"),
    Column("state", gettext_lazy("State"), "state"),
    Column("benefit", gettext_lazy("Benefit")),
    Column("audience", gettext_lazy("For whom"), "audience"),
    Column("codes", gettext_lazy("Codes left"), end=True),
    Column("updated", gettext_lazy("Changed"), "updated_at"),
)
OFFERS = FieldDefinition.Table.OFFERS


@staff("offers.view_configoffer")
@require_GET
def offers(request: StaffRequest) -> HttpResponse:
    """List the catalogue; filters, sort and page stand in the address."""
    programme: Programme = request.programme
    filters = CatalogueFilter(request.GET)
    found = selectors.with_templates(_filtered(programme, filters))
    listing = Listing(request, found, columns=COLUMNS, default_sort="name", filters=filters)
    shown = list(listing.page.object_list)
    banks = voucher_selectors.banks_by_offer(offer_ids=[offer.pk for offer in shown], now=clock.now())
    for offer in shown:
        bank = banks.get(offer.pk)
        offer.codes_left = bank.left if bank else None
        offer.codes_warning = _codes_warning(offer, bank)
        offer.benefit = _benefit(offer.terms, programme)
    listing.page.object_list = shown
    return render(request, "offers/catalogue.html", {"listing": listing, "table_label": programme.offers_label})


def _codes_warning(offer: ConfigOffer, bank: Any) -> str:
    """Say what a published offer's bank lacks, or nothing."""
    if not bank or not offer.is_published or not offer.require_vouchers:
        return ""
    if bank.left < bank.low_stock_at:
        return _("low on codes")
    return _("codes expire") if bank.expiring else ""


@staff("offers.view_configoffer")
@require_GET
def export(request: StaffRequest) -> StreamingHttpResponse:
    """Send exactly the offers that the list's filters show, as CSV with the programme's display names (S4-03)."""
    programme: Programme = request.programme
    found = _filtered(programme, CatalogueFilter(request.GET))
    listing = Listing(request, found, columns=COLUMNS, default_sort="name")
    labels = field_selectors.labels(programme=programme, table=OFFERS)
    own = list(field_selectors.own(programme=programme, table=OFFERS))
    columns = {name: label for name, label in labels.items() if name not in {"update_moment", "creation_moment"}}
    moments = [labels["update_moment"], labels["creation_moment"]]
    head = [*columns.values(), _("State"), _("For whom"), *(field.label for field in own), *moments]
    lines = (
        [
            *(getattr(offer, name) for name in columns),
            offer.get_state_display(),
            offer.audience,
            *(offer.fields.get(field.name, "") for field in own),
            offer.updated_at.isoformat(),
            offer.created_at.isoformat(),
        ]
        for offer in listing.queryset.iterator(chunk_size=1000)
    )
    return csv_export.stream(name="offers.csv", head=head, lines=lines)


@staff("offers.view_configoffer")
@require_GET
def offer(request: StaffRequest, pk: int) -> HttpResponse:
    """Show one offer: what it is, what was published, its templates, codes and runs, and what can be done."""
    programme: Programme = request.programme
    found = _found(request, pk)
    now = clock.now()
    bank = getattr(found, "voucher_bank", None) if found.require_vouchers else None
    is_personal = "personal" in (found.current_revision.terms if found.current_revision else found.terms)
    context = {
        "offer": found,
        "lines": _lines(found.terms, programme),
        "products": _products(found.terms, programme),
        "card": _card(programme, found),
        "changes": [_label(found, name) for name in catalogue.unpublished_changes(offer=found)],
        "difference": _difference(found, programme),
        "problems": [] if found.state == "archived" else catalogue.publication_problems(offer=found, now=now),
        "next_number": (found.current_revision.number if found.current_revision else 0) + 1,
        "revisions": _with_differences(list(selectors.revisions(offer=found)), programme),
        "templates": selectors.templates(offer=found),
        "runs": selectors.runs(offer=found),
        "bank": bank,
        "stock": voucher_selectors.stock(bank=bank, now=now) if bank else None,
        "own_fields": [
            (field.label, found.fields.get(field.name))
            for field in field_selectors.own(programme=programme, table=OFFERS)
        ],
        "labels": field_selectors.labels(programme=programme, table=OFFERS),
        # No door but an import gives an offer of personal terms: nobody else has them.
        "assign_url": "" if is_personal else _assign_url(request, found),
        "history": selectors.history(offer=found),
        "usage": limits.of(found, now=now),
        "limit_history": limits.history(found, most=5),
        "asked": eligibility.of(found),
        "is_personal": is_personal,
    }
    return render(request, "offers/offer.html", context)


@staff("offers.view_configoffer", "offers.add_configoffer")
def create(request: StaffRequest) -> HttpResponse:
    """Make a draft."""
    return _form(request, None)


@staff("offers.view_configoffer", "offers.change_configoffer")
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Change an offer; what members see changes when it is published again."""
    found = _found(request, pk)
    if found.state == ConfigOffer.State.ARCHIVED:
        toasts.say(request, _("An archived offer does not change any more."), level="warning")
        return redirect("offers:offer", pk)
    return _form(request, found)


def _form(request: StaffRequest, found: ConfigOffer | None) -> HttpResponse:
    programme: Programme = request.programme
    form = OfferForm(request.POST if request.method == "POST" else None, programme=programme, offer=found)
    if request.method == "POST" and form.is_valid():
        try:
            if found is None:
                saved = catalogue.create(programme=programme, values=form.values(), actor=request.user)
            else:
                saved = catalogue.update(offer=found, values=form.values(), actor=request.user)
        except DomainError as error:
            # Someone changed it between the form's check and the lock.
            form.add_problems(error.problems or [{"field": "", "message": error.message}])
        else:
            toasts.say(request, _("Saved as a draft.") if found is None else _("Saved."))
            return redirect("offers:offer", saved.pk)
    context = {
        "form": form,
        "offer": found,
        "names": _names(form, programme),
        "card": _card(programme, found or ConfigOffer(programme=programme)),
        "lines": _lines((found or ConfigOffer()).terms, programme),
    }
    return render(request, "offers/offer_form.html", context, status=422 if request.method == "POST" else 200)


@staff("offers.view_configoffer")
@require_POST
def preview(request: StaffRequest) -> HttpResponse:
    """Return the card as a member sees it and the rules in words, from what stands in the form; keeps nothing."""
    programme: Programme = request.programme
    form = OfferForm(request.POST, programme=programme)
    form.is_valid()
    values = form.values()
    sketch = ConfigOffer(
        programme=programme,
        **{name: values.get(name, "") for name in ("name", "description", "image_url")},
        require_vouchers=bool(values.get("require_vouchers")),
        texts=values["texts"],
        terms=form.readable_terms(),
    )
    context = {"card": _card(programme, sketch), "lines": _lines(sketch.terms, programme)}
    return render(request, "offers/_preview.html", context)


@staff("offers.view_configoffer", "offers.publish_configoffer")
@require_POST
def publish(request: StaffRequest, pk: int) -> HttpResponse:
    """Publish the offer as it stands."""
    found = _found(request, pk)
    try:
        revision = catalogue.publish(offer=found, actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, _("Published: revision %(number)d.") % {"number": revision.number})
    return redirect("offers:offer", pk)


@staff("offers.view_configoffer", "offers.publish_configoffer")
@require_POST
def archive(request: StaffRequest, pk: int) -> HttpResponse:
    """Close the offer; it can be opened again for a moment."""
    try:
        catalogue.archive(offer=_found(request, pk), actor=request.user, now=clock.now())
    except DomainError as error:
        toasts.say(request, error.message, level="error")
    else:
        toasts.say(request, _("Archived."), undo=reverse("offers:offer_restore", args=[pk]))
    return redirect("offers:offer", pk)


@staff("offers.view_configoffer", "offers.publish_configoffer")
@require_POST
def restore(request: StaffRequest, pk: int) -> HttpResponse:
    """Take an archiving back."""
    catalogue.restore(offer=_found(request, pk), actor=request.user)
    toasts.say(request, _("Open again."))
    return redirect("offers:offer", pk)


@staff("offers.view_configoffer")
@require_GET
def suggestions(request: StaffRequest, kind: str) -> HttpResponse:
    """Return products, groups or categories that match what is typed, for the pickers of the form."""
    text = request.GET.get("q", "").strip()
    found = selectors.suggestions(programme=request.programme, kind=kind, text=text) if text else []
    return render(request, "offers/_suggestions.html", {"found": found, "text": text})


def _found(request: StaffRequest, pk: int) -> ConfigOffer:
    found = ConfigOffer.objects.select_related(
        "current_revision", "voucher_bank", "programme", "eligibility__targeting__current_version"
    ).filter(programme=request.programme)
    return get_object_or_404(found, pk=pk)


def _filtered(programme: Programme, filters: CatalogueFilter) -> Any:
    filters.is_valid()
    given = filters.cleaned_data
    return selectors.offers(
        programme=programme,
        text=given.get("q", ""),
        state=given.get("state", ""),
        audience=given.get("audience", ""),
    )


def _lines(terms: dict[str, Any], programme: Programme) -> list[Any]:
    """Return the rules in words; terms that were stored before a rule changed may not be readable any more."""
    try:
        return rules.explain(terms, currency=programme.currency, zone=programme.zone)
    except rules.InvalidTerms as error:
        return [{"rule": "", "text": error.message}]


def _benefit(terms: dict[str, Any], programme: Programme) -> str:
    return next((str(line.text) for line in _lines({k: v for k, v in terms.items() if k == "benefit"}, programme)), "")


def _card(programme: Programme, found: ConfigOffer) -> dict[str, Any]:
    """Return what a member's card shows, in the programme's first language."""
    texts = found.texts.get(programme.default_language) or {}
    period = found.terms.get("validity")
    return {
        "name": texts.get("name") or found.name,
        "description": texts.get("description") or found.description,
        "image_url": found.image_url,
        "benefit": _benefit(found.terms, programme),
        "until": next((line.text for line in _lines({"validity": period}, programme)), "") if period else "",
        "acceptance": bool((found.terms.get("acceptance") or {}).get("required")),
        "code": found.require_vouchers,
    }


def _label(found: ConfigOffer, name: str) -> str:
    return str(getattr(found._meta.get_field(name), "verbose_name", name))


def _difference(found: ConfigOffer, programme: Programme) -> dict[str, list[str]]:
    """Say in words what publishing would change of the rules."""
    old = found.current_revision.terms if found.current_revision else {}
    return _changed_lines(old, found.terms, programme)


def _changed_lines(old: dict[str, Any], new: dict[str, Any], programme: Programme) -> dict[str, list[str]]:
    before = [str(getattr(line, "text", line)) for line in _lines(old, programme)]
    after = [str(getattr(line, "text", line)) for line in _lines(new, programme)]
    return {
        "gone": [line for line in before if line not in after],
        "come": [line for line in after if line not in before],
    }


def _with_differences(found: list[Any], programme: Programme) -> list[Any]:
    """Give each revision, newest first, what changed against the one before it."""
    for revision, before in zip(found, [*found[1:], None], strict=False):
        if before is None:
            revision.changed = []
            revision.rules = {"gone": [], "come": []}
            continue
        revision.changed = [
            str(revision._meta.get_field(name).verbose_name)
            for name in catalogue.REVISED
            if name != "terms" and getattr(revision, name) != getattr(before, name)
        ]
        revision.rules = _changed_lines(before.terms, revision.terms, programme)
    return found


def _products(terms: dict[str, Any], programme: Programme) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the named products, groups and categories with their names, a few of each."""
    given = terms.get("products") or {}
    shown = []
    for kind, label in (("products", _("Products")), ("groups", _("Groups")), ("categories", _("Categories"))):
        if ids := list(given.get(kind) or []):
            names = selectors.product_names(programme=programme, kind=kind, ids=ids[:12])
            shown.append((f"{label} ({len(ids)})", [(key, names.get(key, "")) for key in ids[:12]]))
    return shown


def _names(form: OfferForm, programme: Programme) -> dict[str, str]:
    """Return the names of the ids that stand in the form's pickers, for their chips."""
    names: dict[str, str] = {}
    for kind in selectors.PRODUCT_MODELS:
        ids = str(form.rules[f"products__{kind}"].value() or "").split("\n")
        if chosen := [one.strip() for one in ids if one.strip()][:500]:
            named = selectors.product_names(programme=programme, kind=kind, ids=chosen)
            names.update({f"{kind}:{key}": name for key, name in named.items()})
    return names


def _assign_url(request: StaffRequest, found: ConfigOffer) -> str:
    """Return where this offer's mass assignment begins, for who may and where there can be one (S4-24, S4-41)."""
    if not (
        found.is_published
        and found.audience == Audience.PERSONALIZED
        and request.user.has_perm("offers.add_massassignment")
    ):
        return ""
    try:
        return f"{reverse('offers:run_new')}?offer={found.pk}"
    except NoReverseMatch:
        return ""
