"""A long film with real workers and the real derivers: in chunks, one of which dies, and joined without a seam."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alcoves.accounts.models import User
from alcoves.settings import base
from media.libraries import create_library
from media.models import Derivative, Library
from storage.registry import get_store
from tests.flows.slowing import fast, put_between, slow
from tests.flows.test_chaos import PATIENT, each_named_once
from tests.ingesting import take_in
from tests.media.derivers.test_proxy_chunks import BITS, BLOCK, HEIGHT, count, numbers, pixels
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS, RATE = 15, 50
LARGER = 2


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Films")


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.STORE_RESERVE_BYTES = 0
    settings.DERIVERS = {name: base.DERIVERS[name] for name in ("metadata", "proxy", "proxy-part")}
    return tmp_path


def counting(folder: Path) -> Path:
    larger = f"scale={BITS * BLOCK * LARGER}:{HEIGHT * LARGER}:flags=neighbor,noise=alls=20:allf=t"
    return count(folder / "long.mp4", rate=str(RATE), seconds=SECONDS, then=larger)


def ffmpeg_of(row: Derivative) -> int | None:
    """The process that writes to the scratch folder of this very run."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{row.pk}-{row.fence}/picture.ts".encode() in (process / "cmdline").read_bytes():
                return int(process.name)
    return None


def a_chunk_at_work() -> Derivative | None:
    parts = Derivative.objects.filter(deriver="proxy-part", variant__startswith="v", status="processing")
    return next((row for row in parts if ffmpeg_of(row)), None)


def kill_child(row: Derivative) -> None:
    """The process of the worker that runs it; its ffmpeg dies with it."""
    os.kill(int(row.lease_owner.rpartition(":")[2]), signal.SIGKILL)


def kill_ffmpeg(row: Derivative) -> None:
    pid = ffmpeg_of(row)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


class Watch:
    """How often each part was claimed, seen from outside: the rows are gone when the film is ready."""

    def __init__(self) -> None:
        self.fences: dict[str, int] = {}

    def ready(self) -> bool:
        rows = Derivative.objects.filter(deriver="proxy-part").values_list("variant", "fence")
        for variant, fence in rows:
            self.fences[variant] = max(fence, self.fences.get(variant, 0))
        return Derivative.objects.filter(deriver="proxy", status="ready").exists()

    def repeated(self) -> int:
        return sum(max(0, fence - 1) for fence in self.fences.values())


@pytest.mark.parametrize("kill", [kill_child, kill_ffmpeg])
def test_a_kill_in_the_middle_of_a_chunk_repeats_that_chunk_alone(
    kill: Callable[[Derivative], None], home: Library, folder: Path
) -> None:
    film = counting(folder)
    watch = Watch()
    extra = {
        **PATIENT,
        **put_between(folder),
        "ALCOVES_TEST_REAL_DERIVERS": "1",
        "ALCOVES_PROXY_CHUNK_SECONDS": "3",
        "ALCOVES_VIDEO_ENCODER": "software",
        "ALCOVES_RETRY_SECONDS": "0",
    }
    take_in(home, film, "long.mp4")
    slow(folder, "picture.ts", rate=0.5)
    with running_worker(folder, **extra):
        row = wait_until(a_chunk_at_work, 60, "a chunk in the middle")
        kill(row)
        fast(folder)
        wait_until(watch.ready, 240, "the film")
    assert len(watch.fences) == 6  # Five chunks and the sound.
    assert watch.repeated() == 1
    proxy = Derivative.objects.get(deriver="proxy")
    assert (proxy.attempts, proxy.progress, proxy.made_by["chunks"]) == (0, 100, 5)
    output = proxy.output("proxy.mp4")
    assert output is not None
    path = get_store("files").local_path(output["key"])
    assert path is not None
    frames = pixels(path)[:, ::LARGER, ::LARGER]
    assert numbers(frames) == list(range(SECONDS * RATE))
    each_named_once()
