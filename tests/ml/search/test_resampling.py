"""Pictures made smaller: as Pillow does it, which is how the models were taught."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.search.encoders import squared
from ml.search.fingerprints import difference, fingerprint
from ml.search.resampling import BILINEAR, centre, squashed
from tests.makers import corners
from tests.ml.search.conftest import drawing


def pillow(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Across, then down: what one call does in every Pillow before 13."""
    image = Image.fromarray(pixels).resize((width, len(pixels)), Image.Resampling.BICUBIC)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(640, 480), (333, 777), (256, 256), (100, 60), (1, 1), (1000, 3)])
def test_squashed_is_what_pillow_makes(size: tuple[int, int]) -> None:
    for pixels in (noise(*size), corners(*size) if min(size) > 1 else noise(*size)):
        found = squashed(pixels, 256, 256).astype(int)
        assert np.abs(found - pillow(pixels, 256, 256)).max() <= 1


@pytest.mark.parametrize("size", [(640, 480), (333, 777), (100, 60), (1000, 3)])
def test_bilinear_is_what_pillow_makes(size: tuple[int, int]) -> None:
    pixels = noise(*size)
    across = Image.fromarray(pixels).resize((224, size[1]), Image.Resampling.BILINEAR)
    expected = np.asarray(across.resize((224, 224), Image.Resampling.BILINEAR)).astype(int)
    found = squashed(pixels, 224, 224, BILINEAR).astype(int)
    assert np.abs(found - expected).max() <= 1
    assert np.abs(squared(pixels, 224).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (224, 224), (300, 200), (200, 224), (2000, 250)])
def test_the_centre_is_that_of_pillow_and_torchvision(size: tuple[int, int]) -> None:
    """`Resize(224)` brings the shorter side to 224 and cuts the longer one to whole pixels; `CenterCrop` follows."""
    pixels, short = noise(*size), min(size)
    width, height = 224 * size[0] // short, 224 * size[1] // short
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    expected = pillow(pixels, width, height)[top : top + 224, left : left + 224]
    found = centre(pixels, 224)
    assert found.shape == (224, 224, 3)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_grey_pictures_stay_grey() -> None:
    assert squashed(noise(50, 40)[:, :, 0], 32, 32).shape == (32, 32)


def test_a_fingerprint_outlives_encoding_and_reduction(tmp_path: Path) -> None:
    pixels = drawing(1)
    path = tmp_path / "small.jpg"
    Image.fromarray(pixels).resize((120, 80)).save(path, quality=40)
    copy = np.asarray(Image.open(path))
    assert difference(fingerprint(pixels), fingerprint(copy)) <= 4
    assert difference(fingerprint(pixels), fingerprint(np.ascontiguousarray(pixels[:, ::-1]))) > 16
    assert difference(fingerprint(pixels), fingerprint(drawing(2))) > 16


def test_a_fingerprint_fits_a_bigint() -> None:
    found = {fingerprint(drawing(seed)) for seed in range(20)}
    assert len(found) == 20
    assert all(-(2**63) <= one < 2**63 for one in found)
    assert any(one < 0 for one in found)
    assert fingerprint(np.zeros((10, 10, 3), dtype=np.uint8)) == fingerprint(
        np.zeros((9, 9, 3), dtype=np.uint8)
    )
    assert difference(-1, 0) == 64
    assert difference(-(2**63), 2**62) == 2
