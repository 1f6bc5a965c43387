"""Servers given by the operator. Refuses to start without a database, a Redis and a secret of its own."""

from alcoves.env import BadVariableError, raw
from alcoves.settings import base, weak
from alcoves.settings.base import *

if not base.DATABASE_URL:
    raise BadVariableError("DATABASE_URL is not set. Point it at a Postgres with pgvector.")
if weak.has_weak_password(base.DATABASES["default"]):
    raise BadVariableError(
        "DATABASE_URL has no password or one that everybody knows. Give the database user a random one, "
        "such as from: openssl rand -hex 24"
    )
if not raw("REDIS_URL") and not raw("ALCOVES_QUEUE_HOST"):
    raise BadVariableError("REDIS_URL is not set. Point it at a Redis or Valkey.")
if weak.is_weak_key(base.SECRET_KEY):
    raise BadVariableError(
        f"ALCOVES_SECRET_KEY must be a random text of at least {weak.SHORTEST_SECRET} characters, "
        f"{weak.FEWEST_CHARACTERS} of them different, and not an example. Make one with: openssl rand -base64 48"
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
