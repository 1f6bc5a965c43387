"""Real pictures and films with a real detector: the values of the manifest, and the thresholds of the reference.

The recogniser is a fixture that is right on these faces alone; strangers get any embedding.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from media.derivers.base import Ready
from media.errors import PermanentError
from media.images import pixels
from media.sniffing import sniff_path
from media.tools.vips import PixelLimits
from ml import downloads
from ml.faces.arcface import Recogniser
from ml.faces.boxes import Box
from ml.faces.deriver import PICTURE_SIDE, FacesDeriver
from ml.faces.scrfd import FINE_SIDE, SIDE, Detector
from ml.faces.seeing import Eyes, Seen
from ml.runtime.client import onnx_model
from tests.makers import Pixels, make_image
from tests.media.derivers.contexts import run_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shared_models")]

ALIKE, APART = 0.85, 0.5
CURIE, SOLVAY = "faces/curie_pierre_marie.jpg", "faces/solvay_1927.png"
MARIE = (271, 161, 357, 278)
PIERRE = (534, 102, 615, 242)
MARIE_AT_SOLVAY = (862, 1146, 942, 1247)


@pytest.fixture
def eyes() -> Eyes:
    ready = downloads.ready("faces")
    return Eyes(
        Detector(onnx_model(ready.paths["detector"])), Recogniser(onnx_model(ready.paths["recogniser"])), 0.5
    )


def upright(path: Path) -> Pixels:
    return pixels.upright(path, sniff_path(path).mime, PICTURE_SIDE, PixelLimits()).pixels


def corners(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Of a share, in pixels of a picture of this width and height."""
    width, height = size
    return (box.x * width, box.y * height, (box.x + box.width) * width, (box.y + box.height) * height)


def cosine(one: Seen, other: Seen) -> float:
    assert one.embedding is not None
    assert other.embedding is not None
    return float(one.embedding @ other.embedding)


def found_in(path: Path, scratch: Path, **changes: Any) -> Ready:
    run = run_of(path, scratch)
    for name, value in changes.items():
        setattr(run, name, value)
    result = FacesDeriver().derive(run)
    assert isinstance(result, Ready)
    return result


@pytest.mark.parametrize(
    ("name", "scores", "box", "size"),
    [
        (CURIE, [0.93, 0.88], MARIE, (840, 700)),
        ("faces/gauss.png", [0.94], (376, 203, 654, 570), (1024, 1305)),
        ("faces/newton.png", [0.93], (334, 89, 440, 232), (768, 432)),
        ("objects/dog_human.jpg", [0.93], (171, 157, 231, 230), (640, 962)),
        ("objects/jockey.jpg", [0.80], (246, 42, 276, 75), (640, 426)),
    ],
)
def test_the_faces_of_the_manifest(
    eyes: Eyes, shared_media: Path, name: str, scores: list[float], box: Any, size: tuple[int, int]
) -> None:
    found = eyes.faces(upright(shared_media / name))
    # A dog's head counts half: a score between the two is no face of the manifest.
    sure = [face for face in found if face.score >= 0.6]
    assert [face.score for face in sure] == pytest.approx(scores, abs=0.05)
    assert corners(sure[0].box, size) == pytest.approx(box, abs=10)
    for face in found:
        assert face.box.x >= 0 and face.box.x + face.box.width <= 1 + 1e-6  # noqa: PT018 - One question.
        assert face.box.y >= 0 and face.box.y + face.box.height <= 1 + 1e-6  # noqa: PT018 - One question.
        assert 0 <= face.quality <= 1
        assert face.embedding is not None
        assert face.embedding.shape == (512,)
        assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-3)


def test_the_second_look_at_a_crowd_pays(eyes: Eyes, shared_media: Path) -> None:
    picture = upright(shared_media / SOLVAY)
    assert len(eyes.detector.look(picture, 0.5, SIDE)) == 30, "one of them is no face"
    fine = eyes.detector.look(picture, 0.5, FINE_SIDE)
    assert len(fine) == 29
    assert fine.scores.min() >= 0.89 - 0.05
    assert len(eyes.faces(picture)) == 29


