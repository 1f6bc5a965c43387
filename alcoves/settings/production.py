"""Servers given by the operator. Refuses to start without a database, a Redis and a secret of its own."""

from alcoves.env import BadVariableError, raw
from alcoves.settings import base
from alcoves.settings.base import *

SHORTEST_SECRET = 32
EXAMPLE_SECRETS = frozenset({"changeme", "change-me", "secret", "change-me-change-me-change-me-change-me"})

if not base.DATABASE_URL:
    raise BadVariableError("DATABASE_URL is not set. Point it at a Postgres with pgvector.")
if not raw("REDIS_URL") and not raw("ALCOVES_QUEUE_HOST"):
    raise BadVariableError("REDIS_URL is not set. Point it at a Redis or Valkey.")
if len(base.SECRET_KEY) < SHORTEST_SECRET or base.SECRET_KEY.lower() in EXAMPLE_SECRETS:
    raise BadVariableError(
        f"ALCOVES_SECRET_KEY must be a random text of at least {SHORTEST_SECRET} characters, not an example. "
        "Make one with: openssl rand -base64 48"
    )
if not raw("ALCOVES_PUBLIC_URL"):
    raise BadVariableError(
        "ALCOVES_PUBLIC_URL is not set. Say the address people use, such as https://media.example.org"
    )

STATIC_ROOT = base.BASE_DIR / "static_collected"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = False
