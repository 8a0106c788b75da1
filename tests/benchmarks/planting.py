"""Members, an offer and a bank by the million, planted by SQL."""

from loyalty import clock
from loyalty.models import AttributeDefinition, Member, Programme
from offers.models import (
    ConfigOffer,
    OfferRevision,
    OfferTemplate,
    Targeting,
    TargetingVersion,
    VoucherBank,
    VoucherSegment,
)
from tests.benchmarks.harness import execute

TERMS = {"validity": {"days": 30}, "benefit": {"type": "percent", "size": 20}, "redemption_limit": {"limit": 1}}


def programme() -> Programme:
    return Programme.objects.get_or_create(slug="bench", defaults={"name": "Bench"})[0]


def members(programme: Programme, *, count: int) -> None:
    """Plant active members M1 … M<count>."""
    if Member.objects.filter(programme=programme).count() == count:
        return
    execute("TRUNCATE loyalty_member CASCADE")
    execute(
        """
        INSERT INTO loyalty_member
               (programme_id, external_id, first_name, last_name, email, phone, email_key, phone_key, gender, language,
                timezone, city, country, tier, status, attributes, created_at, updated_at)
        SELECT %s, 'M' || n, 'First ' || n, 'Last ' || n %% 9973, '', '', '', '', '', 'en', '', 'City ' || n %% 97, 'US',
               (ARRAY['basic', 'silver', 'gold'])[1 + n %% 3], 'active',
               jsonb_build_object('age', 18 + n %% 70, 'income', (ARRAY['low', 'middle', 'high'])[1 + n %% 3]), now(), now()
          FROM generate_series(1, %s) AS n
        """,
        [programme.pk, count],
    )
    execute("VACUUM ANALYZE loyalty_member")


def attributes(programme: Programme) -> None:
    """Define the attributes that planted members have."""
    for name, kind in (("age", "number"), ("income", "text")):
        AttributeDefinition.objects.get_or_create(
            programme=programme, name=name, defaults={"type": kind, "label": name.capitalize()}
        )


def purchases(programme: Programme, *, share: int, each: int) -> None:
    """Give every `share`-th member `each` receipts of 10.00 to 29.99 within the last 120 days."""
    execute("TRUNCATE loyalty_purchase CASCADE")
    execute(
        """
        INSERT INTO loyalty_purchase
               (programme_id, external_id, member_id, purchased_at, total_minor, discount_minor)
        SELECT programme_id, 'R' || id || '-' || n, id, now() - (id * 7 + n * 40) %% 120 * interval '1 day',
               1000 + (id * 31 + n) %% 2000, 0
          FROM loyalty_member, generate_series(1, %s) AS n
         WHERE programme_id = %s AND id %% %s = 0
        """,
        [each, programme.pk, share],
    )
    execute("VACUUM ANALYZE loyalty_purchase")


def offer(programme: Programme, reference: str, *, require_vouchers: bool = False) -> OfferTemplate:
    """Publish an offer and return its default template."""
    made = ConfigOffer.objects.create(
        programme=programme,
        offer_reference=reference,
        name=f"Offer {reference}",
        description="Twenty percent off your favourite roast, once, in all our stores.",
        image_url="https://images.example.com/coffee.webp",
        require_vouchers=require_vouchers,
        terms=TERMS,
    )
    revision = OfferRevision.objects.create(
        config_offer=made, number=1, name=made.name, description=made.description, image_url=made.image_url,
        terms=TERMS, published_at=clock.now(),
    )  # fmt: skip
    made.current_revision, made.state = revision, ConfigOffer.State.PUBLISHED
    made.save()
    if require_vouchers:
        VoucherBank.objects.create(programme=programme, config_offer=made)
    return OfferTemplate.objects.create(programme=programme, config_offer=made, name="Default", is_default=True)


def assignments(programme: Programme, *, count: int, members: int) -> None:
    """Plant assignments of other offers, each to the first `members` members in turn, in the order of the members."""
    rounds, rest = divmod(count, members)
    for number in range(rounds + bool(rest)):
        made = ConfigOffer.objects.filter(programme=programme).count()
        template = offer(programme, f"before-{made}")
        execute(
            """
            INSERT INTO offers_assignment
                   (member_id, config_offer_id, revision_id, template_id, source, holding_key, rank, starts_at, ends_at,
                    acceptance_required, exposure_minor, issued_at, synchronized_at, updated_at)
            SELECT id, %s, %s, %s, 2, 0, 100, now(), now() + interval '30 days', false, 0, now(), now(), now()
              FROM loyalty_member WHERE programme_id = %s ORDER BY id LIMIT %s
            """,
            [
                template.config_offer_id, template.config_offer.current_revision_id, template.pk, programme.pk,
                members if number < rounds else rest,
            ],
        )  # fmt: skip
    execute("VACUUM ANALYZE offers_assignment")


def codes(template: OfferTemplate, *, count: int) -> VoucherSegment:
    """Fill the offer's bank with one segment of distinct codes."""
    bank = template.config_offer.voucher_bank
    segment = VoucherSegment.objects.create(bank=bank, size=count)
    execute(
        """
        INSERT INTO offers_vouchercode (bank_id, segment_id, position, code, origin)
        SELECT %s, %s, n, 'C' || lpad(to_hex(n * 2654435761 %% 4294967296), 8, '0') || lpad(n::text, 8, '0'), 1
          FROM generate_series(0, %s - 1) AS n
        """,
        [bank.pk, segment.pk, count],
    )
    execute("VACUUM ANALYZE offers_vouchercode")
    return segment


def everybody(programme: Programme) -> TargetingVersion:
    """A targeting that all members match, with a criterion as a real one has; one a programme."""
    if found := Targeting.objects.filter(programme=programme, name="Everybody").first():
        assert found.current_version
        return found.current_version
    targeting = Targeting.objects.create(programme=programme, name="Everybody")
    criteria = {"op": "and", "items": [{"field": "member.country", "is": "equals", "value": "US"}]}
    version = TargetingVersion.objects.create(targeting=targeting, number=1, criteria=criteria)
    targeting.current_version = version
    targeting.save()
    return version


def return_codes(segment: VoucherSegment) -> None:
    """Bring all codes of the segment's bank back to it: those given back lie on segments of their own, in their order."""
    key = {"bank": segment.bank_id, "segment": segment.pk}
    execute(
        """
        UPDATE offers_vouchercode AS code SET segment_id = %(segment)s, position = place
          FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM offers_vouchercode
                 WHERE bank_id = %(bank)s) AS first
         WHERE code.id = first.id AND code.segment_id <> %(segment)s
        """,
        key,
    )
    execute("DELETE FROM offers_vouchersegment WHERE bank_id = %(bank)s AND id <> %(segment)s", key)
