"""Django's settings, derived from `baro.config`. Nothing here is meant to be edited in a plant."""

from __future__ import annotations

import importlib.util
import os
import secrets
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from baro.config import config
from baro.database.roles import Role, options

_config = config()


def _secret_key() -> str:
    """The configured key, or one made once and kept with mode 0600."""
    if _config.secret_key:
        return _config.secret_key
    path = _config.home / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text()


def _database(url: str, role: Role) -> dict[str, Any]:
    parts = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "baro"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": {**parts, "options": options(role, tells=True), "application_name": "baro"},
        "CONN_HEALTH_CHECKS": True,
        # under ASGI every request has a thread of its own, in which a kept connection would only linger
        "CONN_MAX_AGE": 0,
    }


SECRET_KEY = _secret_key()
DEBUG = _config.debug
ALLOWED_HOSTS = [host.strip() for host in _config.allowed_hosts.split(",") if host.strip()]

INSTALLED_APPS = [
    "django.contrib.sessions",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    "django_htmx",
    "baro.historian",
    "baro.apps.people",
    "baro.apps.plant",
    "baro.apps.quality",
    "baro.apps.pat",
    "baro.apps.manufacturing",
    "baro.apps.release",
    "baro.web",
    # last: its post-migrate step guards the tables of all rooms above
    "baro.apps.ledger",
]

MIDDLEWARE = [
    "baro.web.middleware.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "baro.apps.people.middleware.CompanyMiddleware",
    "baro.web.middleware.WebMiddleware",
]

DATABASES = {
    "default": _database(_config.database_url, Role.APP),
    "owner": _database(_config.owner_url or _config.database_url, Role.OWNER),
    "reader": _database(_config.reader_url or _config.database_url, Role.READER),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "baro.apps.people.validators.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "full_name", "full_name_en")},
    },
    {"NAME": "baro.apps.people.validators.WordsValidator"},
    {"NAME": "baro.apps.people.validators.HistoryValidator"},
]
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _config.https
# a browser takes a cookie of such a name from this very host only, by HTTPS, for all its paths
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (
    ("__Host-sessionid", "__Host-csrftoken") if _config.https else ("sessionid", "csrftoken")
)
# only a proxy that is there is believed: without one, anybody could send this header
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _config.https else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _config.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _config.https
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "baro.web.errors.csrf_refused"

ROOT_URLCONF = "baro.web.urls"
ASGI_APPLICATION = "baro.web.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "baro.web.context.shell",
            ]
        },
    }
]

LANGUAGE_CODE = _config.language
LANGUAGES = [("ko", "한국어"), ("en", "English")]
LOCALE_PATHS = [Path(__file__).parent / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = _config.time_zone

_plotly = importlib.util.find_spec("plotly")
STATIC_URL = "/static/"
STATICFILES_DIRS = [("plotly", str(Path(_plotly.origin or "").parent / "package_data"))] if _plotly else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
WHITENOISE_ALLOW_ALL_ORIGINS = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "baro.logs.OneLine"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