def test_marie_curie_is_found_among_twenty_nine(eyes: Eyes, shared_media: Path) -> None:
    marie, pierre = eyes.faces(upright(shared_media / CURIE))
    assert corners(pierre.box, (840, 700)) == pytest.approx(PIERRE, abs=10)
    group = eyes.faces(upright(shared_media / SOLVAY))
    by_likeness = sorted(group, key=lambda face: cosine(marie, face), reverse=True)
    assert cosine(marie, by_likeness[0]) >= 0.96
    assert corners(by_likeness[0].box, (3000, 2171)) == pytest.approx(MARIE_AT_SOLVAY, abs=12)
    assert cosine(marie, by_likeness[1]) <= 0.15
    assert max(cosine(pierre, face) for face in group) <= APART
    assert cosine(marie, pierre) <= 0.15


def test_turned_by_its_orientation_it_is_the_same_picture(eyes: Eyes, shared_media: Path) -> None:
    upright_ones = eyes.faces(upright(shared_media / CURIE))
    turned = eyes.faces(upright(shared_media / "faces/curie_orientation6.jpg"))
    for one, other in zip(upright_ones, turned, strict=True):
        assert corners(other.box, (840, 700)) == pytest.approx(corners(one.box, (840, 700)), abs=5)
        assert cosine(one, other) >= 0.96


@pytest.mark.parametrize("ending", [*(f"{number}.jpg" for number in range(1, 9)), "6.png", "6.tif", "6.webp"])
def test_every_orientation_of_every_format(eyes: Eyes, shared_media: Path, ending: str) -> None:
    (face,) = eyes.faces(upright(shared_media / f"orientation/jockey_o{ending}"))
    assert corners(face.box, (640, 426)) == pytest.approx((246, 42, 276, 75), abs=5)


@pytest.mark.parametrize("name", ["faces/gauss.png", "faces/newton.png", CURIE])
def test_the_same_person_small_and_compressed_hard(
    eyes: Eyes, shared_media: Path, tmp_path: Path, name: str
) -> None:
    first = eyes.faces(upright(shared_media / name))[0]
    with Image.open(shared_media / name) as image:
        small = image.convert("RGB")
        small.thumbnail((360, 360))
        small.save(tmp_path / "small.jpg", quality=70)
    again = eyes.faces(upright(tmp_path / "small.jpg"))[0]
    assert again.score >= 0.5
    assert cosine(first, again) >= ALIKE


def test_two_people_are_never_alike(eyes: Eyes, shared_media: Path) -> None:
    names = (CURIE, "faces/gauss.png", "faces/newton.png", "objects/dog_human.jpg", "objects/jockey.jpg")
    people = [
        face for name in names for face in eyes.faces(upright(shared_media / name)) if face.score >= 0.6
    ]
    assert len(people) == 6
    others = [cosine(one, other) for place, one in enumerate(people) for other in people[:place]]
    assert max(others) <= APART


def test_a_frontal_face_is_a_good_one_and_a_profile_is_not(eyes: Eyes, shared_media: Path) -> None:
    marie, pierre = eyes.faces(upright(shared_media / CURIE))
    assert marie.quality >= 0.5
    assert pierre.quality < 0.5
    assert eyes.faces(upright(shared_media / "faces/newton.png"))[0].quality >= 0.5


def test_a_threshold_of_nearly_one_yields_no_more_than_a_low_one(eyes: Eyes, shared_media: Path) -> None:
    for name in (CURIE, SOLVAY, "objects/dog_human.jpg"):
        picture = upright(shared_media / name)
        counts = [len(Eyes(eyes.detector, eyes.recogniser, least).faces(picture)) for least in (0.3, 0.999)]
        assert counts[1] <= counts[0]
        assert counts[1] == 0


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (120, 90, 60)])
def test_a_blank_picture_shows_nobody(eyes: Eyes, tmp_path: Path, color: tuple[int, int, int]) -> None:
    blank = make_image(tmp_path / "blank.png", np.full((480, 640, 3), color, np.uint8))
    assert eyes.faces(upright(blank)) == []


@pytest.mark.parametrize("name", ["objects/dog_bicycle_truck.jpg", "formats/density_plot.png"])
def test_animals_and_things_are_nobody(eyes: Eyes, shared_media: Path, name: str) -> None:
    assert eyes.faces(upright(shared_media / name)) == []


