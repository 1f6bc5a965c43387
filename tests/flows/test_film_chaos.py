"""Films in the middle of which something is taken away: the program, the worker, the disk, the source, the file.

Each stage of a film is planned alone, and its ffmpeg reads very slowly until the test has struck.
Kills of single processes in the middle of a chunk are in test_chunks.py, of an export in test_moment_export.py.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet

from alcoves.accounts.models import User
from alcoves.embedded.processes import children_of, descendants_of
from alcoves.settings import base
from media import dispatch, moments, pipeline, trash
from media.libraries import create_library
from media.models import Derivative, File, Library, UnnamedBlob, uuid7
from media.tools import ffmpeg
from storage import registry
from storage.registry import get_store
from tests.flows.slowing import PROGRAM, fast, put_between, slow
from tests.flows.test_chaos import each_named_once
from tests.ingesting import run_queued, take_in
from tests.makers import make_video
from tests.storage.s3server import running_server
from tests.storage.sigv4 import Incoming, RefusedError
from tests.workers import PAUSE, Process, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SHORT, LONG = 6, 10
"""Seconds of films that are encoded in one pass, and in three chunks."""
SETTINGS = {
    "ALCOVES_TEST_REAL_DERIVERS": "1",
    "ALCOVES_PROXY_CHUNK_SECONDS": "3",
    "ALCOVES_VIDEO_ENCODER": "software",
    "ALCOVES_RETRY_SECONDS": "1",
}


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Films")


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.STORE_RESERVE_BYTES = 0
    put_between(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """HEVC with sound, so that every stage has work; a key frame each second, so that chunks can be cut."""
    root = tmp_path_factory.mktemp("films")
    keys = ["-x265-params", "log-level=error:keyint=25", "-c:a", "aac"]
    return {
        seconds: make_video(root / f"{seconds}.mp4", seconds=seconds, codec="libx265", options=keys)
        for seconds in (SHORT, LONG)
    }


class Worker:
    """A worker that may be replaced."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.process = self.start()

    def start(self) -> Process:
        program = str(self.folder / PROGRAM)
        return self.stack.enter_context(
            running_worker(self.folder, ALCOVES_FFMPEG_BINARY=program, **SETTINGS)
        )

    def replace(self) -> None:
        self.process.kill_all()
        self.process = self.start()


@contextmanager
def working(folder: Path) -> Iterator[Worker]:
    """At the end nothing lies in scratch any more, and no program runs."""
    with ExitStack() as stack:
        worker = Worker(folder, stack)
        yield worker
        wait_until(lambda: not list((folder / "scratch").iterdir()), 20, "an empty scratch")
        assert not [pid for pid in descendants_of(worker.process.popen.pid) if is_ffmpeg(pid)]


def admitted(home: Library, film: Path, settings: Any) -> File:
    """A film of its own each time: its metadata read, and nothing else planned. Before a worker runs, which would."""
    settings.DERIVERS = {"metadata": base.DERIVERS["metadata"]}
    different = b"\0\0\0\x18free" + uuid7().bytes
    file = take_in(home, film.read_bytes() + different, f"{time.monotonic_ns()}.mp4").file
    run_queued()
    return File.objects.select_related("original").get(pk=file.pk)


def want(file: File, settings: Any, deriver: str) -> QuerySet[Derivative]:
    """Plan this and tell the workers; its rows, those of its parts among them."""
    settings.DERIVERS = dict(base.DERIVERS)
    if deriver == "moment":
        owner = file.library.memberships.get().user
        moments.request_export(moments.create_moment(file, owner, name="Goal", start=0.52, end=SHORT - 0.5))
    else:
        settings.DERIVERS = {name: base.DERIVERS[name] for name in ("metadata", deriver)}
        rows = pipeline.plan_original(file.original, frozenset())
        assert [row.deriver for row in rows] == [deriver]
        dispatch.publish([(row.pk, row.queue) for row in rows])
    found: QuerySet[Derivative] = Derivative.objects.filter(original=file.original).exclude(
        deriver="metadata"
    )
    return found


