"""The WSGI application, for any WSGI server."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

application = get_wsgi_application()

# What was loaded so far stays for good: the collector need not walk it again and again while requests are served.
gc.collect()
gc.freeze()
