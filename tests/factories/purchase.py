import datetime

import factory

from loyalty.models import Purchase, PurchaseLine
from tests.factories.member import MemberFactory
from tests.factories.product import ProductFactory
from tests.factories.store import StoreFactory


class PurchaseFactory(factory.django.DjangoModelFactory[Purchase]):
    class Meta:
        model = Purchase

    member = factory.SubFactory(MemberFactory)
    programme = factory.LazyAttribute(lambda purchase: purchase.member.programme)
    external_id = factory.Sequence(lambda n: f"receipt-{n}")
    store = factory.SubFactory(StoreFactory, programme=factory.SelfAttribute("..programme"))
    purchased_at = datetime.datetime(2026, 1, 15, 12, tzinfo=datetime.UTC)
    total_minor = 1000


class PurchaseLineFactory(factory.django.DjangoModelFactory[PurchaseLine]):
    """A line carries its receipt's member, store and moment once more, as the model wants it."""

    class Meta:
        model = PurchaseLine

    purchase = factory.SubFactory(PurchaseFactory)
    member = factory.SelfAttribute("purchase.member")
    store = factory.SelfAttribute("purchase.store")
    purchased_at = factory.SelfAttribute("purchase.purchased_at")
    product = factory.SubFactory(ProductFactory, programme=factory.SelfAttribute("..purchase.programme"))
    quantity = 1
    amount_minor = 1000
