"""Encoders: the values of the MANIFEST, batches, and models that do not keep their contract."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.downloads import Ready, ready
from ml.errors import ModelError
from ml.registry.specs import ModelSpec
from ml.search import encoders
from ml.search.encoders import Encoder
from ml.search.resampling import enough
from tests.ml.graphs import search as tiny
from tests.ml.search.conftest import drawing, tinted

PICTURES = {
    "bicycle": "objects/dog_bicycle_truck.jpg",
    "dog_horse": "objects/person_dog_horse.jpg",
    "jockey": "objects/jockey.jpg",
    "bear": "objects/baby_bear.jpg",
    "dog_human": "objects/dog_human.jpg",
    "curie": "faces/curie_pierre_marie.jpg",
    "gauss": "faces/gauss.png",
}


def encoder_of(folder: Path, spec: ModelSpec) -> Encoder:
    return Encoder(Ready(spec, {file.role: folder / file.name for file in spec.files}))


def scores(encoder: Encoder, folder: Path, text: str) -> dict[str, float]:
    """Cosine of each picture with the text, the best first."""
    pixels = []
    for path in PICTURES.values():
        with Image.open(folder / path) as image:
            image.thumbnail((enough(encoder.side),) * 2)
            pixels.append(np.asarray(image.convert("RGB")))
    found = encoder.pictures(pixels) @ encoder.text(text)
    return dict(sorted(zip(PICTURES, found.tolist(), strict=True), key=lambda pair: -pair[1]))


@pytest.mark.shared
@pytest.mark.django_db
def test_pictures_are_what_the_manifest_says(shared_models: Path, shared_media: Path) -> None:
    encoder = Encoder(ready("search"))
    found = {
        text: scores(encoder, shared_media, text)
        for text in ("bicycle", "truck", "a horse in a field", "a teddy bear", "two people")
    }
    assert next(iter(found["bicycle"])) == "bicycle"
    assert found["bicycle"]["bicycle"] == pytest.approx(0.60, abs=0.05)
    assert next(iter(found["truck"])) == "bicycle"
    assert found["truck"]["bicycle"] == pytest.approx(0.44, abs=0.06)
    assert found["a horse in a field"]["jockey"] == pytest.approx(0.87, abs=0.05)
    assert next(iter(found["a teddy bear"])) == "bear"
    assert min(found["two people"][name] for name in ("dog_human", "curie", "bear")) >= 0.75 - 0.05


@pytest.mark.shared
@pytest.mark.django_db
def test_what_is_not_on_a_picture_is_below_the_floor(shared_models: Path, shared_media: Path) -> None:
    encoder = Encoder(ready("search"))
    floor = encoders.floor_of(encoder.spec)
    for text in ("qwertz asdf", "a submarine under a microscope"):
        assert max(scores(encoder, shared_media, text).values()) < floor


def test_many_pictures_are_as_each_alone(tiny_search: Path) -> None:
    encoder = encoder_of(tiny_search, tiny.MODELS[0])
    pictures = [drawing(seed) for seed in range(11)]
    together = encoder.pictures(pictures)
    assert together.shape == (11, 512)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(11), abs=1e-5)
    alone = np.concatenate([encoder.pictures([picture]) for picture in pictures])
    assert together == pytest.approx(alone, abs=1e-5)


def test_colours_are_told_apart_by_their_words(tiny_search: Path) -> None:
    encoder = encoder_of(tiny_search, tiny.MODELS[0])
    pictures = encoder.pictures([tinted(color) for color in tiny.COLORS])
    for place, color in enumerate(tiny.COLORS):
        found = pictures @ encoder.text(f"something {color}")
        assert int(found.argmax()) == place
        assert found.max() > 0.6
        assert sorted(found)[-2] < 0.1
    assert abs(pictures @ encoder.text("nothing of the kind")).max() < 0.05


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"contract": "telepathy"}, "search knows clip, siglip"),
        ({"options": {"dimensions": 300, "side": 64}}, "no output of 300 numbers"),
        ({"options": {"dimensions": 512, "side": 80}}, "cannot be used"),
    ],
)
def test_a_model_that_breaks_its_contract_is_told(
    tiny_search: Path, changed: dict[str, Any], said: str
) -> None:
    from dataclasses import replace

    with pytest.raises(ModelError, match=said):
        encoder_of(tiny_search, replace(tiny.MODELS[0], **changed)).pictures([drawing(1)])


def test_a_file_that_is_no_model_is_told(tiny_search: Path) -> None:
    (tiny_search / tiny.TEXTUAL).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(ModelError):
        encoder_of(tiny_search, tiny.MODELS[0]).text("red")


def test_siglip_takes_the_whole_picture_and_its_own_words(tiny_search: Path, tmp_path: Path) -> None:
    spec = tiny.siglip(tmp_path / "siglip")
    encoder = encoder_of(tmp_path / "siglip", spec)
    wide = np.concatenate([tinted("red"), tinted("blue"), tinted("red")], axis=1)
    found = encoder.pictures([wide])[0]
    assert found[0] == pytest.approx(2 * found[2], rel=0.2)
    assert encoder.text("DOG") == pytest.approx(encoder.text("  dog "))
    assert encoder.prepared(np.full((5, 9, 3), 255, dtype=np.uint8)).max() == pytest.approx(1.0)
    assert encoder.prepared(np.zeros((5, 9, 3), dtype=np.uint8)).min() == pytest.approx(-1.0)


def test_every_model_of_the_registry_has_a_contract_and_an_index() -> None:
    from ml.registry.entries import MODELS
    from ml.search.vectors import INDEXED

    found = [spec for spec in MODELS if spec.pipeline == "search"]
    assert found
    for spec in found:
        assert spec.contract in encoders.CONTRACTS
        assert encoders.dimensions_of(spec) in INDEXED
        assert {"visual", "textual", "vocabulary"} <= {file.role for file in spec.files}
        assert 0 < encoders.floor_of(spec) < encoders.like_floor_of(spec) < 1
