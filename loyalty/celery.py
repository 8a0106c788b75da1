"""The Celery application: `celery -A loyalty worker`, `celery -A loyalty beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

app = Celery("loyalty")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Tasks live one noun a file; Django's string wiring finds them.
app.conf.imports = (
    "loyalty.tasks.outbox",
    "loyalty.tasks.idempotency",
    "loyalty.tasks.member_import",
    "offers.tasks.mass_assignment",
    "offers.tasks.mass_assignment_undo",
    "offers.tasks.personal_offer",
    "offers.tasks.run_notification",
    "support.tasks.grant_request",
)
