"""Real workers under orders: pauses, slots, drains, what they tell of themselves."""

import signal
from pathlib import Path
from typing import Any

import pytest

from alcoves import obeying, reporting
from alcoves.accounts.models import User
from alcoves.env import BadVariableError
from alcoves.obeying import Sizes, sized
from media import audit, controls, dispatch, workers
from media.libraries import create_library
from media.models import Control, Derivative, Library, WorkerReport
from tests.derivers import TABLE
from tests.ingesting import take_in
from tests.workers import running_worker, wait_until

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
BY = audit.COMMAND
LEFT = {"ALCOVES_WORKER_NAME": "all@left"}


@pytest.fixture
def home(transactional_db: None, settings: Any) -> Library:
    settings.STORE_RESERVE_BYTES = 0
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Orders")


def put(home: Library, count: int, offset: int = 0) -> None:
    for number in range(offset, offset + count):
        take_in(home, PNG + bytes([number]), f"{number}.png")


def ready() -> int:
    return Derivative.objects.filter(status="ready").count()


def starts(folder: Path) -> int:
    path = folder / "starts"
    return len(path.read_text().split()) if path.exists() else 0


def told(name: str = "all@left") -> workers.Report | None:
    return next((report for report in workers.find() if report.name == name and report.live), None)


def test_sizes_follow_the_orders() -> None:
    own = Sizes(4, {"standard": 3, "heavy": 1, "maintenance": 1})
    assert sized(None, own, {}) == own
    assert sized(None, own, {"heavy": 2}).caps["heavy"] == 2
    assert sized(None, own, {"heavy": 2}).total == 4
    assert sized(None, own, {"standard": 6}).total == 7
    assert sized(None, own, {"interactive": 2}).total == 2
    assert sized(None, own, {"interactive": 1}).total == 2
    assert sized(None, Sizes(2, {"standard": 3}), {}).total == 2
    assert sized("heavy", Sizes(1), {"heavy": 3, "maintenance": 2}) == Sizes(3, {}, 2)
    assert sized("maintenance", Sizes(1), {"maintenance": 2}) == Sizes(2)


@pytest.mark.parametrize(("given", "name"), [("left", "heavy@left"), ("gpu/1@left", "gpu/1@left")])
def test_names_of_workers(monkeypatch: pytest.MonkeyPatch, given: str, name: str) -> None:
    monkeypatch.setattr(reporting, "NAME", given)
    assert reporting.name_of("heavy") == name
    monkeypatch.setattr(reporting, "NAME", "a name")
    with pytest.raises(BadVariableError, match="ALCOVES_WORKER_NAME"):
        reporting.name_of("heavy")


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_cannot_read_its_orders_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import DatabaseError

    def fail() -> None:
        raise DatabaseError

    subject = obeying.Subject("all@left", None, Sizes(4))
    monkeypatch.setattr(controls, "orders", fail)
    subject.read()
    assert subject.orders == controls.NOTHING
    monkeypatch.undo()
    subject.read()
    assert subject.orders == controls.Orders()


def test_a_paused_queue_grows_and_drains_once_it_is_resumed(
    home: Library, tmp_path: Path, settings: Any
) -> None:
    settings.DERIVERS = {name: TABLE[name] for name in ("echo", "fussy")}
    with running_worker(tmp_path, **LEFT, ALCOVES_RECONCILE_SECONDS="60") as worker:
        controls.pause("metadata", by=BY, reason="test")
        wait_until(lambda: "metadata is paused" in worker.text(), 20)
        put(home, 5)
        wait_until(lambda: Derivative.objects.filter(deriver="fussy", status="ready").count() == 5)
        assert dispatch.queue_lengths()["metadata"] == 5
        assert set(Derivative.objects.filter(deriver="echo").values_list("status", flat=True)) == {"queued"}
        controls.resume("metadata", by=BY)
        wait_until(lambda: ready() == 10)
        # All lanes at once: the loop has no poll at all, and still comes back.
        controls.pause_all(reason="a restore")
        wait_until(lambda: worker.text().count("heavy is paused") == 1, 20)
        put(home, 5, 5)
        assert dispatch.queue_lengths()["metadata"] == 5
        controls.resume_all()
        wait_until(lambda: ready() == 20)
        assert worker.popen.poll() is None


