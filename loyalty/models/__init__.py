from loyalty.models.api_client import ApiClient, Scope
from loyalty.models.attribute import AttributeDefinition, ValueType
from loyalty.models.audit import AuditEvent
from loyalty.models.consent import Channel, Consent, ConsentEvent
from loyalty.models.idempotency import IdempotencyKey
from loyalty.models.member import Member
from loyalty.models.member_import import (
    MemberImport,
    MemberImportChange,
    MemberImportPart,
    MemberImportProblem,
)
from loyalty.models.outbox import OutboxEvent
from loyalty.models.product import Category, Product, ProductGroup
from loyalty.models.programme import Programme
from loyalty.models.purchase import Purchase, PurchaseLine
from loyalty.models.store import Store
from loyalty.models.user import User

__all__ = [
    "ApiClient",
    "AttributeDefinition",
    "AuditEvent",
    "Category",
    "Channel",
    "Consent",
    "ConsentEvent",
    "IdempotencyKey",
    "Member",
    "MemberImport",
    "MemberImportChange",
    "MemberImportPart",
    "MemberImportProblem",
    "OutboxEvent",
    "Product",
    "ProductGroup",
    "Programme",
    "Purchase",
    "PurchaseLine",
    "Scope",
    "Store",
    "User",
    "ValueType",
]
