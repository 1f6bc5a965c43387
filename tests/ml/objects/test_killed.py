"""The model host or the worker's child is killed while a film is looked at, or a recording listened to."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from media.models import Derivative, File, Library
from media.tools import ffmpeg
from ml.models import ObjectDetection, SoundEvent
from tests.ingesting import take_in
from tests.ml import hosts
from tests.ml.faces.filming import film_of
from tests.ml.graphs import objects, sounds
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MINUTES = 10
MODELS = {"objects": objects.NAME, "sounds": sounds.NAME}
MOMENTS = {"objects": 0.1, "sounds": 0.02}
"""Seconds in which a small part of the run is done."""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two minutes, half with a dog, and a recording of many."""
    folder = tmp_path_factory.mktemp("media")
    stills = [
        objects.scene([(objects.RED, (40, 60, 100, 120))], (320, 240)),
        objects.scene([(objects.RED, (40, 60, 100, 120)), (objects.GREEN, (200, 60, 260, 120))], (320, 240)),
    ]
    film_of(folder / "objects.mp4", stills, seconds=60, rate=2)
    tone = f"sine=frequency=300:sample_rate=8000:duration={MINUTES * 60},volume=8"
    ffmpeg.run(["-f", "lavfi", "-i", tone, folder / "sounds.flac"], timeout=120)
    return folder


@pytest.fixture(params=["objects", "sounds"])
def taken(
    request: pytest.FixtureRequest, library: Library, media: Path, tmp_path: Path, settings: Any
) -> Iterator[tuple[str, File]]:
    settings.ML_HOST_PATH = tmp_path / "data"
    settings.STORE_RESERVE_BYTES = 0
    models = tmp_path / "models"
    objects.write(models)
    sounds.write(models)
    library.objects_on = library.audio_events = True
    library.save()
    name = "objects.mp4" if request.param == "objects" else "sounds.flac"
    yield request.param, take_in(library, media / name, name).file
    hosts.kill_hosts()


def worker_of(name: str, folder: Path) -> Any:
    return running_worker(
        folder,
        ALCOVES_TEST_REAL_DERIVERS=f"metadata {name}",
        ALCOVES_TEST_REGISTRIES="tests.ml.graphs.objects.MODELS tests.ml.graphs.sounds.MODELS",
        ALCOVES_MODELS_PATH=str(folder / "models"),
        ALCOVES_AUDIO_DETECT_WINDOW_SEC="1",
        ALCOVES_RETRY_SECONDS="1",
    )


def rows(name: str, file: File) -> Any:
    return Derivative.objects.filter(original=file.original_id, deriver=name)


def percent(name: str, file: File) -> int:
    running = rows(name, file).filter(status="processing")
    return max(running.values_list("progress", flat=True), default=0)


def is_ready(name: str, file: File) -> Callable[[], bool]:
    return lambda: rows(name, file).filter(status="ready").exists()


def all_is_there_once(name: str, file: File) -> None:
    """Whatever happened on the way."""
    if name == "objects":
        found = ObjectDetection.objects.filter(original=file.original_id).order_by("start_seconds")
        times = [time for row in found for time in (row.start_seconds, row.end_seconds)]
        assert [row.label for row in found] == ["person", "dog"]
        assert times == pytest.approx([0, 120, 60, 120], abs=2.1)
    else:
        heard = SoundEvent.objects.filter(original=file.original_id, label="Sound")
        starts = list(heard.order_by("start_seconds").values_list("start_seconds", flat=True))
        assert starts == [float(second) for second in range(MINUTES * 60)]
    assert rows(name, file).get().outputs == [], "rows alone, and no blob that could be named twice"


@pytest.mark.parametrize("who", ["host", "child"])
def test_killed_in_the_middle(taken: tuple[str, File], tmp_path: Path, who: str) -> None:
    name, file = taken
    with hosts.held(tmp_path / "models" / MODELS[name]), worker_of(name, tmp_path) as worker:
        wait_until(
            lambda: hosts.led_to(10, lambda: percent(name, file), moment=MOMENTS[name]),
            120,
            "the run is under way",
        )
        before = hosts.hosts()
        if who == "host":
            assert hosts.kill_hosts() == 1
        else:
            os.kill(int(rows(name, file).get().lease_owner.rpartition(":")[2]), signal.SIGKILL)
            hosts.tell(signal.SIGCONT)
        wait_until(is_ready(name, file), 120, "the run has ended")
        row = rows(name, file).get()
        assert worker.popen.poll() is None
        assert row.error_code == ""
        if who == "host":
            assert row.lost_claims == 0
        else:
            assert hosts.hosts() == before, "the host lives on, with its models"
    all_is_there_once(name, file)
