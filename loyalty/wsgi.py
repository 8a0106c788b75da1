"""The WSGI application, for any WSGI server."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from loyalty import patience

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

application = get_wsgi_application()
patience.limit_waiting(settings.DATABASE_PATIENCE_SECONDS)

# The views are loaded with the addresses, which the first request would otherwise do in each worker.
_loaded = get_resolver().url_patterns
# What was loaded so far stays for good: the collector need not walk it again and again while requests are served.
gc.collect()
gc.freeze()
