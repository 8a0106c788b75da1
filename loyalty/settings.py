"""One settings file, read from the environment (`.env.example` lists every variable).

With no `DATABASE_URL` / `REDIS_URL` the embedded servers under `var/` are used (`loyalty/embedded.py`).
"""

from pathlib import Path

import environ
from celery.schedules import crontab
from django.utils.translation import gettext_lazy as _

from loyalty import embedded, logs

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

SERVERS = embedded.addresses(BASE_DIR)

DEBUG = env.bool("DEBUG", False)
# Demo mode loads the demo at the first start and shows its logins: by itself on the embedded PostgreSQL only.
DEMO = env.bool("LAUREL_DEMO", "postgres" in embedded.needed() and not SERVERS.is_throwaway)
SECRET_KEY = env.str("SECRET_KEY", "") or embedded.secret(BASE_DIR, "secret_key")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "support.apps.SupportConfig",
    "offers.apps.OffersConfig",
    "loyalty.apps.LoyaltyConfig",
    "loyalty.apps.LaurelAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "pgtrigger",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_htmx",
    "csp",
    "django_structlog",
]

MIDDLEWARE = [
    # First: everything after it reads the caller's address. It takes itself out where no proxy is trusted.
    "loyalty.middleware.CallerAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # Before the log and the check of the host: a page's files are served to whoever asks, without a line each.
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "loyalty.middleware.RequestLogMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.common.CommonMiddleware",
    # What follows is for pages; API requests go to their views from here.
    "loyalty.middleware.ApiMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "loyalty.middleware.CurrentProgrammeMiddleware",
    "loyalty.views.errors.with_method_pages",
]

ROOT_URLCONF = "loyalty.urls"
WSGI_APPLICATION = "loyalty.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "support.context_processors.navigation",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
INSTALLED_APPS.append("django.forms")

# --- PostgreSQL -----------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=SERVERS.database_url)}
DATABASES["default"].update(
    {
        "ENGINE": "django.db.backends.postgresql",
        "ATOMIC_REQUESTS": False,
        # Persistent connections are worth 2.8x on the member's list (PERFORMANCE.md).
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", 600),
        "CONN_HEALTH_CHECKS": True,
    }
)
# Statements are prepared only where the code asks for it (`loyalty.database.prepared_rows`): a threshold that nothing
# reaches, where Django's None would forbid it. Off behind a pool that shares sessions.
DATABASES["default"].setdefault("OPTIONS", {})["prepare_threshold"] = (
    1_000_000 if env.bool("PREPARED_STATEMENTS", True) else None
)
# Where a server hangs, not even its refusal comes.
DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
# How long a web process waits for one answer (`loyalty/patience.py`).
DATABASE_PATIENCE_SECONDS = env.float("DATABASE_PATIENCE_SECONDS", 10.0)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey / Redis -------------------------------------------------------------------------------
# Given one REDIS_URL, Celery's queues and the cache share it, apart by the cache's key prefix; better is a
# database of its own for the cache (CACHE_URL), so that emptying the cache never empties a queue.
REDIS_URL = env.str("CACHE_URL", env.str("REDIS_URL", SERVERS.redis_url))
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", env.str("REDIS_URL", SERVERS.celery_url))
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "laurel"}
}

# --- Celery: messages carry ids, may come twice, late or never; sweepers repair (DESIGN 1) ----------
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_MEMORY_PER_CHILD = env.int("WORKER_MAX_MEMORY_KB", 280_000)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 1800
CELERY_TASK_DEFAULT_QUEUE = "interactive"
CELERY_TASK_ROUTES = {
    "offers.tasks.mass_assignment.*": {"queue": "bulk"},
    "offers.tasks.mass_assignment_undo.*": {"queue": "bulk"},
    "offers.tasks.personal_offer.*": {"queue": "bulk"},
    "loyalty.tasks.member_import.*": {"queue": "bulk"},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 25,
    "unacked_restore_throttle": 1,
}
CELERY_REDIS_SOCKET_TIMEOUT = 5.0
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 2.0
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep mass assignments": {"task": "offers.tasks.mass_assignment.sweep", "schedule": 15.0},
    "sweep undos of mass assignments": {"task": "offers.tasks.mass_assignment_undo.sweep", "schedule": 15.0},
    "sweep imports of personal offers": {"task": "offers.tasks.personal_offer.sweep", "schedule": 15.0},
    "send messages about runs": {"task": "offers.tasks.run_notification.sweep", "schedule": 15.0},
    "sweep imports of members": {"task": "loyalty.tasks.member_import.sweep", "schedule": 15.0},
    "drop files of members": {"task": "loyalty.tasks.member_import.drop_old", "schedule": 600.0},
    "drop files of personal offers": {"task": "offers.tasks.personal_offer.drop_old", "schedule": 600.0},
    "close grants that waited too long": {"task": "support.tasks.grant_request.expire", "schedule": 600.0},
    "relay the outbox": {"task": "loyalty.tasks.outbox.relay", "schedule": 5.0},
    "forget old idempotency keys": {
        "task": "loyalty.tasks.idempotency.forget_old",
        "schedule": crontab(hour="3", minute="17"),
    },
}

# --- People -----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "loyalty.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_ADAPTER = "loyalty.accounts.StaffAccountAdapter"
ACCOUNT_FORMS = {"login": "loyalty.accounts.SignInForm"}
ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
# Roles whose members must have a second factor; the demo leaves it empty.
MFA_REQUIRED_ROLES = env.list("MFA_REQUIRED_ROLES", default=[])
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True

