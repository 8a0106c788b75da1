"""One programme with one of everything, every text of it marked: what shows elsewhere has leaked."""

import io
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Model
from django.utils import timezone

from loyalty.models import Channel, Member, MemberImport, OutboxEvent, Programme, User
from loyalty.services import audit, member_import
from offers.models import (
    AssignmentEvent,
    DoorEntry,
    FieldDefinition,
    MassAssignment,
    OfferTemplate,
    PersonalOfferImport,
    Redemption,
    Source,
)
from offers.services import eligibility_settings, grant_ledger, member_list
from support.models import Allowance, GrantBatch, GrantBatchLine, GrantReason, GrantRequest
from tests.factories import (
    ApiClientFactory,
    AttributeDefinitionFactory,
    CampaignFactory,
    CategoryFactory,
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProductFactory,
    ProductGroupFactory,
    ProgrammeFactory,
    PromotionFactory,
    PurchaseFactory,
    PurchaseLineFactory,
    StoreFactory,
    TargetingFactory,
    UserFactory,
    choose,
    enlist,
    give,
    import_codes,
    limit_of,
    product_list,
)


def member_import_of(programme: Programme, mark: str) -> MemberImport:
    """Return a checked file of members whose name is marked."""
    file = io.BytesIO(f"external_id,first_name\n{mark}-2,{mark}\n".encode())
    made = member_import.receive(programme=programme, file=file, file_name=f"{mark}.csv", now=timezone.now())
    member_import.work(import_id=made.pk, now=timezone.now())
    return made


def set_of(template: OfferTemplate, member: Member, agent: User, mark: str) -> GrantBatch:
    """Return a set of grants whose every text is marked."""
    made = GrantBatch.objects.create(
        programme=template.programme,
        reference=uuid.uuid4(),
        template=template,
        reason="goodwill",
        ticket=mark,
        note=mark,
        asked_by=agent,
        asked_at=timezone.now(),
        expires_at=timezone.now(),
        state=GrantBatch.State.WAITING,
    )
    GrantBatchLine.objects.create(batch=made, place=1, line=1, named=mark, member=member)
    return made


@dataclass
class World:
    mark: str
    programme: Programme
    objects: dict[str, Model] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.objects[name]

    def values(self) -> dict[str, Any]:
        """Return what fills the addresses of this world's things (`addresses.filled`)."""
        of_admin = {
            f"/admin/{one._meta.app_label}/{one._meta.model_name}/object_id": one.pk
            for one in self.objects.values()
            if one._meta.app_label in ("loyalty", "offers", "support")
        }
        return of_admin | {
            "member_id": self["member"].pk,
            "promotion_id": self["promotion"].public_id,
            "promotion_pk": self["promotion"].pk,
            "/api/v1/promotions/key": self["promotion"].backend_id,
            "list_id": self["product_list"].external_id,
            "list_pk": self["product_list"].pk,
            "/offers/promotions/pk": self["promotion"].pk,
            "/support/members/imports/import_id": self["import"].pk,
            "/api/v1/members/imports/import_id": self["import"].pk,
            "purchase_id": self["purchase"].pk,
            "assignment_id": self["assignment"].pk,
            "offer_id": self["assignment"].pk,
            "external_id": self["member"].external_id,
            "/api/v1/config-offers/key": self["offer"].offer_reference,
            "/api/v1/voucher-banks/key": self["offer"].offer_reference,
            "/api/v1/offer-templates/key": self["template"].external_id,
            "/admin/offers/voucherbank/pk": self["bank"].pk,
            "/offers/pk": self["offer"].pk,
            "/support/assignments/<uuid:assignment_id>/dialog/name": "revoke",
            "/offers/templates/pk": self["template"].pk,
            "/offers/vouchers/pk": self["bank"].pk,
            "batch_id": self["batch"].pk,
            "/support/make-good/batch_id": self["set"].pk,
            "/^support/make-good/batch_id": self["set"].pk,
            "/targetings/pk": self["targeting"].pk,
            "/offers/campaigns/pk": self["campaign"].pk,
            "/offers/audiences/pk": self["targeting"].pk,
            "/api/v1/campaigns/key": self["campaign"].external_id,
            "/audiences/lists/pk": self["member_list"].pk,
            "/api/v1/member-lists/pk": self["member_list"].pk,
            "/runs/pk": self["run"].pk,
            "targeting_id": self["targeting"].pk,
            "run_id": self["run"].pk,
            "upload_id": self["upload"].pk,
            "request_id": self["waiting"].pk,
            "allowance_id": self["allowance"].pk,
        }


