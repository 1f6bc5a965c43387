import numpy as np
import pytest

from media.images import choosing
from tests.makers import Pixels, corners


def noise(level: int) -> Pixels:
    return np.random.default_rng(1).integers(0, level, (90, 160, 3), dtype=np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    smooth = pixels.astype(float)
    for _ in range(12):
        smooth = (smooth + np.roll(smooth, 1, 0) + np.roll(smooth, 1, 1) + np.roll(smooth, -1, 0)) / 4
    return smooth.astype(np.uint8)


def test_any_picture_beats_black() -> None:
    black = np.zeros((90, 160, 3), dtype=np.uint8)
    dull = np.full((90, 160, 3), 90, dtype=np.uint8)
    assert choosing.score(dull) > choosing.score(black)
    assert not choosing.score(black).visible


def test_a_logo_on_black_is_still_black() -> None:
    frame = np.zeros((180, 320, 3), dtype=np.uint8)
    frame[80:90, 150:170] = 255
    assert not choosing.score(frame).visible
    assert not choosing.score(noise(12)).visible


def test_sharp_beats_blurred_and_contrast_beats_flat() -> None:
    picture = np.repeat(np.repeat(noise(255), 4, axis=0), 4, axis=1)
    assert choosing.score(picture) > choosing.score(blurred(picture))
    assert choosing.score(corners(160, 90)) > choosing.score(np.full((90, 160, 3), 128, dtype=np.uint8))


def test_blown_out_loses() -> None:
    white = np.full((90, 160, 3), 255, dtype=np.uint8)
    assert choosing.score(white) < choosing.score(corners(160, 90))


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 3), (1, 500, 3)])
def test_tiny_frames_have_a_score(shape: tuple[int, int, int]) -> None:
    assert choosing.score(np.full(shape, 100, dtype=np.uint8)).visible
