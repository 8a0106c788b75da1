from support.models.allowance import Allowance, MemberAllowance
from support.models.grant_batch import GrantBatch, GrantBatchLine
from support.models.grant_request import GrantRequest
from support.models.reason import GrantReason

__all__ = ["Allowance", "GrantBatch", "GrantBatchLine", "GrantReason", "GrantRequest", "MemberAllowance"]