# --- E-mail -----------------------------------------------------------------------------------------
# Where no EMAIL_URL is given, mails become files: the pages say so.
MAIL_FOLDER = BASE_DIR / "var" / "mail"
EMAIL_URL = env.str("EMAIL_URL", "") or "filemail:///"
vars().update(env.email_url_config(EMAIL_URL))
# django-environ drops a path's first slash.
EMAIL_FILE_PATH = f"/{vars()['EMAIL_FILE_PATH']}" if vars()["EMAIL_FILE_PATH"] else str(MAIL_FOLDER)
# A server that hangs holds a worker so long for each answer that it owes.
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", 10)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Laurel <laurel@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Under which address people reach the pages: links in mails begin with it.
SITE_URL = env.str("SITE_URL", f"http://127.0.0.1:{env.str('PORT', '8000')}").rstrip("/")

# --- Members' tokens: signed, at most 15 minutes ------------------------------------------------------
MEMBER_TOKEN_KEY = env.str("MEMBER_TOKEN_KEY", "", multiline=True) or embedded.secret(
    BASE_DIR, "member_token_key", kind="ed25519"
)
MEMBER_TOKEN_SECONDS = min(env.int("MEMBER_TOKEN_SECONDS", 900), 900)
# How long a member stays signed in on the web after she came with a token.
MEMBER_SESSION_SECONDS = env.int("MEMBER_SESSION_SECONDS", 12 * 3600)

# --- API ------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["loyalty.api.authentication.ApiClientAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["loyalty.api.permissions.DenyUnlessDeclared"],
    "DEFAULT_THROTTLE_CLASSES": ["loyalty.api.throttling.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["loyalty.api.renderers.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["loyalty.api.parsers.JsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "loyalty.api.renderers.OnlyJson",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "loyalty.api.pagination.NewestFirstCursor",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_VERSIONING_CLASS": None,
    "EXCEPTION_HANDLER": "loyalty.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "PAGE_SIZE": 100,
}
# How many requests in how many seconds, by who asks.
RATES = {
    "client": (env.int("RATE_CLIENT", 12_000), 60),
    "member": (env.int("RATE_MEMBER", 240), 60),
    "stranger": (env.int("RATE_STRANGER", 60), 60),
    "wrong_key": (env.int("RATE_WRONG_KEY", 20), 60),
    "sign_in": (env.int("RATE_SIGN_IN", 30), 60),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Laurel",
    "DESCRIPTION": "Personalized offers, from the idea to the till.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # Choices of one name in several shapes: each gets a name of its own in the schema.
    "ENUM_NAME_OVERRIDES": {
        "MemberStatus": "loyalty.models.member.Member.Status",
        "MemberStatusGiven": "loyalty.api.member.STATUSES",
        "MemberKind": "loyalty.models.member.Member.Kind",
        "OfferInListStatus": "offers.api.member_offers.STATUSES",
        "OfferStatus": "offers.api.member_offers.ALL_STATUSES",
        "AssignmentStatus": "offers.api.assignment.STATUSES",
        "MassAssignmentState": "offers.models.mass_assignment.MassAssignment.State",
        "PersonalOfferImportState": "offers.models.personal_offer.PersonalOfferImport.State",
    },
}

# --- Languages, time --------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "loyalty" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files, uploads ----------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
# Vouchers: 25 MB read as 25 MiB, so that both of the source's examples pass (S4-19).
VOUCHER_FILE_MAX_BYTES = 26_214_400
# Tables of members, attributes and lists: a million members are about 150 MB of CSV.
TABLE_FILE_MAX_BYTES = env.int("TABLE_FILE_MAX_BYTES", 1_073_741_824)
TABLE_FILE_MAX_ROWS = env.int("TABLE_FILE_MAX_ROWS", 5_000_000)
# Unpacked: a sheet is read whole.
XLSX_MAX_BYTES = env.int("XLSX_MAX_BYTES", 134_217_728)

# --- Security headers -----------------------------------------------------------------------------------------
HTTPS = env.bool("HTTPS", False)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
TRUST_PROXY = env.bool("TRUST_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY: dict[str, list[str]] = {
    name: [] for name in ("camera", "geolocation", "microphone", "payment", "usb")
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:", "https:"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# Who besides the machine itself may read /metrics: the bearer of this token.
METRICS_TOKEN = env.str("METRICS_TOKEN", "")

# --- The engine's numbers ---------------------------------------------------------------------------------------
MASS_ASSIGNMENT_CHUNK = env.int("MASS_ASSIGNMENT_CHUNK", 25_000)
MASS_ASSIGNMENT_LEASE_SECONDS = env.int("MASS_ASSIGNMENT_LEASE_SECONDS", 120)
MASS_ASSIGNMENT_ATTEMPTS = 3
# Messages sent per running mass assignment; more than the workers' processes is harmless.
MASS_ASSIGNMENT_MESSAGES = env.int("MASS_ASSIGNMENT_MESSAGES", 2)

# A file that was checked and that nobody imported, or that could not be checked, is dropped after so many days.
UPLOAD_KEPT_DAYS = env.int("UPLOAD_KEPT_DAYS", 14)

# --- Logs: JSON lines, request ids through Celery -----------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
LOGGING = logs.configuration(LOG_LEVEL)
