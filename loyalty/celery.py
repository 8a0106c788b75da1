"""The Celery application: `celery -A loyalty worker`, `celery -A loyalty beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

app = Celery("loyalty")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["loyalty.tasks", "offers.tasks", "support.tasks"], related_name=None)
