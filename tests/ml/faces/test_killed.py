"""The model host or the worker's child is killed while faces of a film are looked for: all comes right, and once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from media.models import Derivative, File, Library
from ml.models import Face
from tests.flows.test_chaos import each_named_once
from tests.ingesting import take_in
from tests.ml import hosts
from tests.ml.faces.filming import film_of
from tests.ml.graphs.faces import DETECTOR, GREEN, RECOGNISER, RED, scene
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = {
    "ALCOVES_TEST_REAL_DERIVERS": "metadata faces",
    "ALCOVES_TEST_REGISTRIES": "tests.ml.graphs.faces.MODELS",
    "ALCOVES_RETRY_SECONDS": "1",
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little over a minute: thirty-two frames to look at."""
    stills = [
        scene([(RED, (40, 60, 60))], (320, 240)),
        scene([(RED, (40, 60, 60)), (GREEN, (220, 140, 60))], (320, 240)),
    ]
    return film_of(tmp_path_factory.mktemp("films") / "film.mp4", stills, seconds=32, rate=2)


@pytest.fixture
def taken(faced: Library, film: Path, graph_files: Path, tmp_path: Path, settings: Any) -> Iterator[File]:
    settings.ML_HOST_PATH = tmp_path / "data"
    settings.STORE_RESERVE_BYTES = 0
    yield take_in(faced, film, "film.mp4").file
    hosts.kill_hosts()


def row_of(file: File) -> Derivative:
    row: Derivative = Derivative.objects.get(original=file.original_id, deriver="faces")
    return row


def percent(file: File) -> int:
    rows = Derivative.objects.filter(original=file.original_id, deriver="faces", status="processing")
    return max(rows.values_list("progress", flat=True), default=0)


def is_ready(file: File) -> bool:
    return Derivative.objects.filter(original=file.original_id, deriver="faces", status="ready").exists()


def both_once(file: File) -> None:
    """Whatever happened on the way."""
    row = row_of(file)
    faces = list(Face.objects.filter(original=file.original_id).order_by("x"))
    assert [face.derivative_id for face in faces] == [row.pk, row.pk]
    red, green = faces
    assert red.spans == [[pytest.approx(0, abs=0.6), pytest.approx(64, abs=0.6)]]
    assert green.spans == [[pytest.approx(32, abs=2.1), pytest.approx(64, abs=0.6)]]
    assert {face.crop for face in faces} == {output["name"] for output in row.outputs}
    each_named_once()


@pytest.mark.parametrize("who", ["host", "child"])
def test_killed_in_the_middle(taken: File, tmp_path: Path, graph_files: Path, who: str) -> None:
    held = hosts.held(graph_files / DETECTOR, graph_files / RECOGNISER)
    with held, running_worker(tmp_path, ALCOVES_MODELS_PATH=str(graph_files), **SETTINGS) as worker:
        wait_until(
            lambda: hosts.led_to(15, lambda: percent(taken), moment=0.3),
            120,
            "a part of it has been looked at",
        )
        before = hosts.hosts()
        if who == "host":
            assert hosts.kill_hosts() == 1
        else:
            os.kill(int(row_of(taken).lease_owner.rpartition(":")[2]), signal.SIGKILL)
            hosts.tell(signal.SIGCONT)
        wait_until(lambda: is_ready(taken), 120, "the run has ended")
        row = row_of(taken)
        assert worker.popen.poll() is None
        assert (row.error_code, row.lease_owner) == ("", "")
        if who == "host":
            assert row.lost_claims == 0
        else:
            assert hosts.hosts() == before, "the host lives on, with its models"
    both_once(taken)