def test_an_event_that_is_lost_is_made_good(home: Library, tmp_path: Path, settings: Any) -> None:
    settings.DERIVERS = {"echo": TABLE["echo"]}
    with running_worker(tmp_path, **LEFT) as worker:
        controls.pause("interactive", by=BY)
        wait_until(lambda: "interactive is paused" in worker.text(), 20)
        Control.objects.update(paused=False)  # Nobody is told.
        put(home, 3)
        wait_until(lambda: ready() == 3)
        Control.objects.update(paused=True)
        dispatch.redis_client().flushdb()
        wait_until(lambda: worker.text().count("interactive is paused") == 2, 20)
        put(home, 2, 3)
        assert dispatch.queue_lengths()["metadata"] == 2


def test_slots_change_while_it_runs_and_no_task_is_ended(
    home: Library, tmp_path: Path, settings: Any
) -> None:
    settings.DERIVERS = {"slow": TABLE["slow"]}
    with running_worker(
        tmp_path, **LEFT, ALCOVES_WORKER_CONCURRENCY="2", ALCOVES_STANDARD_SLOTS="1"
    ) as worker:
        processes = len(children_of(worker.popen.pid))
        put(home, 5)
        wait_until(lambda: starts(tmp_path) == 1)
        controls.set_slots("standard", 4, by=BY)
        wait_until(lambda: starts(tmp_path) == 4)
        wait_until(lambda: (report := told()) and report.slots == 5 and len(report.running) == 4, 20)
        controls.set_slots("standard", None, by=BY)
        wait_until(lambda: (report := told()) and report.slots == 2, 20)
        (tmp_path / "go").touch()
        wait_until(lambda: ready() == 5)
        assert Derivative.objects.filter(fence=1).count() == 5
        wait_until(lambda: len(children_of(worker.popen.pid)) == processes, 30)
        put(home, 1, 5)
        wait_until(lambda: ready() == 6)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_drained_worker_ends_what_it_has_and_stays_so_when_it_comes_back(
    home: Library, tmp_path: Path, settings: Any
) -> None:
    settings.DERIVERS = {"slow": TABLE["slow"]}
    with running_worker(tmp_path, **LEFT) as worker:
        put(home, 1)
        wait_until(lambda: starts(tmp_path) == 1)
        wait_until(WorkerReport.objects.filter(name="all@left").exists, 20)
        controls.drain("all@left", by=BY, reason="new disk")
        report = wait_until(lambda: told() if (told() and told().draining) else None, 20)  # type: ignore[union-attr]
        assert report.state == "draining"
        [task] = report.running
        row = Derivative.objects.get()
        assert (task.task, task.queue, task.subject) == ("media.derive", "waveform", str(row.pk))
        put(home, 1, 1)
        (tmp_path / "go").touch()
        wait_until(lambda: told() and told().state == "drained", 20)  # type: ignore[union-attr]
        assert (ready(), dispatch.queue_lengths()["waveform"]) == (1, 1)
        worker.signal(signal.SIGTERM)
        worker.popen.wait(30)
    with running_worker(tmp_path, **LEFT):
        wait_until(lambda: told() and told().state == "drained" and told().pid != report.pid, 20)  # type: ignore[union-attr]
        assert (ready(), dispatch.queue_lengths()["waveform"]) == (1, 1)
        controls.undrain("all@left", by=BY)
        wait_until(lambda: ready() == 2)


@pytest.mark.django_db(transaction=True)
def test_what_a_worker_tells_of_itself(tmp_path: Path) -> None:
    with running_worker(tmp_path, "--lane", "heavy", ALCOVES_WORKER_NAME="left"):
        report = wait_until(lambda: told("heavy@left"), 20)
        assert (report.lane, report.slots, report.state) == ("heavy", 1, "alive")
        assert report.memory > 10_000_000
        assert report.seen - report.looped < 30
        row = wait_until(lambda: WorkerReport.objects.filter(name="heavy@left").first(), 20)
        first = row.seen_at
        wait_until(lambda: told("heavy@left").seen > report.seen + 4, 30)  # type: ignore[union-attr]
        # The row is not written as often as the details.
        row.refresh_from_db()
        assert (row.seen_at - first).total_seconds() == 0 or (row.seen_at - first).total_seconds() >= 9
        dispatch.redis_client().flushdb()
        assert [each.name for each in workers.find()] == ["heavy@left"]
