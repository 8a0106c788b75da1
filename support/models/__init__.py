from support.models.reason import GrantReason

__all__ = ["GrantReason"]
