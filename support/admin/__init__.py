from support.admin import reason

__all__ = ["reason"]
