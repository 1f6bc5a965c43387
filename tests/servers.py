"""An early pytest plugin: real Postgres and Valkey for this run, before Django reads its settings.

Loaded with `-p tests.servers` (pyproject.toml). DATABASE_URL and REDIS_URL in the environment are used instead.
Where the tests are shared out among processes (`script/test` without arguments), each has servers of its own.
"""

import os
import tempfile
from pathlib import Path

import pytest

from alcoves.embedded.testing import Servers, start_for_tests

running: Servers | None = None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    global running  # noqa: PLW0603  One pair of servers a process.
    os.environ["DJANGO_SETTINGS_MODULE"] = "alcoves.settings.test"
    if only_shares_out(early_config):
        return
    if not os.environ.get("ALCOVES_DATA_PATH"):
        os.environ["ALCOVES_DATA_PATH"] = tempfile.mkdtemp(prefix="alcoves-data-")
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    running = start_for_tests()
    os.environ.setdefault("DATABASE_URL", running.database_url)
    os.environ.setdefault("REDIS_URL", running.redis_url)


def only_shares_out(config: pytest.Config) -> bool:
    """Whether this process runs no test itself, but has others that do."""
    wanted = getattr(config.known_args_namespace, "numprocesses", None)
    return bool(wanted) and "PYTEST_XDIST_WORKER" not in os.environ


def pytest_unconfigure() -> None:
    if running is not None:
        running.stop()
    folder = Path(os.environ.get("ALCOVES_DATA_PATH", ""))
    if folder.name.startswith("alcoves-data-"):
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
