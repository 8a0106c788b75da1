"""The roles, as groups: nobody sees what the role does not need."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

READ_CATALOGUE = [
    "offers.view_configoffer", "offers.view_offerrevision", "offers.view_offertemplate", "offers.view_campaign",
]
READ_MEMBERS = [
    "loyalty.view_member", "loyalty.view_purchase", "loyalty.view_purchaseline", "loyalty.view_product",
    "loyalty.view_store", "offers.view_assignment", "offers.view_assignmentevent", "offers.view_redemption",
]
ROLES = {
    "support agent": READ_CATALOGUE + READ_MEMBERS + ["offers.grant_assignment", "offers.see_voucher_code"],
    "marketer": READ_CATALOGUE + [
        "loyalty.view_product", "loyalty.view_category", "loyalty.view_productgroup", "loyalty.add_productgroup",
        "loyalty.change_productgroup", "loyalty.view_store", "loyalty.view_attributedefinition",
        "offers.add_configoffer", "offers.change_configoffer", "offers.publish_configoffer",
        "offers.add_offertemplate", "offers.change_offertemplate", "offers.add_campaign", "offers.change_campaign",
        "offers.view_voucherbank", "offers.change_voucherbank", "offers.import_vouchers", "offers.view_voucherbatch",
        "offers.view_targeting", "offers.add_targeting", "offers.change_targeting",
        "offers.view_massassignment", "offers.add_massassignment", "offers.change_massassignment",
        "offers.launch_massassignment", "offers.view_assignment", "offers.view_redemption",
        "offers.view_fielddefinition",
    ],
    "administrator": ["*"],
    "integration": READ_CATALOGUE + [
        "loyalty.view_apiclient", "loyalty.view_outboxevent", "offers.view_fielddefinition",
        "loyalty.view_attributedefinition",
    ],
}


def create(apps, schema_editor):
    # Permissions are otherwise made only after the last migration.
    for label in ("loyalty", "offers", "support", "auth", "django_celery_beat"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=schema_editor.connection.alias)
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    every = {f"{p.content_type.app_label}.{p.codename}": p for p in Permission.objects.select_related("content_type")}
    for name, wanted in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        chosen = [
            p for key, p in every.items()
            if key in wanted or ("*" in wanted and key.split(".")[0] in {"loyalty", "offers", "support", "auth"})
        ]
        group.permissions.add(*chosen)


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial"), ("offers", "0001_initial"), ("contenttypes", "0002_remove_content_type_name"), ("django_celery_beat", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
