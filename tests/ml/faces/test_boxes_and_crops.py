"""Boxes as shares of a picture, the squares that are cut around them, and pixels in other sizes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.faces import crops, resizing
from ml.faces.boxes import Box
from tests.makers import corners


def test_overlap_is_intersection_over_union() -> None:
    box = Box(0.1, 0.1, 0.2, 0.2)
    assert box.overlap(box) == pytest.approx(1)
    assert box.overlap(Box(0.2, 0.1, 0.2, 0.2)) == pytest.approx(1 / 3)
    assert box.overlap(Box(0.31, 0.1, 0.2, 0.2)) == 0
    assert Box(0, 0, 0, 0).overlap(Box(0, 0, 0, 0)) == 0


def test_a_box_grows_around_its_middle_and_stays_in_the_picture() -> None:
    grown = Box(0.4, 0.4, 0.1, 0.2).grown(2)
    assert (grown.x, grown.y, grown.width, grown.height) == pytest.approx((0.35, 0.3, 0.2, 0.4))
    edge = Box(0.9, 0, 0.1, 0.1).grown(3)
    assert (edge.x, edge.y, edge.width, edge.height) == pytest.approx((0.8, 0, 0.2, 0.2))


@pytest.mark.parametrize(
    ("box", "side"),
    [
        (Box(0.4, 0.4, 0.1, 0.2), 170),
        (Box(0, 0, 0.1, 0.1), 85),
        (Box(0.95, 0.95, 0.05, 0.05), 42),
        (Box(0, 0, 1, 1), 256),
        (Box(0.5, 0.5, 0.0001, 0.0001), 1),
    ],
)
def test_the_crop_is_a_square_inside_the_picture(box: Box, side: int) -> None:
    pixels = np.full((500, 500, 3), 9, np.uint8)
    assert crops.cut(pixels, box).shape == (side, side, 3)
    assert crops.cut(pixels, box).max() == 9, "nothing beside the picture is in it"


def test_the_crop_shows_the_face_in_its_middle_and_is_small() -> None:
    pixels = np.zeros((2000, 3000, 3), np.uint8)
    pixels[900:1500, 1000:1500] = (200, 10, 10)
    crop = crops.cut(pixels, Box(1000 / 3000, 900 / 2000, 500 / 3000, 600 / 2000))
    assert crop.shape == (256, 256, 3)
    assert crop[128, 128].tolist() == [200, 10, 10]
    assert crop[5, 5].max() < 5
    share = float((crop[:, :, 0] > 100).mean())
    assert share == pytest.approx(500 * 600 / (600 * 1.7) ** 2, abs=0.02)


def test_of_a_narrow_picture_the_crop_is_as_wide_as_the_picture() -> None:
    assert crops.cut(np.zeros((400, 30, 3), np.uint8), Box(0, 0.4, 1, 0.2)).shape == (30, 30, 3)


def test_the_file_is_a_webp_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "face.webp"
    crops.write(corners(200, 200), path)
    with Image.open(path) as image:
        assert (image.format, image.size) == ("WEBP", (200, 200))
        assert not image.info.get("exif")


def test_pixels_in_another_size_have_exactly_that_size_and_the_same_colours() -> None:
    pixels = corners(120, 80)
    for width, height in ((60, 40), (240, 160), (121, 80), (7, 300), (1, 1)):
        other = resizing.resized(pixels, width, height)
        assert other.shape == (height, width, 3)
        if width > 1:
            assert other[0, 0].tolist() == pytest.approx([220, 30, 30], abs=6)
            assert other[-1, -1].tolist() == pytest.approx([250, 250, 250], abs=6)


def test_a_larger_picture_lies_where_the_small_one_does() -> None:
    row = np.repeat(np.array([[0, 100, 200]], np.uint8)[:, :, None], 3, axis=2)
    wide = resizing.resized(row, 6, 1)[0, :, 0].tolist()
    assert wide == [0, 25, 75, 125, 175, 200]