def plant(mark: str) -> World:
    """Make a programme whose every name, id and text carries the mark."""
    programme = ProgrammeFactory(slug=mark.lower(), name=mark, languages=["en"])
    world = World(mark, programme)
    here: dict[str, Any] = {"programme": programme}
    named = here | {"name": mark, "external_id": f"{mark}-1"}
    category = CategoryFactory(**named)
    product = ProductFactory(**named, brand=mark, category=category)
    store = StoreFactory(**named)
    member = MemberFactory(
        **here, external_id=f"{mark}-1", first_name=mark, last_name=mark, city=mark, email=f"{mark}@example.com"
    )
    offer = ConfigOfferFactory(
        **named, offer_reference=f"{mark}-1", description=mark, require_vouchers=True, fields={"note": mark}
    )
    import_codes(offer, [f"{mark}-CODE-{number}" for number in range(3)])
    template = OfferTemplateFactory(config_offer=offer, name=mark, external_id=f"{mark}-1")
    campaign = CampaignFactory(**named)
    targeting = TargetingFactory(**here, name=mark)
    uploaded = member_list.upload(
        programme=programme,
        name=mark,
        file=member_list.of_ids([f"{mark}-1", f"{mark}-unknown"]),
        file_name=f"{mark}.csv",
        actor=None,
    )
    run = MassAssignment.objects.create(
        **here,
        name=mark,
        config_offer=offer,
        template=template,
        targeting_version=targeting.current_version,
        campaign=campaign,
    )
    limit_of(campaign, cap=5, per_member=2)
    limit_of(offer, cap=5)
    eligibility_settings.put_conditions(
        offer=offer,
        criteria={"op": "and", "items": [{"field": "member.city", "is": "equals", "value": mark}]},
        actor=None,
    )
    assignment = give(member, template, campaign_id=campaign.pk, reference=f"{mark}-1")
    purchase = PurchaseFactory(member=member, store=store, external_id=f"{mark}-1")
    client, _ = ApiClientFactory(**here, name=mark)
    agent = UserFactory(role="support agent", programmes=[programme], first_name=mark, last_name=mark)
    grant_ledger.record(
        programme=programme,
        assignment_ids=[assignment.pk],
        agent=agent,
        words=grant_ledger.Words("goodwill", mark, mark),
        now=timezone.now(),
    )
    DoorEntry.objects.create(
        **here,
        door=Source.API,
        instance=client.prefix,
        reference=f"{mark}-1",
        member=member,
        assignment=assignment,
        answer={"outcome": "assigned"},
        context={"note": mark},
    )
    promotion = PromotionFactory(**here, name=mark, description=mark, backend_id=f"{mark}-1")
    offered = product_list(promotion, [product.external_id], external_id=f"{mark}-1", name=mark)
    enrolment = enlist(offered, member)
    choose(enrolment, product.external_id)
    world.objects = {
        "member": member,
        "store": store,
        "category": category,
        "product": product,
        "group": ProductGroupFactory(**named),
        "channel": Channel.objects.create(**here, code=mark.lower(), name=mark),
        "import": member_import_of(programme, mark),
        "attribute": AttributeDefinitionFactory(**here, name=mark.lower(), label=mark),
        "field": FieldDefinition.objects.create(**here, table="offers", name=mark.lower(), label=mark, type="text"),
        "offer": offer,
        "template": template,
        "bank": offer.voucher_bank,
        "batch": offer.voucher_bank.batches.get(),
        "set": set_of(template, member, agent, mark),
        "campaign": campaign,
        "targeting": targeting,
        "member_list": uploaded,
        "promotion": promotion,
        "product_list": offered,
        "promotion_item": offered.items.get(),
        "enrolment": enrolment,
        "choice": enrolment.choices.get(),
        "run": run,
        "upload": PersonalOfferImport.objects.create(
            **here,
            config_offer=offer,
            file_name=mark,
            format="csv",
            state=PersonalOfferImport.State.CHECKED,
            created_at=timezone.now(),
        ),
        "assignment": assignment,
        "event": AssignmentEvent.objects.create(
            assignment=assignment, at=timezone.now(), verb="noted", data={"note": mark}
        ),
        "purchase": purchase,
        "line": PurchaseLineFactory(purchase=purchase, product=product),
        "redemption": Redemption.objects.create(
            **here,
            member=member,
            config_offer=offer,
            assignment=assignment,
            external_id=f"{mark}-1",
            redeemed_at=timezone.now(),
        ),
        "reason": GrantReason.objects.create(**here, code=mark.lower(), label=mark),
        "allowance": Allowance.objects.create(**here, user=UserFactory(last_name=mark, programmes=[programme])),
        "waiting": GrantRequest.objects.create(
            **here,
            member=member,
            template=template,
            exposure_minor=5,
            reference=uuid.uuid4(),
            reason=mark.lower(),
            ticket=mark,
            note=mark,
            asked_by=UserFactory(last_name=mark, programmes=[programme]),
            asked_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=7),
        ),
        "client": client,
        "outbox": OutboxEvent.objects.create(**here, type=mark, config_offer_id=offer.pk),
        "audit": audit.record(action=mark.lower(), actor=None, programme=programme, target=offer),
    }
    ConfigOfferFactory(
        **here,
        name=f"{mark} everyone",
        offer_reference=f"{mark}-2",
        audience="everyone",
        terms={"benefit": {"type": "percent", "size": 5}},
    )
    return world
