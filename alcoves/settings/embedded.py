"""The default on a bare machine: Postgres and Redis are started by `script/up` and found through its state file."""

import sys

from alcoves import env
from alcoves.embedded import state
from alcoves.env import BadVariableError
from alcoves.settings import base, secret_key, urls
from alcoves.settings.base import *

SECRET_KEY = base.SECRET_KEY or secret_key.get(base.DATA_PATH)
base.SECRET_KEY = SECRET_KEY
BLOB_STORES = base.blob_stores(base.STORAGE_DRIVER)

_running = state.load(base.DATA_PATH) or {}
_database_url = base.DATABASE_URL or _running.get("database_url", "")
if _database_url:
    DATABASES = base.databases(_database_url)
elif not {"collectstatic", "check", "doctor", "makemigrations", "help", "--help", "--version"} & set(
    sys.argv[1:2]
):
    raise BadVariableError(
        "no DATABASE_URL is set and nothing is running here. Start Alcoves with script/up first."
    )
# What the runner chose for its parts, commands by hand are to know as well.
if not env.raw("ALCOVES_PUBLIC_URL") and _running.get("url"):
    PUBLIC_URL = _running["url"].rstrip("/")
    CSRF_TRUSTED_ORIGINS = env.words("ALCOVES_TRUSTED_ORIGINS", [PUBLIC_URL])
if not env.raw("ALCOVES_FLOWER_PORT"):
    FLOWER_PORT = int(_running.get("flower_port", base.FLOWER_PORT))
if not env.raw("WORKER_METRICS_PORT"):
    WORKER_METRICS_PORT = int(_running.get("metrics_port", base.WORKER_METRICS_PORT))
if not env.raw("REDIS_URL"):
    REDIS_URL = _running.get("redis_url", base.REDIS_URL)
    CELERY_BROKER_URL = urls.broker(REDIS_URL)
    CACHES = {"default": {**base.CACHES["default"], "LOCATION": REDIS_URL}}
