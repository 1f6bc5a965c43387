"""What a picture or a film means is written down: once for each scene, by the model that is chosen, whatever dies."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media import ledger, reprocess, runs
from media.derivers.base import Ready
from media.errors import PermanentError, RunAbandonedError
from media.models import Derivative, Library
from media.reprocess import Selection
from media.subject import Subject
from ml.errors import HostLostError, ModelError, ModelMissingError
from ml.models import PictureEmbedding
from ml.search import recording
from ml.search.deriver import EmbeddingDeriver
from tests.ingesting import derivative, run_queued, take_in
from tests.makers import exif_of, make_image, make_tone, stored_for
from tests.media.derivers.contexts import run_of
from tests.ml.faces.filming import film_of
from tests.ml.graphs import search as tiny
from tests.ml.hosts import hosts, kill_hosts
from tests.ml.search.conftest import drawing, put, saved, tinted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_search")]
ORIENTATION = 0x0112


def seen_in(path: Path, scratch: Path) -> list[recording.Seen]:
    result = EmbeddingDeriver().derive(run_of(path, scratch))
    assert isinstance(result, Ready)
    assert result.made_with == {"model": "tiny-search"}
    found: list[recording.Seen] = result.learnt["seen"]
    return found


def test_a_picture_is_one_vector_with_a_fingerprint(tmp_path: Path) -> None:
    (one,) = seen_in(saved(tinted("red"), tmp_path / "red.png"), tmp_path / "scratch")
    assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-3)
    assert one.vector[0] > 0.7
    assert one.second is None
    assert one.fingerprint is not None


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_picture_is_looked_at_upright(tmp_path: Path, orientation: int) -> None:
    pixels = drawing(1)
    (plain,) = seen_in(saved(pixels, tmp_path / "plain.png"), tmp_path / "scratch")
    path = make_image(
        tmp_path / "turned.jpg",
        stored_for(orientation, pixels),
        exif=exif_of(main={ORIENTATION: orientation}),
    )
    (turned,) = seen_in(path, tmp_path / "other")
    assert float(plain.vector @ turned.vector) > 0.995


def test_scenes_of_a_film_are_told_with_their_seconds_and_each_once(tmp_path: Path) -> None:
    film = film_of(tmp_path / "film.mp4", [tinted("red"), tinted("blue"), tinted("red")], seconds=6)
    found = seen_in(film, tmp_path / "scratch")
    assert [int(np.argmax(one.vector[:3])) for one in found] == [0, 2, 0]
    assert found[0].second == pytest.approx(0, abs=0.3)
    assert 6 <= (found[1].second or 0) < 8.1
    assert 12 <= (found[2].second or 0) < 14.1
    assert {one.fingerprint for one in found} == {None}


def test_what_is_neither_picture_nor_film_is_left_alone() -> None:
    accepts = EmbeddingDeriver().accepts
    assert accepts(Subject("image", "image/jpeg", 1))
    assert accepts(Subject("video", "video/mp4", 1))
    assert not accepts(Subject("audio", "audio/mpeg", 1))
    assert not accepts(Subject("other", "application/pdf", 1))


def test_rows_are_written_and_replaced(searched: Library, tmp_path: Path) -> None:
    file = put(searched, saved(tinted("red"), tmp_path / "red.png"))
    row = derivative(file.original_id, "embedding")
    assert (row.status, row.made_by["model"], row.outputs) == ("ready", "tiny-search", [])
    assert row.facts == {"dimensions": 512, "frames": 1, "kept": 1}
    before = PictureEmbedding.objects.get(original=file.original_id)
    assert (before.model, before.library_id, before.derivative_id) == ("tiny-search", searched.pk, row.pk)
    reprocess.reprocess(Selection(deriver="embedding"))
    run_queued()
    after = PictureEmbedding.objects.get(original=file.original_id)
    assert after.pk != before.pk
    assert after.embedding == pytest.approx(before.embedding)


def test_vectors_of_another_model_are_never_mixed(searched: Library, settings: Any, tmp_path: Path) -> None:
    first = put(searched, saved(tinted("red"), tmp_path / "red.png"))
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.graphs.search.OTHER_MODELS"]
    second = put(searched, saved(tinted("blue"), tmp_path / "blue.png"))
    models = dict(PictureEmbedding.objects.values_list("original_id", "model"))
    assert models == {first.original_id: "tiny-search", second.original_id: "other-search"}
    outdated = Derivative.objects.filter(deriver="embedding", status="ready").exclude(
        made_by__model="other-search"
    )
    assert [row.original_id for row in outdated] == [first.original_id]
    assert reprocess.request([row.pk for row in outdated]) == 1
    run_queued()
    seen = set(PictureEmbedding.objects.values_list("original_id", "model"))
    assert seen == {
        (first.original_id, "tiny-search"),
        (first.original_id, "other-search"),
        (second.original_id, "other-search"),
    }
    reprocess.request([row.pk for row in Derivative.objects.filter(deriver="embedding")])
    run_queued()
    assert set(PictureEmbedding.objects.values_list("original_id", "model")) == seen


def test_without_the_switch_nothing_is_made(library: Library, tmp_path: Path) -> None:
    file = take_in(library, saved(tinted("red"), tmp_path / "red.png"), "red.png").file
    run_queued()
    assert not Derivative.objects.filter(original=file.original_id, deriver="embedding").exists()


def test_sound_has_no_vector(searched: Library, tmp_path: Path) -> None:
    file = put(searched, make_tone(tmp_path / "tone.wav"))
    assert not Derivative.objects.filter(original=file.original_id, deriver="embedding").exists()


@pytest.mark.parametrize("name", ["cut.jpg", "garbage.jpg", "cut.mp4"])
def test_what_is_damaged_is_not_even_looked_at(searched: Library, tmp_path: Path, name: str) -> None:
    if name.endswith(".mp4"):
        content = film_of(tmp_path / "film.mp4", [tinted("red")]).read_bytes()[:200]
    else:
        content = saved(drawing(1, (800, 600)), tmp_path / "whole.jpg", quality=90).read_bytes()
        content = content[:200] if name == "cut.jpg" else content[:100] + b"\0" * 2000
    file = take_in(searched, content, name).file
    run_queued()
    metadata = Derivative.objects.get(original=file.original_id, deriver="metadata")
    assert (metadata.status, metadata.error_code in {"damaged_file", "moov_missing"}) == ("failed", True)
    assert not Derivative.objects.filter(original=file.original_id, deriver="embedding").exists()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PermanentError):
        EmbeddingDeriver().derive(run_of(tmp_path / name, tmp_path / "scratch"))


def test_a_blank_picture_is_like_no_text(searched: Library, tmp_path: Path) -> None:
    blank = np.full((100, 100, 3), 127, dtype=np.uint8)
    put(searched, saved(blank, tmp_path / "blank.png"))
    (vector,) = PictureEmbedding.objects.values_list("embedding", flat=True)
    assert max(vector[:3]) < 0.1


def test_without_its_files_the_row_waits(searched: Library, tiny_search: Path, tmp_path: Path) -> None:
    (tiny_search / tiny.VISUAL).unlink()
    file = put(searched, saved(tinted("red"), tmp_path / "red.png"))
    row = derivative(file.original_id, "embedding")
    assert (row.status, row.error_code, row.attempts) == ("queued", ModelMissingError.code, 0)
    tiny.write(tiny_search)
    assert ledger.wake(Derivative.objects.all(), ModelMissingError.code) == 1
    run_queued()
    row.refresh_from_db()
    assert row.status == "ready"


def test_a_file_that_is_no_model_fails_with_a_sentence(
    searched: Library, tiny_search: Path, tmp_path: Path
) -> None:
    (tiny_search / tiny.VISUAL).write_bytes(b"no graph" * 1000)
    file = put(searched, saved(tinted("red"), tmp_path / "red.png"))
    row = derivative(file.original_id, "embedding")
    assert (row.status, row.error_code) == ("failed", ModelError.code)
    assert "tiny-visual.onnx" in row.error_message


def test_a_run_that_is_abandoned_stops(tmp_path: Path) -> None:
    film = film_of(tmp_path / "film.mp4", [tinted("red"), tinted("blue")])
    with pytest.raises(RunAbandonedError):
        EmbeddingDeriver().derive(run_of(film, tmp_path / "scratch", stop=lambda: True))


def test_a_host_that_is_killed_costs_at_most_a_try(
    searched: Library, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two batches of a film: nothing half is written, and the next try makes it."""
    settings.RETRY_SECONDS = 0
    film = film_of(tmp_path / "film.mp4", [tinted(color) for color in (*tiny.COLORS, "red")], seconds=5)
    file = take_in(searched, film, "film.mp4").file
    run_queued(limit=1)
    row = derivative(file.original_id, "embedding")
    real, killed = recording.Seen, list[int]()

    def seen_once(*about: Any) -> Any:
        if not killed:
            killed.append(kill_hosts())
        return real(*about)

    monkeypatch.setattr("ml.search.deriver.Seen", seen_once)
    runs.run(row.pk)
    row.refresh_from_db()
    assert killed == [1]
    assert row.status == "ready" or row.error_code == HostLostError.code
    if row.status != "ready":
        assert not PictureEmbedding.objects.exists()
        run_queued()
        row.refresh_from_db()
    assert row.status == "ready"
    assert PictureEmbedding.objects.filter(original=file.original_id).count() == 4
    assert len(hosts()) == 1


def test_a_frozen_host_does_not_hold_a_run_for_ever(tmp_path: Path) -> None:
    """Killed while the run waits for it."""
    path = saved(tinted("red"), tmp_path / "red.png")
    seen_in(path, tmp_path / "scratch")
    (host,) = hosts()
    os.kill(host, signal.SIGSTOP)
    try:
        timer = threading.Timer(0.3, os.kill, (host, signal.SIGKILL))
        timer.start()
        with suppress(HostLostError):
            assert len(seen_in(path, tmp_path / "again")) == 1
        timer.join()
    finally:
        kill_hosts()
