"""Avatars from pictures of every kind: the square, its size, its colours, and what is no picture."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media.images.avatars import NoPictureError, normalise
from media.tools.vips import PixelLimits
from tests.makers import Pixels, corners, exif_of, make_image, make_png, stored_for

HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'


def avatar(content: bytes | Path, folder: Path, limits: PixelLimits | None = None) -> Image.Image:
    data = content.read_bytes() if isinstance(content, Path) else content
    made = Image.open(io.BytesIO(normalise(data, folder, limits or PixelLimits())))
    assert made.format == "WEBP"
    return made


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def stripes(width: int, height: int) -> Pixels:
    """Green in the middle square, red in what is cut off."""
    drawn = np.full((height, width, 3), (230, 20, 20), dtype=np.uint8)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    drawn[top : top + side, left : left + side] = (20, 200, 20)
    return drawn


@pytest.mark.parametrize(
    ("size", "side"),
    [((1200, 800), 512), ((800, 1200), 512), ((300, 200), 200), ((200, 300), 200), ((2000, 600), 512),
     ((600, 2000), 512), ((512, 512), 512), ((100, 5000), 100), ((5000, 100), 100), ((1, 1), 1)],
)  # fmt: skip
def test_the_middle_square_never_larger(tmp_path: Path, size: tuple[int, int], side: int) -> None:
    made = avatar(make_image(tmp_path / "a.png", stripes(*size)), tmp_path)
    assert made.size == (side, side)
    middle = pixels(made)
    assert (middle[..., 1].astype(int) - middle[..., 0] > 100).mean() > 0.97


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_ends_upright(tmp_path: Path, orientation: int) -> None:
    path = make_image(
        tmp_path / "a.jpg",
        stored_for(orientation, corners(640, 640)),
        exif=exif_of(main={0x0112: orientation}),
    )
    made = avatar(path, tmp_path)
    assert np.abs(pixels(made).astype(int) - corners(512, 512)).mean() < 4


def test_nothing_of_the_metadata_is_left(tmp_path: Path) -> None:
    exif = exif_of(main={0x010F: "SecretMaker", 0x0112: 1}, gps={1: "N", 2: (52.0, 31.0, 12.0)})
    path = make_image(tmp_path / "a.jpg", exif=exif, comment=b"secret comment")
    content = normalise(path.read_bytes(), tmp_path, PixelLimits())
    assert b"SecretMaker" in path.read_bytes()
    assert not [name for name in (b"EXIF", b"XMP ", b"ICCP", b"Secret", b"secret") if name in content]


def test_alpha_is_kept(tmp_path: Path) -> None:
    drawn = np.dstack([corners(100, 100), np.full((100, 100), 255, dtype=np.uint8)])
    drawn[:50, :, 3] = 0
    made = avatar(make_image(tmp_path / "a.png", drawn, mode="RGBA"), tmp_path)
    assert made.mode == "RGBA"
    alpha = np.asarray(made)[..., 3]
    assert (alpha[10].max(), alpha[90].min()) == (0, 255)


def test_of_an_animation_the_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (60, 40), color) for color in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    for suffix in ("gif", "webp"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], duration=50)
        made = avatar(tmp_path / f"a.{suffix}", tmp_path)
        assert made.size == (40, 40)
        assert getattr(made, "n_frames", 1) == 1
        assert pixels(made)[20, 20].argmax() == 0


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tif", "avif", "bmp", "jp2"])
def test_the_content_decides(tmp_path: Path, suffix: str) -> None:
    path = make_image(tmp_path / f"a.{suffix}", size=(90, 60))
    assert avatar(path.rename(tmp_path / "a.exe"), tmp_path).size == (60, 60)


def bitmap(width: int, height: int) -> bytes:
    head = struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty_file"), (b"hello", ""), (HTML, ""), (SVG, ""), (b"\xff\xd8\xff", ""), (bytes(5000), ""),
     (b"%PDF-1.7\n", ""), (bitmap(30_000, 30_000), "too_many_pixels"), (bitmap(0, 0), "")],
)  # fmt: skip
def test_what_is_no_picture_is_told(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(NoPictureError) as caught:
        normalise(content, tmp_path, PixelLimits())
    assert caught.value.http_status == 400
    assert caught.value.message.endswith(".")
    assert caught.value.code == (code or caught.value.code)
    assert not list(tmp_path.iterdir())


def test_a_bomb_is_refused_by_its_header(tmp_path: Path, monkeypatch: Any) -> None:
    content = make_png(tmp_path / "a.png", 60_000, 60_000).read_bytes()
    monkeypatch.setattr("media.tools.vips.load_thumbnail", None)
    with pytest.raises(NoPictureError, match="megapixels"):
        normalise(content, tmp_path, PixelLimits())


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_half_a_picture_is_none(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    content = make_image(tmp_path / f"a.{suffix}", noise).read_bytes()
    with pytest.raises(NoPictureError, match="damaged"):
        normalise(content[: len(content) * 6 // 10], tmp_path, PixelLimits())
