from loyalty.admin import api_client, attribute, audit, consent, group, member, outbox, product, store, user

__all__ = ["api_client", "attribute", "audit", "consent", "group", "member", "outbox", "product", "store", "user"]
