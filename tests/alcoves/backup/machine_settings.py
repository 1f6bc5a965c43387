"""Settings of a whole installation that a test starts: as of a worker, but with a signing key of its own folder."""

from alcoves.settings import base, secret_key
from tests.worker_settings import *  # noqa: F403  As all modules of settings do.

SECRET_KEY = base.SECRET_KEY = secret_key.get(base.DATA_PATH)
BACKUP_PATH = base.BACKUP_PATH
