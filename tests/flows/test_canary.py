"""A worker that is alive and does not consume ends itself and is started anew; one that may not consume lives on."""

from pathlib import Path
from typing import Any

import pytest

from alcoves import worker
from alcoves.accounts.models import User
from media import audit, controls, workers
from media.libraries import create_library
from media.models import Derivative, Library, WorkerReport
from tests.derivers import TABLE
from tests.ingesting import take_in
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
CANARY = {"DJANGO_SETTINGS_MODULE": "tests.canary_settings", "ALCOVES_WORKER_NAME": "left"}
LIMIT = 10.0
BY = audit.COMMAND


@pytest.fixture
def home(settings: Any) -> Library:
    settings.STORE_RESERVE_BYTES = 0
    settings.DERIVERS = {"slow": TABLE["slow"]}
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Canary")


def put(home: Library, count: int, offset: int = 0) -> None:
    for number in range(offset, offset + count):
        take_in(home, PNG + bytes([number]), f"{number}.png")


def told(name: str) -> workers.Report | None:
    return next((report for report in workers.find() if report.name == name and report.live), None)


def starts(folder: Path) -> int:
    path = folder / "starts"
    return len(path.read_text().split()) if path.exists() else 0


def all_ready() -> bool:
    return set(Derivative.objects.values_list("status", flat=True)) == {"ready"}


def test_it_is_noticed_within_a_minute() -> None:
    assert worker.STUCK_SECONDS + worker.WATCH_SECONDS + worker.BEAT_SECONDS < 60


@pytest.mark.parametrize("trouble", ["hang", "deaf"])
def test_a_worker_that_does_not_consume_is_started_anew(home: Library, tmp_path: Path, trouble: str) -> None:
    (tmp_path / "go").touch()
    with running_worker(tmp_path, "--lanes", "standard", **CANARY) as supervisor:
        first = wait_until(lambda: told("standard@left"), 30)
        (tmp_path / trouble).touch()
        wait_until(lambda: not (tmp_path / trouble).exists(), 30)
        wait_until(lambda: "it ended with code 70" in supervisor.text(), 40)
        assert "this worker ends itself to be started again" in supervisor.text()
        put(home, 2)
        wait_until(all_ready, 120)
        again = wait_until(lambda: told("standard@left") if told("standard@left") != first else None, 30)
        assert again.pid != first.pid
        assert supervisor.popen.poll() is None


def stays(supervisor: Any, pid: int) -> None:
    """For twice the limit the worker goes on telling of itself, under the same number."""
    since = told("standard@left")
    assert since is not None
    wait_until(lambda: (now := told("standard@left")) is not None and now.seen > since.seen + 2 * LIMIT, 60)
    now = told("standard@left")
    assert now is not None
    assert (now.pid, "ends itself" in supervisor.text()) == (pid, False)


def test_a_worker_that_may_not_consume_lives_on(home: Library, tmp_path: Path) -> None:
    with running_worker(tmp_path, "--lanes", "standard", **CANARY) as supervisor:
        pid = wait_until(lambda: told("standard@left"), 30).pid
        wait_until(WorkerReport.objects.filter(name="standard@left").exists, 30)
        controls.pause_all(reason="maintenance")
        stays(supervisor, pid)
        controls.resume_all()
        controls.drain("standard@left", by=BY)
        wait_until(lambda: (now := told("standard@left")) is not None and now.drained, 30)
        stays(supervisor, pid)
        controls.undrain("standard@left", by=BY)
        put(home, 3)
        wait_until(lambda: starts(tmp_path) == 3)
        stays(supervisor, pid)
        controls.set_slots("standard", 1, by=BY)  # Fewer than it is at: busy all the same.
        wait_until(lambda: (now := told("standard@left")) is not None and now.slots == 1, 30)
        stays(supervisor, pid)
        (tmp_path / "go").touch()
        wait_until(all_ready)
