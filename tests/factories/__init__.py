"""What tests plant: `from tests.factories import MemberFactory`.

Every factory hangs its objects on one programme: give `programme=` to put several into the same one. Published
offers go through the catalogue's services and assignments through `assign`, as everything else does.
"""

from tests.factories.api_client import ApiClientFactory
from tests.factories.assignment import give
from tests.factories.campaign import CampaignFactory
from tests.factories.catalogue import ConfigOfferFactory, DraftOfferFactory
from tests.factories.limit import limit_of
from tests.factories.mass_assignment import draft_run, launch_run, plan_run, work
from tests.factories.member import AttributeDefinitionFactory, MemberFactory
from tests.factories.product import CategoryFactory, DepartmentFactory, ProductFactory, ProductGroupFactory
from tests.factories.programme import ProgrammeFactory
from tests.factories.promotion import PromotionFactory, choose, enlist, product_list
from tests.factories.purchase import PurchaseFactory, PurchaseLineFactory
from tests.factories.redemption import redeem
from tests.factories.store import StoreFactory
from tests.factories.targeting import TargetingFactory
from tests.factories.template import OfferTemplateFactory
from tests.factories.user import UserFactory
from tests.factories.voucher import import_codes

__all__ = [
    "ApiClientFactory",
    "AttributeDefinitionFactory",
    "CampaignFactory",
    "CategoryFactory",
    "ConfigOfferFactory",
    "DepartmentFactory",
    "DraftOfferFactory",
    "MemberFactory",
    "OfferTemplateFactory",
    "ProductFactory",
    "ProductGroupFactory",
    "ProgrammeFactory",
    "PromotionFactory",
    "PurchaseFactory",
    "PurchaseLineFactory",
    "StoreFactory",
    "TargetingFactory",
    "UserFactory",
    "choose",
    "draft_run",
    "enlist",
    "give",
    "import_codes",
    "launch_run",
    "limit_of",
    "plan_run",
    "product_list",
    "redeem",
    "work",
]
