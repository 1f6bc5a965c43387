"""Every container fills every typed column: one photograph, told in each of them the same way."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pyvips
from PIL import Image, PngImagePlugin

from media.models.captured import columns_of
from media.probing import probe
from media.sniffing import sniff_path
from tests.makers import corners, exif_of, make_image
from tests.media.test_xmp import bag, packet
from tests.rare_makers import make_heic

WORDS = packet(
    f"<dc:title>{bag('Title', kind='Alt')}</dc:title><dc:description>{bag('Caption', kind='Alt')}</dc:description>"
    f"<dc:subject>{bag('Berg', 'See')}</dc:subject>",
    "xmp:Rating='4'",
)
PROFILE = bytes(pyvips.Image.profile_load("p3"))
EXPECTED: dict[str, Any] = {
    "captured_at": datetime(2021, 7, 14, 16, 30, 5, tzinfo=UTC),
    "captured_offset": 120,
    "captured_zone": "Europe/Vienna",
    "latitude": 48.2,
    "longitude": 16.37,
    "altitude": 100.0,
    "camera_make": "TestCam",
    "camera_model": "TC-1",
    "lens": "TC 50mm",
    "iso": 200,
    "f_number": 2.8,
    "exposure_seconds": 0.005,
    "focal_length_mm": 50.0,
    "color_profile": "sP3C",
    "title": "Title",
    "caption": "Caption",
    "keywords": ["Berg", "See"],
    "rating": 4,
}
WIDTH, HEIGHT = 120, 80


def tags() -> Image.Exif:
    return exif_of(
        main={0x010F: "TestCam", 0x0110: "TC-1", 0x0112: 6},
        exif={
            0x9003: "2021:07:14 18:30:05",
            0x9011: "+02:00",
            0xA434: "TC 50mm",
            0x8827: 200,
            0x829D: 2.8,
            0x829A: 0.005,
            0x920A: 50.0,
        },
        gps={1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (16.0, 22.2, 0.0), 5: b"\0", 6: 100.0},
    )


def plain(path: Path) -> Path:
    return make_image(path, corners(WIDTH, HEIGHT), exif=tags(), xmp=WORDS, icc_profile=PROFILE)


def png(path: Path) -> Path:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", WORDS.decode())
    return make_image(path, corners(WIDTH, HEIGHT), exif=tags(), pnginfo=chunks, icc_profile=PROFILE)


def heic(path: Path) -> Path:
    return make_heic(path, corners(WIDTH, HEIGHT), exif=tags(), xmp=WORDS, profile=PROFILE, turns=3)


def tiff(path: Path) -> Path:
    """An EXIF block is a TIFF file already: it only lacks its pixels. With the tag of DNG it is one of those."""
    pixels = corners(WIDTH, HEIGHT).tobytes()

    def head(offset: int) -> bytes:
        block = tags()
        block.update({256: WIDTH, 257: HEIGHT, 258: (8, 8, 8), 259: 1, 262: 2, 277: 3, 278: HEIGHT})
        block.update({273: offset, 279: len(pixels), 700: WORDS, 34675: PROFILE})
        if path.suffix == ".dng":
            block[50706] = bytes([1, 4, 0, 0])
        return block.tobytes().removeprefix(b"Exif\0\0")

    path.write_bytes(head(len(head(2**20))) + pixels)
    return path


@pytest.mark.parametrize(
    ("maker", "suffix", "mime"),
    [
        (plain, "jpg", "image/jpeg"),
        (plain, "webp", "image/webp"),
        (plain, "avif", "image/avif"),
        (png, "png", "image/png"),
        (heic, "heic", "image/heic"),
        (tiff, "tif", "image/tiff"),
        (tiff, "dng", "image/x-adobe-dng"),
    ],
)
def test_every_column(tmp_path: Path, maker: Callable[[Path], Path], suffix: str, mime: str) -> None:
    path = maker(tmp_path / f"a.{suffix}")
    sniffed = sniff_path(path)
    columns = columns_of(probe(path, sniffed).as_json())
    assert sniffed.mime == mime
    assert {name: columns[name] for name in EXPECTED} == EXPECTED
    if suffix != "dng":  # LibRaw finds no sensor in this one.
        assert (columns["width"], columns["height"]) == (HEIGHT, WIDTH)
    # HEIC and AVIF are turned by boxes of their own.
    assert columns["orientation"] == (1 if suffix in {"heic", "avif"} else 6)
