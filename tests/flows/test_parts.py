"""Divided work with real workers that are killed, cut off and told to stop in the middle."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from alcoves.accounts.models import User
from media import dispatch, ledger
from media.libraries import create_library
from media.models import Derivative, Library
from storage.registry import get_store
from tests.derivers import TABLE
from tests.flows.test_chaos import each_named_once
from tests.ingesting import take_in
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
two_slots = partial(running_worker, ALCOVES_STANDARD_SLOTS="2")
"""A worker of which the tests know how many parts it works on at once."""


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.STORE_RESERVE_BYTES = 0
    settings.DERIVERS = {name: TABLE[name] for name in ("split", "piece")}
    return tmp_path


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Parts")


def put(home: Library, **parameters: Any) -> Derivative:
    """A file whose work is divided into pieces that wait for a word. Before the workers start, which must see them."""
    take_in(home, PNG, "a.png")
    Derivative.objects.update(parameters={"wait": True, **parameters})
    return row()


def row() -> Derivative:
    found: Derivative = Derivative.objects.get(parent=None)
    return found


def starts(folder: Path) -> list[tuple[str, int]]:
    path = folder / "starts"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, int(pid)) for name, pid in (line.split() for line in lines)]


def names(folder: Path) -> list[str]:
    return sorted(name for name, _ in starts(folder))


def go(folder: Path, piece: str = "") -> None:
    (folder / (f"go-{piece}" if piece else "go")).touch()


def started(folder: Path, count: int) -> bool:
    return len(starts(folder)) == count


def is_ready() -> bool:
    return row().status == "ready"


def check_result(pieces: int) -> None:
    output = row().output("whole")
    assert output is not None
    with get_store("files").open(output["key"]) as blob:
        assert blob.read() == "".join(f"[p{number}]" for number in range(pieces)).encode()
    assert not Derivative.objects.filter(parent__isnull=False).exists()
    each_named_once()


def test_a_killed_worker_repeats_at_most_its_part(home: Library, folder: Path) -> None:
    put(home, pieces=3)
    with two_slots(folder):
        wait_until(lambda: len(starts(folder)) == 2)
        go(folder, "p0")
        wait_until(lambda: len(starts(folder)) == 3)
        killed = dict(starts(folder))["p1"]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: names(folder).count("p1") == 2, 30)
        go(folder)
        wait_until(is_ready, 30)
    assert names(folder) == ["p0", "p1", "p1", "p2"]
    assert row().attempts == 0
    check_result(3)


def test_a_whole_machine_that_dies_costs_only_the_parts_it_worked_on(home: Library, folder: Path) -> None:
    put(home, pieces=6)
    with two_slots(folder) as worker:
        wait_until(lambda: len(starts(folder)) == 2)
        go(folder, "p0")
        wait_until(lambda: len(starts(folder)) == 3)
        worker.kill_all()
    dispatch.redis_client().flushall()
    go(folder)
    with two_slots(folder):
        wait_until(is_ready, 30)
    repeated = sorted(name for name in set(names(folder)) if names(folder).count(name) > 1)
    assert repeated == ["p1", "p2"]
    check_result(6)


def test_a_wiped_redis_while_the_row_waits_loses_nothing(home: Library, folder: Path) -> None:
    put(home, pieces=5)
    with two_slots(folder):
        wait_until(lambda: len(starts(folder)) == 2)
        dispatch.redis_client().flushall()
        go(folder)
        wait_until(is_ready, 30)
    assert names(folder) == ["p0", "p1", "p2", "p3", "p4"]  # None ran twice.
    check_result(5)


def test_a_cancel_is_felt_by_every_part_within_two_seconds(home: Library, folder: Path) -> None:
    put(home, pieces=4)
    with two_slots(folder):
        wait_until(lambda: len(starts(folder)) == 2)
        wait_until(lambda: row().progress > 0, 10, "progress of the parts on the row that waits")
        began = time.monotonic()
        assert ledger.cancel(Derivative.objects.all()) == 1
        wait_until(lambda: not Derivative.objects.filter(parent__isnull=False).exists(), 10)
        other = take_in(home, PNG + b"other", "b.png").file.original
        wait_until(lambda: other.derivatives.filter(status="ready").exists(), 10, "the slots to be free")
        print(f"free after {time.monotonic() - began:.1f} s")
    cancelled = Derivative.objects.get(status="failed")
    assert (cancelled.error_code, len(starts(folder))) == ("cancelled", 2)
    each_named_once()


def test_two_workers_share_the_parts_and_join_once(home: Library, folder: Path) -> None:
    """Twins of every message, two last parts let go in the same moment, again and again."""
    put(home, pieces=2)
    with two_slots(folder), two_slots(folder):
        for turn in range(1, 6):
            if turn > 1:
                ledger.request_again(Derivative.objects.all())
                dispatch.publish([(row().pk, "waveform")], force=True)
            wait_until(partial(started, folder, 2 * turn))
            for part in Derivative.objects.filter(parent__isnull=False):
                dispatch.publish([(part.pk, part.queue)], force=True)
            go(folder)
            wait_until(is_ready, 30)
            assert row().fence == 2 * turn  # One claim to divide, one to join.
            (folder / "go").unlink()
    assert len(starts(folder)) == 10
    check_result(2)
