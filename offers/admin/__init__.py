from offers.admin import assignment, campaign, catalogue, field, mass_assignment, programme, template, voucher

__all__ = ["assignment", "campaign", "catalogue", "field", "mass_assignment", "programme", "template", "voucher"]
