"""The model host or the worker's child is killed while a film is looked at: all comes right, and once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from media.models import Derivative, File, Library
from ml.downloads import ready
from ml.models import PictureEmbedding
from ml.search.encoders import Encoder
from tests.ingesting import take_in
from tests.ml import hosts
from tests.ml.faces.filming import film_of
from tests.ml.search.conftest import tinted
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.ml.search.worker_settings", "ALCOVES_RETRY_SECONDS": "1"}
SCENES = 40


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little over a minute: colours in turn."""
    stills = [tinted(color) for color in ("red", "blue")] * (SCENES // 2)
    return film_of(tmp_path_factory.mktemp("films") / "film.mp4", stills, seconds=2, rate=2)


@pytest.fixture
def taken(searched: Library, film: Path, tiny_search: Path, settings: Any) -> Iterator[File]:
    settings.STORE_RESERVE_BYTES = 0
    yield take_in(searched, film, "film.mp4").file
    hosts.kill_hosts()


def row_of(file: File) -> Derivative:
    row: Derivative = Derivative.objects.get(original=file.original_id, deriver="embedding")
    return row


def percent(file: File) -> int:
    rows = Derivative.objects.filter(original=file.original_id, deriver="embedding", status="processing")
    return max(rows.values_list("progress", flat=True), default=0)


def is_ready(file: File) -> bool:
    return Derivative.objects.filter(original=file.original_id, deriver="embedding", status="ready").exists()


def each_scene_once(file: File) -> None:
    row = row_of(file)
    rows = list(PictureEmbedding.objects.filter(original=file.original_id).order_by("second"))
    assert len(rows) == row.facts["kept"] == pytest.approx(SCENES, abs=2)
    assert {one.derivative_id for one in rows} == {row.pk}
    assert len({one.second for one in rows}) == len(rows)


@pytest.mark.parametrize("who", ["host", "child"])
def test_killed_in_the_middle(taken: File, tmp_path: Path, tiny_search: Path, who: str) -> None:
    Encoder(ready("search")).pictures([tinted("red")])
    with hosts.held(), running_worker(tmp_path, ALCOVES_MODELS_PATH=str(tiny_search), **SETTINGS):
        wait_until(lambda: hosts.led_to(15, lambda: percent(taken)), 90, "a part of it has been looked at")
        if who == "host":
            assert hosts.kill_hosts() == 1
        else:
            os.kill(int(row_of(taken).lease_owner.rpartition(":")[2]), signal.SIGKILL)
            hosts.tell(signal.SIGCONT)
        wait_until(lambda: is_ready(taken), 120, "the run has ended")
        assert row_of(taken).error_code == ""
    each_scene_once(taken)
