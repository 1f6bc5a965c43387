"""A film that must be encoded, taken in, and its proxy made by this process as a worker makes it, again and again."""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from media import dispatch, ledger, runs
from media.models import Derivative
from media.tools import ffmpeg
from media.uploads.importing import State, Target, take_in, walk
from storage.registry import get_store
from tests.bench import machines
from tests.bench.measuring import median

RATE = 25


@dataclass(frozen=True, slots=True)
class Film:
    """In a library of its own, its facts known and nothing else wanted of it."""

    proxy: UUID
    """The row."""
    source: Path
    """The bytes in the store."""
    facts: Mapping[str, Any]

    @property
    def row(self) -> Derivative:
        found: Derivative = Derivative.objects.get(pk=self.proxy)
        return found

    @property
    def told(self) -> str:
        """For the figures."""
        video = self.facts["video"]
        pixels = f"{self.facts['width']} x {self.facts['height']}"
        size = self.source.stat().st_size >> 20
        return f"{self.facts['duration']:g} s of {pixels}, {size} MB of {video['codec']}"

    def encode(self) -> None:
        """Every run that it takes, one after the other: the film, or its cuts, its parts and the join."""
        if self.row.status != "queued":
            ledger.request_again(Derivative.objects.filter(pk=self.proxy))
        runs.run(self.proxy)
        while part := self.parts().filter(status="queued").order_by("queued_at", "variant").first():
            runs.run(part.pk)
        assert self.row.status == "ready", (self.row.status, self.row.error_detail)

    def parts(self) -> Any:
        return Derivative.objects.filter(parent=self.proxy)


def film(folder: Path, seconds: float, size: tuple[int, int]) -> Film:
    """HEVC and AAC in MP4, as phones film: things that move, grain, a key frame at least every two seconds."""
    (source := folder / "films").mkdir()
    width, height = size
    picture = f"testsrc2=size={width}x{height}:rate={RATE}:duration={seconds},noise=alls=2:allf=t"
    sound = f"anoisesrc=color=pink:amplitude=0.3:sample_rate=48000:duration={seconds}"
    encode = [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-crf",
        "24",
        "-pix_fmt",
        "yuv420p",
        "-tag:v",
        "hvc1",
    ]
    keys = ["-x265-params", f"log-level=error:keyint={2 * RATE}"]
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    ffmpeg.run([*inputs, *encode, *keys, "-c:a", "aac", "-b:a", "128k", source / "film.mp4"], timeout=1800)
    return shown(source)


def shown(source: Path) -> Film:
    home = machines.library()
    (outcome,) = [take_in(found, Target(home, None, None)) for found in walk(source)]
    assert outcome.state is State.NEW, outcome
    rows = Derivative.objects.filter(original__library=home)
    runs.run(rows.get(deriver="metadata").pk)
    rows.exclude(deriver="proxy").delete()
    # A worker shall find nothing but what the bench sends.
    dispatch.redis_client().flushdb()
    row = rows.select_related("original").get()
    stored = get_store("files").local_path(row.original.key)
    assert stored is not None
    return Film(row.pk, stored, row.original.probe or {})


@contextmanager
def chunks_of(seconds: int) -> Iterator[None]:
    """So long chunks by libx264; 0: none. Workers that start meanwhile are told too."""
    told = {"ALCOVES_PROXY_CHUNK_SECONDS": str(seconds), "ALCOVES_VIDEO_ENCODER": "software"}
    before = {name: os.environ.get(name) for name in told}
    os.environ |= told
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass(frozen=True, slots=True)
class Spent:
    """What a piece of work took: by the clock, and of the processors, which others on the machine disturb less."""

    seconds: float
    cpu_seconds: float


def spent_on(work: Callable[[], object]) -> Spent:
    began, used = time.perf_counter(), cpu_seconds()
    work()
    return Spent(time.perf_counter() - began, cpu_seconds() - used)


def cpu_seconds() -> float:
    """Of this process and of its programs that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def compared(ours: Sequence[Spent], theirs: Sequence[Spent]) -> tuple[float, dict[str, Any]]:
    """The median ratio by the clock, and all figures."""
    ratios = [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]
    of_cpu = [one.cpu_seconds / other.cpu_seconds for one, other in zip(ours, theirs, strict=True)]
    return median(ratios), {
        "their_seconds": [round(each.seconds, 2) for each in theirs],
        "our_seconds": [round(each.seconds, 2) for each in ours],
        "ratios": [round(each, 4) for each in ratios],
        "ratios_of_cpu_seconds": [round(each, 4) for each in of_cpu],
    }


def in_turn(number: int, works: Sequence[Any]) -> Sequence[Any]:
    """Who goes second finds a warm cache and a hot processor, so each does in every other round."""
    return works if number % 2 == 0 else works[::-1]
