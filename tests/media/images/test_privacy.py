"""Golden: whatever lies in a picture besides its pixels, none of it leaves in any output, still or animated."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, PngImagePlugin

from media.images import transform
from media.images.recipes import FORMATS, Format, Recipe
from media.sniffing import sniff_path
from media.tools.vips import PixelLimits
from tests.makers import corners, exif_of
from tests.rare_makers import make_dng, make_heic

SECRET = b"SECRET-8841"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:GPSLatitude>48,12N SECRET-8841</exif:GPSLatitude></x:xmpmeta>'
)
TEXT = SECRET.decode()


def jpeg_with(text: bytes) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(out, "JPEG", comment=text)
    return out.getvalue()


def tags() -> bytes:
    """EXIF with a place, serial numbers, names, a maker note and an embedded thumbnail (directory 1)."""
    packed = exif_of(
        main={0x010F: TEXT, 0x0110: TEXT, 0x013B: TEXT, 0x8298: TEXT, 0x9C9B: TEXT.encode("utf-16-le")},
        exif={
            0xA431: TEXT,
            0xA435: TEXT,
            0xA430: TEXT,
            0x927C: b"maker " + SECRET,
            0x9286: b"ASCII\0\0\0" + SECRET,
        },
        gps={1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (16.0, 22.0, 0.0), 29: "2024:01:01", 27: SECRET},
    ).tobytes()
    tiff = bytearray(packed.removeprefix(b"Exif\0\0"))
    order = "<" if tiff[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    struct.pack_into(f"{order}I", tiff, start + 2 + 12 * count, len(tiff))
    small = jpeg_with(SECRET)
    tiff += struct.pack(f"{order}H", 2)
    tiff += struct.pack(f"{order}HHII", 0x0201, 4, 1, len(tiff) + 28)
    tiff += struct.pack(f"{order}HHII", 0x0202, 4, 1, len(small)) + bytes(4) + small
    return b"Exif\0\0" + bytes(tiff)


def profile() -> bytes:
    """A real one with something behind it."""
    data = bytes(pyvips.Image.profile_load("p3"))
    return data + SECRET


def iptc() -> bytes:
    record = b"\x1c\x02\x78" + struct.pack(">H", len(SECRET)) + SECRET
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record + bytes(len(record) % 2)
    body = b"Photoshop 3.0\0" + block
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def secretive_jpeg(path: Path) -> Path:
    """With everything, a gain map as phones append it, and a film behind that."""
    options = {
        "exif": tags(),
        "xmp": XMP,
        "comment": SECRET,
        "icc_profile": profile(),
        "extra": iptc(),
        "dpi": (301, 301),
    }
    Image.fromarray(corners()).save(path, "JPEG", **options)
    path.write_bytes(path.read_bytes() + jpeg_with(b"hdrgm " + SECRET) + b"ftypmp42" + SECRET)
    return path


def secretive_png(path: Path) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", TEXT)
    info.add_text("Author", TEXT, zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    info.add(b"tIME", bytes(7))
    info.add(b"prVt", SECRET, after_idat=True)
    Image.fromarray(corners()).save(
        path, "PNG", pnginfo=info, exif=tags(), icc_profile=profile(), dpi=(301, 301)
    )
    path.write_bytes(path.read_bytes() + SECRET)
    return path


def secretive_webp(path: Path) -> Path:
    Image.fromarray(corners()).save(path, "WEBP", exif=tags(), xmp=XMP, icc_profile=profile())
    return path


def secretive_avif(path: Path) -> Path:
    Image.fromarray(corners()).save(path, "AVIF", exif=tags(), xmp=XMP, icc_profile=profile())
    return path


def secretive_tiff(path: Path) -> Path:
    extra: dict[int, Any] = {0x010F: TEXT, 0x013B: TEXT, 700: XMP, 33723: SECRET, 0x9C9B: SECRET}
    Image.fromarray(corners()).save(path, "TIFF", tiffinfo=extra, icc_profile=profile())
    return path


def frames() -> list[Image.Image]:
    return [Image.fromarray(np.roll(corners(), 10 * number, axis=1)) for number in range(3)]


def secretive_gif(path: Path) -> Path:
    first, *rest = frames()
    first.save(path, "GIF", save_all=True, append_images=rest, duration=60, comment=SECRET)
    data = path.read_bytes()
    xmp = b"!\xff\x0bXMP DataXMP" + XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    path.write_bytes(data[:-1] + xmp + b";" + SECRET)
    return path


def secretive_animated_webp(path: Path) -> Path:
    first, *rest = frames()
    options: dict[str, Any] = {"exif": tags(), "xmp": XMP, "icc_profile": profile()}
    first.save(path, "WEBP", save_all=True, append_images=rest, duration=60, **options)
    return path


def secretive_heic(path: Path) -> Path:
    block = Image.Exif()
    block.load(tags())
    return make_heic(path, corners(), exif=block, xmp=XMP, profile=profile())


def secretive_dng(path: Path) -> Path:
    """Shown is its preview, which carries as much as any JPEG."""
    return make_dng(path, preview=secretive_jpeg(path.with_suffix(".jpg")).read_bytes())


MAKERS = [
    secretive_jpeg,
    secretive_png,
    secretive_webp,
    secretive_avif,
    secretive_tiff,
    secretive_gif,
    secretive_animated_webp,
    secretive_heic,
    secretive_dng,
]


def jpeg_parts(data: bytes) -> Iterator[str]:
    """Markers in order; what is behind the end is told as such."""
    assert data[:2] == b"\xff\xd8"
    place = 2
    while data[place + 1] != 0xD9:
        marker, (length,) = data[place + 1], struct.unpack_from(">H", data, place + 2)
        yield f"{marker:x}"
        place += 2 + length
        while marker == 0xDA and (data[place] != 0xFF or data[place + 1] in {0, *range(0xD0, 0xD8)}):
            place += 1
    if data[place + 2 :]:
        yield "behind the end"


def png_parts(data: bytes) -> Iterator[str]:
    place = 8
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        resolution = data[place + 8 : place + 8 + length] if name == b"pHYs" else b""
        yield "told resolution" if resolution not in {b"", PHYS} else name.decode("latin-1")
        place += 12 + length


def webp_parts(data: bytes) -> Iterator[str]:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 != len(data):
        yield "behind the end"
    place = 12
    while place < size + 8:
        name, length = struct.unpack_from("<4sI", data, place)
        yield name.decode("latin-1")
        if name == b"VP8X" and data[place + 8] & 0b101100:
            yield "a flag for metadata"
        place += 8 + length + length % 2


def avif_parts(data: bytes) -> Iterator[str]:
    """The types of its items and what its colours are told by."""
    place = 0
    while (place := data.find(b"infe", place + 1)) > 0:
        yield data[place + 12 : place + 16].decode("latin-1")
    place = 0
    while (place := data.find(b"colr", place + 1)) > 0:
        yield data[place : place + 8].decode("latin-1")


PHYS = struct.pack(">IIB", 1000, 1000, 1)
"""What stands where a resolution must be: the same one pixel per mm for every picture."""
PARTS = {"jpeg": jpeg_parts, "png": png_parts, "webp": webp_parts, "avif": avif_parts}
ALLOWED = {
    "jpeg": {"db", "c0", "c2", "c4", "da", "dd"},
    "png": {"IHDR", "pHYs", "PLTE", "tRNS", "IDAT", "IEND"},
    "webp": {"VP8X", "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF"},
    "avif": {"av01", "colrnclx"},
}


def assert_bare(content: bytes, format_: Format) -> None:
    assert SECRET not in content
    assert SECRET.decode().encode("utf-16-le") not in content
    assert set(PARTS[format_](content)) <= ALLOWED[format_]
    with Image.open(io.BytesIO(content)) as image:
        assert dict(image.getexif()) == {}
        assert not {"icc_profile", "xmp", "exif", "comment", "photoshop"} & set(image.info)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_nothing_leaves(tmp_path: Path, maker: Any, format_: Format) -> None:
    path = maker(tmp_path / "source")
    assert SECRET in path.read_bytes()
    recipes = [Recipe(60, 60, 80, format_), Recipe(None, None, 95, format_)]
    made = dict(transform.generate(path, sniff_path(path).mime, recipes, PixelLimits(), rotation=90))
    for content in made.values():
        assert_bare(content, format_)
    moves = maker in {secretive_gif, secretive_animated_webp} and format_ == "webp"
    with Image.open(io.BytesIO(made[recipes[1]])) as image:
        assert (image.size, getattr(image, "n_frames", 1)) == ((80, 120), 3 if moves else 1)


SHARED = [
    "exif/gps_ne_berlin.jpg",
    "exif/london_progressive.jpg",
    "exif/face_regions_mwg.jpg",
    "exif/picasa.jpg",
    "exif/tokyo_gps.jpg",
    "color/p3_gainmap.jpg",
    "color/iphone_display_p3.jpg",
    "color/iphonexs_display_p3.avif",
    "formats/avif_exif.avif",
    "formats/denali.webp",
    "formats/motionphoto_pixel.jpg",
    "formats/png_exif_in_ztxt.png",
    "corrupt/polyglot_jpeg_html.jpg",
    "orientation/jockey_o6.tif",
]


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED)
def test_nothing_leaves_shared_pictures(shared_media: Path, name: str) -> None:
    path = shared_media / name
    recipes = [Recipe(100, 100, 80, format_) for format_ in FORMATS]
    for recipe, content in transform.generate(path, sniff_path(path).mime, recipes, PixelLimits()):
        assert_bare(content, recipe.format)
        assert b"<html" not in content
