import base64
import math

import numpy as np
import pytest

from media.images.placeholders import Floats, Placeholder, dominant_color, placeholder_of, thumbhash
from media.tools import vips
from tests.makers import Pixels


def opaque(pixels: Pixels) -> Pixels:
    return np.concatenate((pixels, np.full((*pixels.shape[:2], 1), 255, dtype=np.uint8)), axis=2)


def read_back(data: bytes, width: int = 32, height: int = 32) -> Floats:
    """An own small decoder after the public description, for opaque pictures only."""
    first, second = data[0] | data[1] << 8 | data[2] << 16, data[3] | data[4] << 8
    landscape = second >> 15
    constants = ((first & 63) / 63, (first >> 6 & 63) / 31.5 - 1, (first >> 12 & 63) / 31.5 - 1)
    scales = ((first >> 18 & 31) / 31, (second >> 3 & 63) / 63 * 1.25, (second >> 9 & 63) / 63 * 1.25)
    across = max(3, 7 if landscape else second & 7)
    down = max(3, second & 7 if landscape else 7)
    terms = iter([nibble for byte in data[5:] for nibble in (byte & 15, byte >> 4)])
    planes = []
    for constant, scale, (nx, ny) in zip(constants, scales, ((across, down), (3, 3), (3, 3)), strict=True):
        plane = np.full((height, width), constant)
        for y in range(ny):
            for x in range(nx):
                if (x == 0 and y == 0) or x * ny >= nx * (ny - y):
                    continue
                factor = (next(terms) / 7.5 - 1) * scale * 2
                columns = np.cos(math.pi / width * x * (np.arange(width) + 0.5))
                rows = np.cos(math.pi / height * y * (np.arange(height) + 0.5))
                plane = plane + factor * np.outer(rows, columns)
        planes.append(plane)
    luminance, yellow_blue, red_green = planes
    blue = luminance - 2 / 3 * yellow_blue
    red = (3 * luminance - blue + red_green) / 2
    picture: Floats = np.clip(np.stack((red, red - red_green, blue), axis=2), 0, 1) * 255
    return picture


@pytest.mark.parametrize("color", [(255, 0, 0), (20, 120, 200), (128, 128, 128), (0, 0, 0), (255, 255, 255)])
def test_one_colour_comes_back(color: tuple[int, int, int]) -> None:
    back = read_back(thumbhash(opaque(np.full((40, 60, 3), color, dtype=np.uint8))))
    assert np.abs(back.mean(axis=(0, 1)) - color).max() < 14


def test_left_and_right_stay_where_they_are() -> None:
    pixels = np.zeros((50, 100, 3), dtype=np.uint8)
    pixels[:, :50] = (230, 30, 30)
    pixels[:, 50:] = (30, 30, 230)
    back = read_back(thumbhash(opaque(pixels)))
    assert back[:, :10, 0].mean() > back[:, -10:, 0].mean() + 60
    assert back[:, -10:, 2].mean() > back[:, :10, 2].mean() + 60


def test_top_and_bottom_stay_where_they_are() -> None:
    pixels = np.zeros((100, 50, 3), dtype=np.uint8)
    pixels[:50] = 255
    back = read_back(thumbhash(opaque(pixels)))
    assert back[:8].mean() > 200
    assert back[-8:].mean() < 55


def test_shape_and_alpha_are_in_the_header() -> None:
    wide, tall = np.zeros((20, 100, 4), dtype=np.uint8), np.zeros((100, 20, 4), dtype=np.uint8)
    wide[:, :, 3] = 255
    assert thumbhash(wide)[4] >> 7 == 1
    assert thumbhash(tall)[4] >> 7 == 0
    assert thumbhash(wide)[2] >> 7 == 0
    assert thumbhash(tall)[2] >> 7 == 1


def test_size_is_small() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (75, 100, 3), dtype=np.uint8)
    assert 15 <= len(thumbhash(opaque(noise))) <= 26


def test_the_dominant_colour_is_the_most_common_visible_one() -> None:
    pixels = np.zeros((10, 10, 4), dtype=np.uint8)
    pixels[:4] = (200, 10, 10, 255)
    pixels[4:7] = (10, 200, 10, 255)
    assert dominant_color(pixels) == "#c80a0a"
    assert dominant_color(np.zeros((3, 3, 4), dtype=np.uint8)) == "#ffffff"


def test_a_placeholder_of_a_decoded_picture() -> None:
    image = vips.from_pixels(bytes((10, 20, 200)) * 300 * 200, 300, 200, 3)
    found = placeholder_of(image)
    assert isinstance(found, Placeholder)
    assert found.color == "#0a14c8"
    assert 15 <= len(base64.b64decode(found.thumbhash)) <= 26
    assert set(found.as_facts()) == {"thumbhash", "color"}
