"""Nothing lost, nothing twice: real workers, killed and cut off in the middle of real runs."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from alcoves.accounts.models import User
from media import blobs, dispatch, ledger
from media.libraries import create_library
from media.models import Derivative, File, Library, Original, UnnamedBlob
from storage.registry import get_store
from tests import servers
from tests.derivers import TABLE
from tests.ingesting import take_in
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
PATIENT = {"ALCOVES_LEASE_SECONDS": "10", "ALCOVES_VISIBILITY_TIMEOUT": "30"}
"""Where tries are counted: nobody takes a machine that stood still for a moment for one that died."""


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Chaos")


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.STORE_RESERVE_BYTES = 0
    return tmp_path


def only(settings: Any, *names: str) -> None:
    settings.DERIVERS = {name: TABLE[name] for name in names}


def put(home: Library, count: int = 1) -> list[File]:
    return [take_in(home, PNG + bytes([number]), f"{number}.png").file for number in range(count)]


def starts(folder: Path) -> list[int]:
    path = folder / "starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def go(folder: Path) -> None:
    (folder / "go").touch()


def statuses() -> list[str]:
    return list(Derivative.objects.order_by("id").values_list("status", flat=True))


def all_ready() -> bool:
    return set(statuses()) == {"ready"}


def each_named_once() -> None:
    """Every named blob is there with its size, and after a sweep nothing else is: nothing lost, nothing twice."""
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    blobs.sweep()
    named = {output["key"]: output["size"] for row in Derivative.objects.all() for output in row.outputs}
    assert named
    originals = {original.key: original.size for original in Original.objects.all()}
    assert {stat.key: stat.size for stat in get_store("files").iterate()} == {**named, **originals}
    assert not UnnamedBlob.objects.exists()


def test_every_file_is_made_once(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "echo")
    with running_worker(folder, **PATIENT):
        put(home, 40)
        wait_until(all_ready, 60)
    assert Derivative.objects.filter(fence=1, requested_version=1).count() == 40
    each_named_once()


def test_a_killed_child_costs_a_lease_and_nothing_else(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "slow")
    with running_worker(folder):
        put(home)
        (first,) = wait_until(lambda: starts(folder))
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(starts(folder)) == 2, 30)
        go(folder)
        wait_until(all_ready, 30)
    row = Derivative.objects.get()
    assert (row.fence, row.attempts) == (2, 0)
    each_named_once()


def test_a_killed_worker_is_replaced_by_the_next(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "slow")
    with running_worker(folder) as worker:
        put(home, 3)
        wait_until(lambda: len(starts(folder)) >= 2)
        worker.kill_all()
    go(folder)
    with running_worker(folder):
        wait_until(all_ready, 30)
    each_named_once()


def test_with_the_real_times_every_row_is_taken_up_within_a_minute(
    home: Library, folder: Path, settings: Any
) -> None:
    """The lease, round and time-out that people run with: a worker and Redis are lost together, another one comes."""
    only(settings, "slow")
    real = {
        "ALCOVES_LEASE_SECONDS": str(settings.LEASE_SECONDS),
        "ALCOVES_RECONCILE_SECONDS": str(settings.RECONCILE_SECONDS),
        "ALCOVES_VISIBILITY_TIMEOUT": str(settings.VISIBILITY_TIMEOUT),
    }
    with running_worker(folder, **real) as worker:
        put(home, 4)
        wait_until(lambda: len(starts(folder)) >= 2)
        worker.kill_all()
    dispatch.redis_client().flushall()
    go(folder)
    with running_worker(folder, **real):
        began = time.monotonic()
        wait_until(all_ready, 60, "every row to be taken up again")
        print(f"taken up after {time.monotonic() - began:.1f} s")
    assert (settings.LEASE_SECONDS, settings.RECONCILE_SECONDS) == (20, 15)
    each_named_once()


def test_a_wiped_redis_loses_nothing(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "slow")
    with running_worker(folder):
        put(home, 8)
        wait_until(lambda: len(starts(folder)) >= 2)
        dispatch.redis_client().flushall()
        go(folder)
        wait_until(all_ready, 40)
    assert len(starts(folder)) == 8  # None ran twice: the claims held.
    each_named_once()


def test_a_redis_that_dies_and_comes_back_empty_loses_nothing(
    home: Library, folder: Path, settings: Any
) -> None:
    if servers.running is None:
        pytest.skip("these servers are not ours to kill")
    only(settings, "slow")
    # Celery ends a worker whose broker is gone at the wrong moment; the supervisor of the lanes starts it again.
    with running_worker(folder, "--lanes", "interactive,standard"):
        put(home, 6)
        wait_until(lambda: len(starts(folder)) >= 2)
        servers.running.kill_redis()
        put_while_away = take_in(home, PNG + b"away", "away.png")
        servers.running.start_redis()
        go(folder)
        wait_until(all_ready, 60)
    assert put_while_away.file.original.derivatives.get().status == "ready"
    each_named_once()


def test_a_postgres_that_crashes_in_the_middle_loses_nothing(
    home: Library, folder: Path, settings: Any
) -> None:
    if servers.running is None:
        pytest.skip("these servers are not ours to kill")
    only(settings, "slow")
    with running_worker(folder, ALCOVES_RETRY_SECONDS="2"):
        put(home, 4)
        wait_until(lambda: len(starts(folder)) >= 2)
        connection.close()
        servers.running.restart_postgres(immediate=True)
        go(folder)
        wait_until(all_ready, 60)
    each_named_once()


def test_a_stopping_worker_gives_its_runs_back_at_no_cost(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "slow")
    with running_worker(folder) as worker:
        put(home)
        wait_until(lambda: starts(folder))
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGQUIT)
        worker.popen.wait(30)
        assert statuses() == ["queued"]
        assert Derivative.objects.get().lost_claims == 0
    go(folder)
    with running_worker(folder):
        wait_until(all_ready, 30)


def test_a_cancelled_run_stops_and_its_slot_goes_to_the_next(
    home: Library, folder: Path, settings: Any
) -> None:
    only(settings, "slow")
    with running_worker(folder, ALCOVES_STANDARD_SLOTS="2"):
        put(home, 3)
        wait_until(lambda: len(starts(folder)) == 2)  # As many as the standard lane may run.
        running = Derivative.objects.filter(status="processing")
        assert (
            ledger.cancel(Derivative.objects.filter(pk__in=list(running.values_list("pk", flat=True)))) == 2
        )
        wait_until(lambda: len(starts(folder)) == 3)
        go(folder)
        wait_until(lambda: sorted(statuses()) == ["failed", "failed", "ready"])
    assert set(Derivative.objects.filter(status="failed").values_list("error_code", flat=True)) == {
        "cancelled"
    }
    each_named_once()


def test_a_poison_file_is_set_aside_and_the_others_go_on(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "poison")
    poison = put(home)[0]
    only(settings, "echo")
    with running_worker(folder):
        healthy = [take_in(home, PNG + b"healthy%d" % n, f"{n}.png").file for n in range(10)]
        done = Derivative.objects.filter(original__in=[file.original_id for file in healthy], status="ready")
        wait_until(lambda: done.count() == 10, 30)
        row = poison.original.derivatives.get(deriver="poison")
        wait_until(lambda: Derivative.objects.filter(pk=row.pk, status="failed").exists(), 60)
    row.refresh_from_db()
    assert (row.error_code, row.lost_claims, row.attempts) == ("quarantined", 5, 0)


def test_a_message_delivered_many_times_runs_once(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "slow")
    put(home)
    row = Derivative.objects.get()
    for _ in range(20):
        dispatch.publish([(row.pk, row.queue)], force=True)
    with running_worker(folder):
        wait_until(lambda: starts(folder))
        go(folder)
        wait_until(all_ready)
        wait_until(lambda: dispatch.queue_lengths()["waveform"] == 0)
    assert len(starts(folder)) == 1


def test_a_row_whose_message_was_never_sent_is_taken_up(home: Library, folder: Path, settings: Any) -> None:
    """The web process died between its commit and its message."""
    only(settings, "echo")
    put(home, 3)
    dispatch.redis_client().flushall()
    Derivative.objects.update(published_at=None)
    with running_worker(folder):
        wait_until(all_ready, 30)


def test_a_flaky_deriver_gets_its_three_attempts(home: Library, folder: Path, settings: Any) -> None:
    only(settings, "flaky")
    put(home)
    with running_worker(folder, ALCOVES_RETRY_SECONDS="0"):
        wait_until(all_ready, 30)
    assert (folder / "flaky").read_text() == "xxx"


def test_a_long_run_keeps_its_lease_and_its_message(home: Library, folder: Path, settings: Any) -> None:
    """Three times the lease and longer than the visibility time-out, with other workers waiting for it to slip."""
    only(settings, "slow")
    put(home)
    with running_worker(folder), running_worker(folder):
        wait_until(lambda: starts(folder))
        row = Derivative.objects.get()
        first = row.lease_expires_at
        assert first is not None

        def renewed_often() -> bool:
            row.refresh_from_db()
            return bool(row.lease_expires_at and (row.lease_expires_at - first).total_seconds() > 8)

        wait_until(renewed_often, 30)
        go(folder)
        wait_until(all_ready)
    assert len(starts(folder)) == 1
