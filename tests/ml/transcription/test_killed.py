"""The model host or the worker's child is killed while a recording is heard, or nobody wants it any more."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from media.derivers.base import Ready
from media.errors import RunAbandonedError
from media.models import Derivative, File, Library
from media.tools import ffmpeg
from ml.transcription.deriver import TranscriptDeriver
from tests.flows.test_chaos import each_named_once
from tests.ingesting import take_in
from tests.media.derivers.contexts import Run, derive, run_of
from tests.ml import hosts
from tests.ml.transcription.conftest import row_of, transcript_of
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MINUTES = 24
SETTINGS = {
    "ALCOVES_TEST_REAL_DERIVERS": "1",
    "ALCOVES_TEST_REGISTRIES": "tests.ml.graphs.speech.SAYS_HELLO",
    "ALCOVES_RETRY_SECONDS": "1",
}


@pytest.fixture(scope="module")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blocks and more, each with sixteen windows."""
    path = tmp_path_factory.mktemp("long") / "lecture.flac"
    sound = f"aevalsrc=0.3*sin(2764*t):s=8000:d={MINUTES * 60}"
    ffmpeg.run(["-f", "lavfi", "-i", sound, path], timeout=120)
    return path


@pytest.fixture
def taken(
    spoken_library: Library, lecture: Path, says_hello: Path, tmp_path: Path, settings: Any
) -> Iterator[File]:
    settings.ML_HOST_PATH = tmp_path / "data"
    settings.STORE_RESERVE_BYTES = 0
    yield take_in(spoken_library, lecture, "lecture.flac").file
    hosts.kill_hosts()


def rows(file: File, **about: Any) -> bool:
    return Derivative.objects.filter(original=file.original_id, deriver="transcript", **about).exists()


def is_under_way(file: File) -> bool:
    return rows(file, status="processing", progress__gte=15) and bool(hosts.hosts())


def told_of(file: File) -> list[tuple[float, str]]:
    return [(one.start_seconds, one.text) for one in transcript_of(file).segments.all()]


@cache
def heard_undisturbed(lecture: Path) -> list[Any]:
    """By a run that nothing has disturbed: once for all tests."""
    segments: list[Any] = derive(TranscriptDeriver(), lecture, lecture.parent / "undisturbed").learnt[
        "segments"
    ]
    return segments


def heard_as_ever(file: File, lecture: Path) -> None:
    """The same as ever, once and in its order."""
    told = told_of(file)
    assert told == [(round(one.start, 3), one.text) for one in heard_undisturbed(lecture)]
    assert len(told) >= 2 * MINUTES / 8, "the third hello in a row of each block is taken for a loop"
    assert told[-1][0] > (MINUTES - 8) * 60
    each_named_once()


def test_the_model_host_is_killed(taken: File, lecture: Path, tmp_path: Path, says_hello: Path) -> None:
    with running_worker(tmp_path, ALCOVES_MODELS_PATH=str(says_hello.parent), **SETTINGS) as worker:
        wait_until(lambda: is_under_way(taken), 120, "some of it has been heard")
        assert hosts.kill_hosts() == 1
        wait_until(lambda: rows(taken, status="ready"), 200, "the run has ended")
        assert worker.popen.poll() is None
        assert (row_of(taken).lost_claims, row_of(taken).error_code) == (0, "")
    heard_as_ever(taken, lecture)


def test_the_child_of_the_worker_is_killed(
    taken: File, lecture: Path, tmp_path: Path, says_hello: Path
) -> None:
    with running_worker(tmp_path, ALCOVES_MODELS_PATH=str(says_hello.parent), **SETTINGS):
        wait_until(lambda: is_under_way(taken), 120, "some of it has been heard")
        os.kill(int(row_of(taken).lease_owner.rpartition(":")[2]), signal.SIGKILL)
        wait_until(lambda: rows(taken, status="ready"), 200, "another child has done it")
    heard_as_ever(taken, lecture)


def test_a_run_that_nobody_wants_any_more_ends_in_seconds(
    lecture: Path, says_hello: Path, tmp_path: Path
) -> None:
    run = run_of(lecture, tmp_path / "scratch")
    moments: list[float] = []

    def stop() -> bool:
        if run.told and not moments:
            moments.append(time.monotonic())
        return bool(moments)

    run.stop = stop
    with pytest.raises(RunAbandonedError):
        TranscriptDeriver().derive(run)
    assert time.monotonic() - moments[0] < 5
    assert run.told[-1][0] < 50, "it was far from its end"


def test_a_host_that_is_lost_costs_one_block(lecture: Path, says_hello: Path, tmp_path: Path) -> None:
    """The run goes on with a new one; the next that is lost in the same block ends it."""
    undisturbed = heard_undisturbed(lecture)
    calm = run_of(lecture, tmp_path / "scratch")
    run = Deadly(calm.path, calm.scratch, calm.subject, least=30.0)
    result = TranscriptDeriver().derive(run)
    assert isinstance(result, Ready)
    assert run.killed == 1
    assert result.learnt["segments"] == undisturbed


@dataclass
class Deadly(Run):
    """Kills the model host once it is so far, in percent."""

    least: float = 0.0
    killed: int = 0

    def progress(self, percent: float, eta_seconds: float | None = None) -> None:
        super().progress(percent, eta_seconds)
        if percent > self.least and not self.killed:
            self.killed = hosts.kill_hosts()
