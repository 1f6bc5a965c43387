"""Tests: real servers of the test run, fast password hashing, stores in a temporary folder given by conftest."""

from pathlib import Path
from tempfile import gettempdir

from alcoves import env
from alcoves.settings import base
from alcoves.settings.base import *

SECRET_KEY = base.SECRET_KEY = "test-secret-test-secret-test-secret-test"  # noqa: S105
DATABASES = base.databases(base.DATABASE_URL or "postgresql://postgres@/alcoves_is_not_running?host=/nowhere")
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATA_PATH = env.path("ALCOVES_DATA_PATH", Path(gettempdir()) / "alcoves-test")
BACKUP_PATH = DATA_PATH / "backups"
BLOB_STORES = base.blob_stores("local")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = True
ALLOWED_HOSTS = ["*"]
DERIVERS = {**base.DERIVERS}
# One model host for a test process, and none that is another's.
ML_HOST_PATH = DATA_PATH
# A thread of its own would look into the database of whatever test runs then.
ALERT_WATCH = None
