"""Room in scratch: what is promised to whom, by many processes, and what a full disk in the middle becomes."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from media import failures, scratch
from media.derivers.base import Context, Ready, Result
from media.errors import InfrastructureError
from media.models import Library
from media.subject import Subject
from tests.derivers import EchoDeriver
from tests.ingesting import derivative, run_queued, take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
MEGABYTE = 1024 * 1024
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def disk(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Says how much the disk has free: what is written there later makes no difference to the answer."""
    settings.STORE_RESERVE_BYTES = 10 * MEGABYTE

    def has(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    return has


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_room_is_promised_and_given_back(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(100 * MEGABYTE)
    root = tmp_path / "scratch"
    with scratch.reserved(root / "a-1", 60 * MEGABYTE):
        assert left(root) == ["a-1.room"]
        with (
            pytest.raises(InfrastructureError) as caught,
            scratch.reserved(root / "b-1", 40 * MEGABYTE),
        ):
            pass
        assert caught.value.code == "scratch_full"
        assert caught.value.retry
        with scratch.reserved(root / "c-1", 30 * MEGABYTE):
            assert left(root) == ["a-1.room", "c-1.room"]
    assert left(root) == []
    with scratch.reserved(root / "b-1", 90 * MEGABYTE):
        pass


def test_the_reserve_stays_free(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(50 * MEGABYTE)
    with pytest.raises(InfrastructureError, match="50 MB free and this work needs 51 MB"):
        scratch.reserved(tmp_path / "a-1", 41 * MEGABYTE).__enter__()
    assert left(tmp_path) == []


def test_what_is_written_is_not_counted_twice(disk: Callable[[int], None], tmp_path: Path) -> None:
    """A promise that is kept already is gone from the free space too."""
    disk(100 * MEGABYTE)
    with scratch.reserved(tmp_path / "a-1", 60 * MEGABYTE):
        (tmp_path / "a-1" / "deep").mkdir(parents=True)
        (tmp_path / "a-1" / "deep" / "file").write_bytes(os.urandom(8 * MEGABYTE))
        disk(92 * MEGABYTE)
        with scratch.reserved(tmp_path / "b-1", 30 * MEGABYTE):
            pass
        with pytest.raises(InfrastructureError):
            scratch.reserved(tmp_path / "b-1", 31 * MEGABYTE).__enter__()


def test_a_run_may_ask_for_more(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(100 * MEGABYTE)
    with scratch.reserved(tmp_path / "a-1", 40 * MEGABYTE) as room:
        room.need(40 * MEGABYTE)
        with pytest.raises(InfrastructureError):
            room.need(20 * MEGABYTE)
        with pytest.raises(InfrastructureError):
            scratch.reserved(tmp_path / "b-1", 20 * MEGABYTE).__enter__()
        with scratch.reserved(tmp_path / "b-1", 10 * MEGABYTE):
            pass


def hold(folder: Path, size: int, told: Any, go: Any) -> None:
    """In a process of its own."""
    try:
        with scratch.reserved(folder, size):
            told.put("held")
            go.wait(60)
    except InfrastructureError as error:
        told.put(error.code)


def start(folder: Path, size: int, told: Any, go: Any) -> BaseProcess:
    process = FORK.Process(target=hold, args=(folder, size, told, go))
    process.start()
    return process


def test_many_processes_never_get_more_than_there_is(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(100 * MEGABYTE)
    told, go = FORK.Queue(), FORK.Event()
    processes = [start(tmp_path / f"run-{number}", 20 * MEGABYTE, told, go) for number in range(24)]
    answers = [told.get(timeout=60) for _ in processes]
    go.set()
    for process in processes:
        process.join(60)
    assert answers.count("held") == 4
    assert answers.count("scratch_full") == 20
    assert left(tmp_path) == []


def test_a_dead_process_holds_nothing(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(100 * MEGABYTE)
    told, go = FORK.Queue(), FORK.Event()
    process = start(tmp_path / "dead-1", 80 * MEGABYTE, told, go)
    assert told.get(timeout=60) == "held"
    with pytest.raises(InfrastructureError):
        scratch.reserved(tmp_path / "b-1", 80 * MEGABYTE).__enter__()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert left(tmp_path) == ["dead-1.room"]
    with scratch.reserved(tmp_path / "b-1", 80 * MEGABYTE):
        assert left(tmp_path) == ["b-1.room"]


def test_a_full_disk_in_the_middle_is_no_fault_of_the_file() -> None:
    with (
        pytest.raises(OSError, match="No space left") as caught,
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    error = failures.understood(caught.value)
    assert isinstance(error, InfrastructureError)
    assert error.code == "disk_full"


class GreedyDeriver(EchoDeriver):
    """Wants more than any disk has."""

    name: ClassVar[str] = "greedy"

    def scratch_bytes(self, subject: Subject) -> int:
        return 1 << 60


class FillingDeriver(EchoDeriver):
    """Comes half way, then the disk is full."""

    name: ClassVar[str] = "filling"

    def derive(self, context: Context) -> Result:
        (context.scratch / "half").write_bytes(bytes(MEGABYTE))
        Path("/dev/full").write_bytes(b"the other half")
        return Ready()


@pytest.mark.parametrize(("name", "code"), [("greedy", "scratch_full"), ("filling", "disk_full")])
def test_a_run_without_room_waits_for_free(library: Library, settings: Any, name: str, code: str) -> None:
    settings.DERIVERS = {name: f"{__name__}.{name.title()}Deriver"}
    settings.STORE_RESERVE_BYTES = 0
    file = take_in(library, PNG, "a.png").file
    run_queued(limit=1)
    row = derivative(file.original_id, name)
    assert (row.status, row.error_code, row.attempts, row.deferrals) == ("queued", code, 0, 1)
    assert left(settings.SCRATCH_PATH) == []
