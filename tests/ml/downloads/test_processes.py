"""Real processes that download: killed in the middle, two at once, and a worker that is told by its queue."""

import signal
from pathlib import Path
from typing import Any

import pytest

from media.models import Derivative, Library
from ml.downloads import deciding, part
from ml.models import Acceptance, Download
from ml.registry import places, table
from tests.ingesting import derivative, take_in
from tests.ml.downloads.mirror import Mirror, whole
from tests.ml.downloads.registries import CONTENT
from tests.workers import Process, running_worker, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("installation")]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def environment(mirror: Mirror, settings: Any) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.ml.downloads.worker_settings",
        "ALCOVES_MODEL_BASE_URL": mirror.url,
        "ALCOVES_MODELS_PATH": str(settings.MODELS_PATH),
    }


def downloading(folder: Path, mirror: Mirror, settings: Any) -> Process:
    return Process(["manage.py", "models", "download", "search"], folder, **environment(mirror, settings))


def target() -> Path:
    spec = table.find_model("search", "small")
    assert spec is not None
    return places.path_of(spec, spec.files[0])


def test_killed_in_the_middle_and_resumed(tmp_path: Path, installation: Mirror, settings: Any) -> None:
    installation.answer("/mirrored/visual.onnx", whole(CONTENT, pause=0.2), whole(CONTENT))
    process = downloading(tmp_path, installation, settings)
    begun = part.part_of(target())
    wait_until(lambda: begun.exists() and begun.stat().st_size > 200_000, what="the first bytes")
    process.signal(signal.SIGKILL)
    process.popen.wait(10)
    assert not target().exists()
    kept = begun.stat().st_size
    assert Download.objects.get().state == "running"
    again = downloading(tmp_path, installation, settings)
    # The lock of the one that was killed runs out before the next begins.
    assert again.popen.wait(120) == 0, again.text()
    assert target().read_bytes() == CONTENT
    assert installation.ranges() == [None, f"bytes={kept}-"]
    assert Download.objects.get().state == "ready"


def test_two_processes_make_one_download(tmp_path: Path, installation: Mirror, settings: Any) -> None:
    installation.answer("/mirrored/visual.onnx", whole(CONTENT, pause=0.05))
    both = [downloading(tmp_path, installation, settings) for _ in range(2)]
    assert [process.popen.wait(120) for process in both] == [0, 0], [process.text() for process in both]
    assert target().read_bytes() == CONTENT
    assert len(installation.asked) == 1


def test_a_follower_downloads_what_rows_ask_for(tmp_path: Path, installation: Mirror, settings: Any) -> None:
    settings.MODEL_FETCHER = "follower"
    alive = tmp_path / "alive"
    extra = environment(installation, settings) | {"ALCOVES_MODEL_FETCHER": "follower"}
    process = Process(["manage.py", "models", "follow", "--alive", str(alive)], tmp_path, **extra)
    try:
        wait_until(alive.exists, what="its first look")
        spec = table.find_model("search", "small")
        assert spec is not None
        deciding.fetch(spec)
        wait_until(target().exists, what="the model")
        assert process.popen.poll() is None
    finally:
        process.kill_all()
    assert target().read_bytes() == CONTENT


def test_a_worker_fetches_ahead_and_goes_on_with_what_waited(
    tmp_path: Path, installation: Mirror, settings: Any, library: Library
) -> None:
    """From the first photo without a model to its result, with nobody telling the worker anything."""
    file = take_in(library, PNG, "a.png").file
    Acceptance.objects.create(licence="AGPL-3.0")
    with running_worker(tmp_path, **environment(installation, settings)):
        wait_until(lambda: Download.objects.filter(pipeline="objects", state="ready").exists(), what="ahead")
        assert not Download.objects.filter(pipeline="faces").exists()
        row = derivative(file.original_id, "faces")
        wait_until(lambda: Derivative.objects.get(pk=row.pk).error_code, what="parked")
        deciding.accept("InsightFace-NC")
        wait_until(lambda: Derivative.objects.get(pk=row.pk).status == "ready", what="the result")
    assert {path for path, _ in installation.asked} == {
        "/mirrored/objects.onnx",
        "/mirrored/detector.onnx",
        "/mirrored/recogniser.onnx",
    }
