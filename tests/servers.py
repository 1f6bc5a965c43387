"""An early pytest plugin: real Postgres and Valkey for this run, before Django reads its settings.

Loaded with `-p tests.servers` (pyproject.toml). DATABASE_URL and REDIS_URL in the environment are used instead.
"""

import os
import tempfile
from pathlib import Path

import pytest

from alcoves.embedded.testing import Servers, start_for_tests

running: Servers | None = None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    global running  # noqa: PLW0603  One pair of servers a run.
    os.environ["DJANGO_SETTINGS_MODULE"] = "alcoves.settings.test"
    if not os.environ.get("ALCOVES_DATA_PATH"):
        os.environ["ALCOVES_DATA_PATH"] = tempfile.mkdtemp(prefix="alcoves-data-")
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    running = start_for_tests()
    os.environ.setdefault("DATABASE_URL", running.database_url)
    os.environ.setdefault("REDIS_URL", running.redis_url)


def pytest_unconfigure() -> None:
    if running is not None:
        running.stop()
    folder = Path(os.environ["ALCOVES_DATA_PATH"])
    if folder.name.startswith("alcoves-data-"):
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