def test_what_a_person_draws_by_hand(eyes: Eyes, shared_media: Path) -> None:
    picture = upright(shared_media / CURIE)
    marie, pierre = eyes.faces(picture)
    drawn = eyes.face_in(picture, Box(250 / 840, 150 / 700, 120 / 840, 150 / 700))
    assert drawn is not None
    assert cosine(drawn, marie) >= 0.96
    by_hand = eyes.face_in(picture, Box(520 / 840, 90 / 700, 110 / 840, 160 / 700))
    assert by_hand is not None
    assert cosine(by_hand, pierre) >= 1 - 0.42, "of a profile, and still one person for the clustering"
    assert eyes.face_in(picture, Box(0.02, 0.8, 0.15, 0.18)) is None


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_who_lies_down_has_an_embedding_once_somebody_draws_the_face(
    eyes: Eyes, shared_media: Path, quarters: int
) -> None:
    picture = upright(shared_media / CURIE)
    marie = eyes.faces(picture)[0]
    lying = np.ascontiguousarray(np.rot90(picture, quarters))
    around = [corners(face.box, lying.shape[1::-1]) for face in eyes.faces(lying)]
    left, top, right, bottom = MARIE
    places = {
        1: (top, 840 - right, bottom, 840 - left),
        2: (840 - right, 700 - bottom, 840 - left, 700 - top),
        3: (700 - bottom, left, 700 - top, right),
    }
    x, y, to_x, to_y = places[quarters]
    height, width = lying.shape[:2]
    found = eyes.face_in(lying, Box(x / width, y / height, (to_x - x) / width, (to_y - y) / height))
    assert found is not None, around
    assert cosine(found, marie) >= ALIKE
    assert corners(found.box, (width, height)) == pytest.approx(places[quarters], abs=12)


@pytest.mark.parametrize(
    ("name", "blur", "vague"),
    [
        (CURIE, 0, False),
        ("faces/gauss.png", 4, False),
        ("faces/newton.png", 2, False),
        ("faces/newton.png", 10, True),
        ("objects/dog_human.jpg", 8, True),
    ],
)
def test_a_face_too_blurred_to_be_told_is_kept_without_an_embedding(
    shared_media: Path, tmp_path: Path, name: str, blur: float, vague: bool
) -> None:
    with Image.open(shared_media / name) as image:
        image.convert("RGB").filter(ImageFilter.GaussianBlur(blur)).save(tmp_path / "blurred.png")
    result = found_in(tmp_path / "blurred.png", tmp_path / "scratch")
    sure = result.learnt["faces"][0]
    assert (sure["embedding"] is None) == vague
    assert sure["crop"] in {output.name for output in result.outputs}


def test_people_of_a_film_with_four_shots(
    shared_media: Path, tmp_path: Path, eyes: Eyes, settings: Any
) -> None:
    settings.FACE_MIN_SCORE = 0.6
    result = found_in(shared_media / "video/timeline_faces_objects_speech.mp4", tmp_path / "scratch")
    faces = {tuple(span[0] for span in face["spans"]): face for face in result.learnt["faces"]}
    assert result.facts["faces"] == len(result.outputs) >= 4
    starts = sorted(face["spans"][0][0] for face in result.learnt["faces"])
    assert starts[:2] == pytest.approx([0, 0], abs=0.1)
    assert len({tuple(map(tuple, face["spans"])) for face in faces.values()}) >= 3
    marie = eyes.faces(upright(shared_media / CURIE))[0]
    sharp = [face for face in result.learnt["faces"] if face["embedding"] is not None]
    likely = [face for face in sharp if float(face["embedding"] @ marie.embedding) >= ALIKE]
    assert len(likely) == 1, "one row for all frames that she is in"
    assert likely[0]["spans"] == [[pytest.approx(0, abs=0.2), pytest.approx(4, abs=1.1)]]


def test_a_black_film_shows_nobody(shared_media: Path, tmp_path: Path) -> None:
    result = found_in(shared_media / "video/black_20s.mp4", tmp_path / "scratch")
    assert result.facts["faces"] == 0


def test_broken_films_give_what_they_have_or_fail_for_good(shared_media: Path, tmp_path: Path) -> None:
    for name in ("truncated.mkv", "truncated_faststart.mp4"):
        assert found_in(shared_media / "video" / name, tmp_path / name).facts["faces"] >= 2
    run = run_of(shared_media / "video/timeline_faces_objects_speech.mp4", tmp_path / "scratch")
    run.path = shared_media / "video/truncated_no_moov.mp4"
    with pytest.raises(PermanentError):
        FacesDeriver().derive(run)
