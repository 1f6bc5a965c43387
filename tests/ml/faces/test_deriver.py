"""The deriver without the engine: real pictures and films, tiny models in the real model host."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.derivers.base import Ready
from media.errors import DamagedFileError, PermanentError, RunAbandonedError
from media.subject import Subject
from ml.errors import ModelError, ModelMissingError
from ml.faces.boxes import Box
from ml.faces.deriver import FacesDeriver
from tests.makers import exif_of, make_image, make_video, pixels_of, stored_for
from tests.media.derivers.contexts import run_of
from tests.ml.faces.filming import film_of
from tests.ml.graphs.faces import BLUE, DETECTOR, GREEN, RECOGNISER, RED, scene
from tests.workers import run_python

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_models")]

TWO = scene([(RED, (80, 100, 80)), (GREEN, (420, 260, 120))])
ORIENTATION = 0x0112


def found_in(path: Path, scratch: Path, **changes: Any) -> Ready:
    run = run_of(path, scratch)
    for name, value in changes.items():
        setattr(run, name, value)
    result = FacesDeriver().derive(run)
    assert isinstance(result, Ready)
    return result


def boxes_of(result: Ready) -> list[Box]:
    """From left to right."""
    faces = sorted(result.learnt["faces"], key=lambda face: face["x"])
    return [Box(face["x"], face["y"], face["width"], face["height"]) for face in faces]


def test_faces_of_a_picture_with_boxes_landmarks_embeddings_and_small_pictures(tmp_path: Path) -> None:
    result = found_in(make_image(tmp_path / "a.png", TWO), tmp_path / "scratch")
    assert result.facts == {"faces": 2, "width": 640, "height": 480}
    assert result.made_with == {"model": "tiny-faces", "min_score": 0.28}
    expected = [Box(80 / 640, 100 / 480, 80 / 640, 80 / 480), Box(420 / 640, 260 / 480, 120 / 640, 120 / 480)]
    assert [box.overlap(other) > 0.97 for box, other in zip(boxes_of(result), expected, strict=True)] == [
        True,
        True,
    ]
    red, green = sorted(result.learnt["faces"], key=lambda face: face["x"])
    assert np.linalg.norm(red["embedding"]) == pytest.approx(1, abs=1e-3)
    assert float(red["embedding"] @ green["embedding"]) == pytest.approx(-1 / 3, abs=0.05)
    assert red["landmarks"][2] == pytest.approx([(80 + 40) / 640, (100 + 48) / 480], abs=0.004)
    assert (red["second"], red["spans"], red["score"]) == (None, [], pytest.approx(0.9))
    assert 0 < red["quality"] < green["quality"] <= 1
    paths = {output.name: output for output in result.outputs}
    assert {face["crop"] for face in (red, green)} == set(paths) == {"face-001.webp", "face-002.webp"}
    small = paths[red["crop"]]
    assert small.content_type == "image/webp"
    pixels = pixels_of(small.path)
    assert pixels.shape == (136, 136, 3)
    assert pixels[68, 68].tolist() == pytest.approx(RED, abs=20)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_and_small_pictures_are_of_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "turned.jpg"
    make_image(path, stored_for(orientation, TWO), exif=exif_of(main={ORIENTATION: orientation}))
    result = found_in(path, tmp_path / "scratch")
    assert (result.facts["width"], result.facts["height"]) == (640, 480)
    boxes = boxes_of(result)
    assert [round(box.x * 640, -1) for box in boxes] == [80, 420]
    assert [round(box.y * 480, -1) for box in boxes] == [100, 260]
    red = next(face for face in result.learnt["faces"] if face["x"] < 0.5)
    crop = pixels_of(tmp_path / "scratch" / red["crop"])
    assert crop[68, 68].tolist() == pytest.approx(RED, abs=30)


def test_a_blank_picture_has_none_and_that_is_a_result(tmp_path: Path) -> None:
    for number, pixels in enumerate((scene([]), np.full((300, 200, 3), 128, np.uint8))):
        result = found_in(make_image(tmp_path / f"{number}.png", pixels), tmp_path / f"scratch-{number}")
        assert (result.outputs, result.facts["faces"], result.learnt["faces"]) == ((), 0, [])


def test_grey_transparent_and_tiny_pictures(tmp_path: Path) -> None:
    grey = make_image(tmp_path / "grey.png", scene([((255,) * 3, (200, 200, 100))]), mode="L")
    assert found_in(grey, tmp_path / "a").facts["faces"] == 1
    clear = np.zeros((480, 640, 4), np.uint8)
    clear[..., 3] = 255
    clear[200:300, 200:300] = (255, 0, 0, 255)
    assert (
        found_in(make_image(tmp_path / "clear.png", clear, mode="RGBA"), tmp_path / "b").facts["faces"] == 1
    )
    for number, size in enumerate(((1, 1), (2, 900), (900, 1))):
        path = make_image(tmp_path / f"tiny-{number}.png", np.zeros((size[1], size[0], 3), np.uint8))
        assert found_in(path, tmp_path / f"tiny-{number}").facts["faces"] == 0


def test_a_small_picture_is_looked_at_as_closely_as_a_large_one(tmp_path: Path) -> None:
    large = scene([(RED, (400, 300, 800))], (4000, 3000))
    for number, pixels in enumerate((large, np.ascontiguousarray(large[::20, ::20]))):
        result = found_in(make_image(tmp_path / f"{number}.png", pixels), tmp_path / f"scratch-{number}")
        (box,) = boxes_of(result)
        assert box.overlap(Box(0.1, 0.1, 0.2, 800 / 3000)) > 0.9


def test_the_threshold_of_the_operator_decides(tmp_path: Path, settings: Any) -> None:
    path = make_image(tmp_path / "a.png", TWO)
    settings.FACE_MIN_SCORE = 0.95
    assert found_in(path, tmp_path / "scratch").facts["faces"] == 0


def test_a_film_has_one_row_for_each_person_with_spans_and_the_best_frame(tmp_path: Path) -> None:
    alone = scene([(RED, (80, 100, 60))])
    nearer = scene([(RED, (60, 100, 120)), (GREEN, (420, 260, 120))])
    path = film_of(tmp_path / "film.mp4", [alone, scene([]), nearer])
    run = run_of(path, tmp_path / "scratch")
    result = FacesDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts == {"faces": 2, "frames": 6}
    red, green = sorted(result.learnt["faces"], key=lambda face: face["x"])
    assert red["spans"] == [
        [pytest.approx(0, abs=0.3), pytest.approx(4, abs=0.3)],
        [pytest.approx(8, abs=0.3), 12.0],
    ]
    assert green["spans"] == [[pytest.approx(8, abs=0.3), 12.0]]
    assert red["second"] >= 8, "larger there than at the beginning"
    assert (
        Box(red["x"], red["y"], red["width"], red["height"]).overlap(
            Box(60 / 640, 100 / 480, 120 / 640, 120 / 480)
        )
        > 0.9
    )
    assert len(result.outputs) == 2
    assert pixels_of(tmp_path / "scratch" / red["crop"])[100, 100].tolist() == pytest.approx(RED, abs=60)
    assert [percent for percent, _ in run.told] == sorted(percent for percent, _ in run.told)
    assert run.told


def test_a_film_of_black_has_none(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", source="color=black:size=320x180:rate=5:duration=5", audio=False)
    assert found_in(path, tmp_path / "scratch").facts == {"faces": 0, "frames": 3}


DRAWN = {"face": "00000000-0000-7000-8000-000000000000", "second": None}


def drawn(path: Path, scratch: Path, box: Box, second: float | None = None) -> Ready:
    place = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    return found_in(path, scratch, variant="drawn-x", parameters={**DRAWN, **place, "second": second})


def test_a_drawn_face_gets_an_embedding_where_the_model_sees_one(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.png", TWO)
    rough = Box(70 / 640, 85 / 480, 110 / 640, 100 / 480)
    result = drawn(path, tmp_path / "scratch", rough)
    assert result.learnt["drawn"] == DRAWN["face"]
    assert "x" not in result.learnt, "the box is the user's"
    (whole,) = [face for face in found_in(path, tmp_path / "b").learnt["faces"] if face["x"] < 0.5]
    assert float(result.learnt["embedding"] @ whole["embedding"]) > 0.98
    assert result.learnt["quality"] > 0
    assert pixels_of(result.outputs[0].path)[90, 90].tolist() == pytest.approx(RED, abs=30)


def test_a_drawn_face_that_no_model_sees_has_a_small_picture_alone(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.png", TWO)
    nothing = drawn(path, tmp_path / "scratch", Box(0.4, 0.7, 0.1, 0.1))
    assert nothing.learnt["embedding"] is None
    assert nothing.facts == {"faces": 0}
    assert [output.name for output in nothing.outputs] == ["face.webp"]
    beside = drawn(path, tmp_path / "other", Box(0.25, 0.2, 0.1, 0.1))
    assert beside.learnt["embedding"] is None, "a face beside the box is not the one that was meant"


def test_a_face_is_drawn_in_a_frame_of_a_film(tmp_path: Path) -> None:
    path = film_of(tmp_path / "film.mp4", [scene([]), TWO], seconds=3)
    box = Box(80 / 640, 100 / 480, 80 / 640, 80 / 480)
    assert drawn(path, tmp_path / "a", box, 4.4).learnt["embedding"] is not None
    assert drawn(path, tmp_path / "b", box, 1.0).learnt["embedding"] is None
    late = drawn(path, tmp_path / "c", box, 5.99)
    assert late.learnt["embedding"] is not None, "the end of a film is its last frame"


def test_a_broken_picture_fails_for_good_and_of_a_cut_one_the_rest_is_looked_at(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.jpg"
    garbage.write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40)
    with pytest.raises(PermanentError):
        FacesDeriver().derive(run_of(garbage, tmp_path / "a", with_probe=False))
    whole = make_image(tmp_path / "whole.jpg", scene([(BLUE, (100, 40, 120)), (RED, (400, 330, 120))]))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.62)])
    assert found_in(cut, tmp_path / "b").facts["faces"] == 1


def test_a_film_that_breaks_off_keeps_what_it_shows_and_one_without_frames_fails(tmp_path: Path) -> None:
    path = film_of(tmp_path / "film.mkv", [TWO, TWO])
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert found_in(cut, tmp_path / "a").facts["faces"] == 2
    empty = tmp_path / "empty.mkv"
    empty.write_bytes(path.read_bytes()[:900])
    run = run_of(path, tmp_path / "b")
    run.path = empty
    with pytest.raises(PermanentError):
        FacesDeriver().derive(run)
    place = {"x": 0.1, "y": 0.1, "width": 0.1, "height": 0.1}
    run.variant, run.parameters = "drawn-x", {**DRAWN, **place, "second": 1.0}
    with pytest.raises(DamagedFileError, match="no picture at this second"):
        FacesDeriver().derive(run)


@pytest.mark.parametrize("name", [DETECTOR, RECOGNISER])
def test_a_file_that_is_no_model_or_another_one_is_told(tmp_path: Path, settings: Any, name: str) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for one in (DETECTOR, RECOGNISER):
        (models / one).write_bytes((Path(settings.MODELS_PATH) / one).read_bytes())
    settings.MODELS_PATH = models
    run = run_of(make_image(tmp_path / "a.png", TWO), tmp_path / "scratch")
    (models / name).write_bytes(b"no model at all" * 100)
    with pytest.raises(ModelError):
        FacesDeriver().derive(run)
    other = {DETECTOR: RECOGNISER, RECOGNISER: DETECTOR}[name]
    (models / name).write_bytes((models / other).read_bytes())
    with pytest.raises(ModelError):
        FacesDeriver().derive(run)
    (models / name).unlink()
    with pytest.raises(ModelMissingError):
        FacesDeriver().derive(run)


def test_a_run_that_lost_its_row_stops_between_frames(tmp_path: Path) -> None:
    path = film_of(tmp_path / "film.mp4", [TWO, TWO])
    run = run_of(path, tmp_path / "scratch")
    run.stop = lambda: bool(run.told)
    with pytest.raises(RunAbandonedError):
        FacesDeriver().derive(run)


def test_which_files_it_takes() -> None:
    deriver = FacesDeriver()
    kinds = {kind: deriver.accepts(Subject(kind, "x/y", 1)) for kind in ("image", "video", "audio", "other")}
    assert kinds == {"image": True, "video": True, "audio": False, "other": False}
    assert (deriver.switch, deriver.queue, deriver.needs_probe) == ("faces", "face-detection", True)


@pytest.mark.parametrize("value", ["0.04", "1", "sure"])
def test_a_threshold_that_makes_no_sense_stops_the_boot_and_names_the_variable(value: str) -> None:
    done = run_python("-c", "import alcoves.settings.base", ALCOVES_FACE_DETECTION_MIN_SCORE=value)
    assert done.returncode != 0
    assert f"ALCOVES_FACE_DETECTION_MIN_SCORE='{value}' is not usable" in done.stderr
