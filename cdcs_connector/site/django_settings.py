"""Django's settings module, worked out from `SiteSettings`; nothing is decided here that differs between sites."""

from __future__ import annotations

from pathlib import Path

from cdcs_connector.site.settings import SiteSettings

SITE = SiteSettings.from_environment()
HERE = Path(__file__).resolve().parent

SECRET_KEY = SITE.signing_key()
DEBUG = False
ALLOWED_HOSTS = SITE.hosts()
SERVER_URI = SITE.server_uri
CSRF_TRUSTED_ORIGINS = [SITE.server_uri]
HTTPS = SITE.server_uri.startswith("https://")

DATABASES = {"default": SITE.database_options()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STORAGES = {
    # Bodies of records, schemas and stylesheets are rows: a record and its XML are written in one transaction.
    "default": {"BACKEND": "cdcs_connector.site.storage.DatabaseStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

INSTALLED_APPS = [
    "cdcs_connector.site.apps.Scopeline",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sites",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "core_main_app",
    "cdcs_connector.site.apps.ExploreCommon",
    "cdcs_connector.site.apps.ExploreKeyword",
]
MIDDLEWARE = [
    "cdcs_connector.site.middleware.SecurityHeaders",
    "cdcs_connector.site.middleware.BackendErrors",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "core_main_app.middleware.timezone.TimezoneMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core_main_app.utils.custom_context_processors.domain_context_processor",
                "cdcs_connector.site.context.site",
            ]
        },
    }
]
ROOT_URLCONF = "cdcs_connector.site.urls"
SITE_ID = 1
LOGIN_URL = "core_main_app_login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "core_main_app_homepage"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LOCALE_PATHS: list[str] = []

STATIC_URL = "/static/"
STATICFILES_DIRS = [HERE / "static"]
# The few hundred files are served from where they are installed; collecting them would only cost time at the start.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 3600
MEDIA_URL = "/media/"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = SITE.max_record_bytes + 2**20
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": (
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.TokenAuthentication",
    ),
    "DEFAULT_RENDERER_CLASSES": ("rest_framework.renderers.JSONRenderer",),
}

# Celery without a broker or worker: tasks run where they are called.
CELERYBEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_STORE_EAGER_RESULT = True
CELERY_BROKER_URL = "memory://"
CELERY_RESULT_BACKEND = "cache+memory://"

# What CDCS core asks for.
MONGODB_INDEXING = False
MONGODB_ASYNC_SAVE = False
BOOTSTRAP_VERSION = "5.1.3"
CAN_ANONYMOUS_ACCESS_PUBLIC_DOCUMENT = SITE.anonymous
ENABLE_SAML2_SSO_AUTH = False
ENABLE_ALLAUTH = False
ENABLE_OBTAIN_API_TOKEN_ENDPOINT = False
VERIFY_DATA_ACCESS = False
TEXT_EDITOR_LIBRARY = None
DATA_SORTING_FIELDS = ["-last_modification_date"]
MAX_DOCUMENT_EDITING_SIZE = SITE.max_record_bytes
XSD_URI_RESOLVER = None
AUTO_SET_PID = False  # the pid is in the XML, set by the back end
CUSTOM_NAME = WEBSITE_SHORT_TITLE = "Scopeline"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