def is_ffmpeg(pid: int, word: str = "") -> bool:
    """At work on a file, or held before it; not asked for its version."""
    try:
        words = (Path("/proc") / str(pid) / "cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    begun = words[0] == ffmpeg.binary() or any(Path(each).name == PROGRAM for each in words[:3])
    return begun and "-i" in words and word in " ".join(words)


def at_work(rows: QuerySet[Derivative], word: str) -> tuple[Derivative, int] | None:
    """A row and the program that runs for it."""
    for row in rows.filter(status="processing").exclude(lease_owner=""):
        for pid in children_of(child_of(row)):
            if is_ffmpeg(pid, word):
                return row, pid
    return None


def child_of(row: Derivative) -> int:
    return int(row.lease_owner.rpartition(":")[2])


def in_the_middle(rows: QuerySet[Derivative], word: str) -> tuple[Derivative, int]:
    row, pid = wait_until(lambda: at_work(rows, word), 60, f"ffmpeg with {word}")
    PAUSE.wait(0.4)
    assert is_ffmpeg(pid, word), "it has ended before the test could strike"
    return row, pid


def kill_ffmpeg(row: Derivative, pid: int, worker: Worker) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_child(row: Derivative, pid: int, worker: Worker) -> None:
    os.kill(child_of(row), signal.SIGKILL)


def kill_worker(row: Derivative, pid: int, worker: Worker) -> None:
    worker.replace()
    assert not is_ffmpeg(pid)


def costs_of(row: Derivative) -> tuple[int, int]:
    row.refresh_from_db()
    return row.attempts, row.lost_claims


def noted(row: Derivative, costs: tuple[int, int]) -> bool:
    """On the row, before its next run gets ready and forgets it."""
    return costs_of(row) == costs


def all_ready(rows: QuerySet[Derivative]) -> bool:
    return {row.status for row in rows.all()} == {"ready"}


STAGES = {
    "poster": (SHORT, "poster", ""),
    "sprites": (SHORT, "sprites", "sprite-"),
    "waveform": (SHORT, "waveform", "f32le"),
    "one pass": (SHORT, "proxy", "proxy.mp4"),
    "chunk": (LONG, "proxy", "picture.ts"),
    "sound": (LONG, "proxy", "sound.mp4"),
    "join": (LONG, "proxy", "pipe:0"),
    "export": (SHORT, "moment", "moment.mp4"),
}
"""Length of the film, what is wanted, and a word of the command line that is struck."""
ELSEWHERE = {(kill_ffmpeg, "chunk"), (kill_child, "chunk"), (kill_ffmpeg, "export"), (kill_worker, "export")}


@pytest.mark.parametrize(
    ("kill", "costs"), [(kill_ffmpeg, (1, 0)), (kill_child, (0, 1)), (kill_worker, (0, 1))]
)
def test_every_stage_is_made_again_after_a_kill(
    kill: Callable[[Derivative, int, Worker], None],
    costs: tuple[int, int],
    home: Library,
    folder: Path,
    films: dict[int, Path],
    settings: Any,
) -> None:
    stages = {stage: about for stage, about in STAGES.items() if (kill, stage) not in ELSEWHERE}
    files = {stage: admitted(home, films[about[0]], settings) for stage, about in stages.items()}
    with working(folder) as worker:
        for stage, (_, deriver, word) in stages.items():
            file = files[stage]
            slow(folder, word)
            rows = want(file, settings, deriver)
            row, pid = in_the_middle(rows, word)
            fence = row.fence
            kill(row, pid, worker)
            fast(folder)
            wait_until(partial(noted, row, costs), 30, f"{stage}: the loss to be noted")
            wait_until(partial(all_ready, rows), 60, stage)
            (made,) = rows.all()  # Parts are gone.
            assert "partial" not in made.facts
            if made.pk == row.pk:
                assert (made.fence, made.attempts, made.lost_claims) == (fence + 1, 0, 0)
    each_named_once()


@pytest.mark.parametrize("length", [SHORT, LONG])
def test_a_disk_that_fills_up_in_the_middle_is_waited_for(
    length: int, home: Library, folder: Path, films: dict[int, Path], settings: Any
) -> None:
    (folder / "full").touch()
    file = admitted(home, films[length], settings)
    with working(folder):
        rows = want(file, settings, "proxy")
        deferred = rows.filter(error_code="disk_full", deferrals__gte=2)
        (row, *_) = wait_until(lambda: list(deferred.all()), 60, "two tries put off")
        assert (row.attempts, row.lost_claims) == (0, 0)
        assert row.error_message == "The disk for temporary files is full. Free some space."
        assert not rows.filter(status="failed").exists()
        (folder / "full").unlink()
        wait_until(partial(all_ready, rows), 60, "the proxy")
    each_named_once()


def each_named_once_and_unwatched() -> None:
    """Keys of purged originals stay in the register for as long as a link to write them might live."""
    UnnamedBlob.objects.update(watched_until=None)
    each_named_once()


def stored() -> set[str]:
    return {stat.key for stat in get_store("files").iterate()}


def make_another(file: File, settings: Any) -> None:
    """The worker lives and has a slot."""
    rows = want(file, settings, "proxy")
    wait_until(partial(all_ready, rows), 60, "another film")


def test_a_source_that_goes_between_two_chunks_is_told(
    home: Library, folder: Path, films: dict[int, Path], settings: Any
) -> None:
    file, another = (admitted(home, films[length], settings) for length in (LONG, SHORT))
    with working(folder):
        slow(folder, "picture.ts", rate=1)
        rows = want(file, settings, "proxy")
        in_the_middle(rows, "picture.ts")
        get_store("files").delete(file.original.key)
        fast(folder)
        failed = wait_until(rows.filter(deriver="proxy", status="failed").first, 60, "the end")
        assert (failed.error_code, failed.attempts) == ("source_missing", 0)
        assert failed.error_message == "The stored original is missing. Restore it from a backup."
        make_another(another, settings)
        wait_until(lambda: list(rows.all()) == [failed], 20, "the parts to go")
    assert file.original.key not in stored()
    assert trash.purge(home, [file.pk]) == 1
    each_named_once_and_unwatched()


@pytest.mark.parametrize(("length", "word"), [(SHORT, "proxy.mp4"), (LONG, "picture.ts")])
def test_a_file_that_is_purged_in_the_middle_leaves_nothing(
    length: int, word: str, home: Library, folder: Path, films: dict[int, Path], settings: Any
) -> None:
    file, another = (admitted(home, films[seconds], settings) for seconds in (length, SHORT))
    with working(folder):
        slow(folder, word)
        rows = want(file, settings, "proxy")
        _, pid = in_the_middle(rows, word)
        assert trash.purge(home, [file.pk]) == 1
        wait_until(lambda: not is_ffmpeg(pid), 5, "the end of the encode")
        fast(folder)
        make_another(another, settings)
    assert not rows.exists()
    each_named_once_and_unwatched()
    assert not [key for key in stored() if file.original.pk.hex in key.replace("-", "")]


def test_a_source_that_goes_from_its_bucket_in_the_middle_is_told(
    home: Library, tmp_path: Path, settings: Any
) -> None:
    settings.STORE_RESERVE_BYTES = 0
    film = make_video(tmp_path / "film.mp4", seconds=12, size=(1280, 720), options=["-b:v", "8M"])
    with running_server() as bucket:
        name = bucket.create_bucket(f"bucket-{uuid7()}")
        options = {**bucket.options, "bucket": name, "max_attempts": 1}
        settings.BLOB_STORES = {"files": {"BACKEND": "storage.s3.S3Store", "OPTIONS": options}}
        registry.reset()
        file = admitted(home, film, settings)
        rows = want(file, settings, "proxy")
        rows.update(parameters={"force": True})
        asked: list[str] = []

        def gone(request: Incoming) -> RefusedError | None:
            """From the third range on."""
            if file.original.key in request.path and request.method in {"GET", "HEAD"}:
                asked.append(request.path)
                return RefusedError(404, "NoSuchKey") if len(asked) > 3 else None
            return None

        with bucket.failing(gone):
            run_queued()
        row = rows.get()
        assert (row.status, row.error_code, row.attempts) == ("failed", "source_missing", 1)
        assert len(asked) > 3
        assert stored() == {file.original.key}
        registry.reset()
    assert not list(Path(settings.SCRATCH_PATH).iterdir())
