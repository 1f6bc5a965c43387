import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from media.errors import DamagedFileError, TooLargeError, UnsupportedTypeError
from media.images import fallback, recipes, transform
from media.images.recipes import Format
from media.images.transform import Box
from media.sniffing import sniff_path
from media.tools import vips
from media.tools.vips import PixelLimits
from tests.makers import Pixels, corners, exif_of, make_image, make_png, pixels_of, stored_for

BOX = Box(200, 200)


def decoded(path: Path, box: Box = BOX) -> transform.Decoded:
    return transform.decode(path, sniff_path(path).mime, box, PixelLimits())


def array_of(image: Any) -> Pixels:
    return np.frombuffer(vips.pixels_of(image), dtype=np.uint8).reshape(
        image.height, image.width, image.bands
    )


def difference(left: Pixels, right: Pixels) -> float:
    assert left.shape == right.shape
    return float(np.abs(left.astype(int) - right.astype(int)).mean())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = corners(120, 80)
    tags = exif_of(main={0x0112: orientation})
    path = make_image(tmp_path / f"a.{suffix}", stored_for(orientation, upright), exif=tags)
    found = decoded(path)
    assert found.size == (120, 80)
    assert difference(array_of(found.image), upright) < 4
    assert not found.partial


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((400, 200), Box(100, 100), (100, 50)),
        ((200, 400), Box(100, 100), (50, 100)),
        ((40, 20), Box(100, 100), (40, 20)),
        ((940, 2), Box(480, 480), (480, 1)),
        ((3, 900), Box(100, 100), (1, 100)),
        ((1, 1), Box(100, 100), (1, 1)),
    ],
)
def test_fits_inside_and_never_grows(
    tmp_path: Path, size: tuple[int, int], box: Box, expected: tuple[int, int]
) -> None:
    assert decoded(make_image(tmp_path / "a.png", size=size), box).size == expected


@pytest.mark.parametrize(
    ("mode", "suffix", "tolerance"),
    [("CMYK", "jpg", 60), ("P", "png", 25), ("RGB", "webp", 6), ("RGB", "avif", 6)],
)
def test_colour_modes_become_srgb(tmp_path: Path, mode: str, suffix: str, tolerance: float) -> None:
    found = decoded(make_image(tmp_path / f"a.{suffix}", mode=mode))
    assert (found.image.bands, found.image.format, found.image.interpretation) == (3, "uchar", "srgb")
    assert difference(array_of(found.image), corners()) < tolerance


def test_cmyk_is_not_inverted(tmp_path: Path) -> None:
    pixels = array_of(decoded(make_image(tmp_path / "a.jpg", mode="CMYK")).image)
    assert pixels[60:, 80:].mean() > 220
    assert pixels[5, 5].argmax() == 0


def test_grey_becomes_three_equal_bands(tmp_path: Path) -> None:
    pixels = array_of(decoded(make_image(tmp_path / "a.jpg", mode="L")).image)
    assert pixels.shape[2] == 3
    assert (pixels[:, :, 0] == pixels[:, :, 2]).all()


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    ramp = (np.tile(np.arange(256, dtype=np.uint16) * 257, (32, 1))).astype(np.uint16)
    pixels = array_of(decoded(make_image(tmp_path / "a.png", ramp, mode="I;16"), Box(300, 300)).image)
    assert np.abs(pixels[16, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_display_p3_is_converted_before_its_profile_is_dropped(tmp_path: Path) -> None:
    patch = np.full((40, 40, 3), (217, 42, 24), dtype=np.uint8)
    wide = vips.from_pixels(patch.tobytes(), 40, 40, 3).icc_transform("p3", input_profile="srgb")
    wide.pngsave(str(tmp_path / "p3.png"))
    stored = pixels_of(tmp_path / "p3.png")[20, 20].astype(int)
    assert np.abs(stored - (200, 60, 40)).max() < 8
    out = array_of(decoded(tmp_path / "p3.png").image)[20, 20].astype(int)
    assert np.abs(out - (217, 42, 24)).max() <= 4


def test_alpha_is_kept_where_the_format_has_it_and_white_where_not(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 4), dtype=np.uint8)
    pixels[:, 10:] = (255, 0, 0, 255)
    image = decoded(make_image(tmp_path / "a.png", pixels, mode="RGBA")).image
    for name in ("webp", "png", "jpeg"):
        transform.encode(image, tmp_path / f"out.{name}", name)
    with Image.open(tmp_path / "out.webp") as webp, Image.open(tmp_path / "out.png") as png:
        assert np.asarray(webp)[5, 2, 3] == 0
        assert np.asarray(png)[5, 2, 3] == 0
    assert pixels_of(tmp_path / "out.jpeg")[10, 2].min() > 245


SECRETS = (b"GPS-SECRET", b"SERIAL-77", b"<html>", b"Exif", b"http://ns.adobe.com")


@pytest.mark.parametrize("format_", ["jpeg", "webp", "avif", "png"])
def test_no_metadata_leaves(tmp_path: Path, format_: Format) -> None:
    tags = exif_of(main={0x010F: "GPS-SECRET"}, exif={0xA431: "SERIAL-77"}, gps={1: "N", 2: (1.0, 2.0, 3.0)})
    path = make_image(
        tmp_path / "a.jpg", exif=tags, comment=b"<html><script>alert(1)</script>", icc_profile=b""
    )
    path.write_bytes(path.read_bytes() + b"<html>trailing</html>")
    assert all(secret in path.read_bytes() for secret in SECRETS[:4])
    image = decoded(path, Box(60, 60)).image
    transform.encode(image, tmp_path / "out", format_)
    out = (tmp_path / "out").read_bytes()
    assert (image.width, image.height) == (60, 40)
    assert not [secret for secret in SECRETS if secret in out]
    assert sniff_path(tmp_path / "out").mime == recipes.CONTENT_TYPES[format_]


def test_jpeg_is_progressive(tmp_path: Path) -> None:
    transform.encode(decoded(make_image(tmp_path / "a.png")).image, tmp_path / "out.jpg", "jpeg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info.get("progressive") == 1


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (30, 20), color) for color in ((250, 0, 0), (0, 250, 0))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50)
    image = transform.flatten(decoded(tmp_path / "a.gif").image)
    assert (image.width, image.height) == (30, 20)
    assert array_of(image)[10, 10].argmax() == 0


def noise(width: int = 200, height: int = 150) -> Pixels:
    return np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif"])
def test_a_cut_picture_gives_its_part_and_says_so(tmp_path: Path, suffix: str) -> None:
    whole = make_image(tmp_path / f"a.{suffix}", noise()).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) * 7 // 10])
    found = decoded(tmp_path / "cut")
    assert found.partial
    assert found.size == (200, 150)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "bmp", "jp2"])
def test_hardly_anything_left_is_an_error(tmp_path: Path, suffix: str) -> None:
    whole = make_image(tmp_path / f"a.{suffix}", noise()).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:400])
    with pytest.raises((DamagedFileError, UnsupportedTypeError)):
        decoded(tmp_path / "cut")


def test_a_bomb_is_refused_by_every_decoder(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError):
        decoded(make_png(tmp_path / "a.png", 30_000, 30_000))
    bitmap = struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54)
    bitmap += struct.pack("<IiiHHIIiiII", 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(bitmap)
    with pytest.raises(TooLargeError):
        decoded(tmp_path / "a.bmp")


def test_limits_are_parameters(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.jpg", size=(120, 80))
    with pytest.raises(TooLargeError):
        transform.decode(path, "image/jpeg", BOX, PixelLimits(megapixels=0.009))
    assert transform.decode(path, "image/jpeg", BOX, PixelLimits(megapixels=0.01)).size == (120, 80)


@pytest.mark.parametrize("suffix", ["bmp", "ico", "jp2", "tga"])
def test_the_fallback_reads_what_libvips_lacks(tmp_path: Path, suffix: str) -> None:
    path = make_image(tmp_path / f"a.{suffix}", size=(64, 64))
    mime = "image/x-tga" if suffix == "tga" else sniff_path(path).mime
    found = transform.decode(path, mime, Box(32, 32), PixelLimits())
    assert found.size == (32, 32)
    assert difference(array_of(transform.flatten(found.image)), corners(32, 32)) < 12


def test_the_fallback_reads_a_photoshop_document(tmp_path: Path) -> None:
    pixels = corners(30, 20)
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 20, 30, 8, 3)
    planes = b"".join(pixels[:, :, band].tobytes() for band in range(3))
    (tmp_path / "a.psd").write_bytes(head + b"\0" * 12 + b"\0\0" + planes)
    assert (array_of(decoded(tmp_path / "a.psd").image) == pixels).all()


@pytest.mark.parametrize("mime", ["image/svg+xml", "text/html", "application/postscript"])
def test_types_without_a_decoder_are_told(tmp_path: Path, mime: str) -> None:
    path = make_image(tmp_path / "a.jpg")
    with pytest.raises(UnsupportedTypeError, match="no decoder") as caught:
        transform.decode(path, mime, BOX, PixelLimits())
    assert caught.value.code == "decoder_missing"


def test_a_cut_heic_is_noticed_by_its_boxes(tmp_path: Path) -> None:
    boxes = struct.pack(">I4s", 16, b"ftyp") + b"heic\0\0\0\0" + struct.pack(">I4s", 100, b"mdat") + b"x" * 92
    (tmp_path / "whole").write_bytes(boxes)
    (tmp_path / "cut").write_bytes(boxes[:-1])
    (tmp_path / "open").write_bytes(boxes[:16] + struct.pack(">I4s", 0, b"mdat") + b"x" * 10)
    assert fallback.is_whole(tmp_path / "whole")
    assert fallback.is_whole(tmp_path / "open")
    assert not fallback.is_whole(tmp_path / "cut")


def test_a_text_bomb_does_not_stop_the_picture(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("bomb", "x" * 30_000_000, zip=True)
    assert decoded(make_image(tmp_path / "a.png", pnginfo=text)).size == (120, 80)


def test_lab_is_not_read_through_a_foreign_profile(tmp_path: Path) -> None:
    image = vips.from_pixels(corners(60, 40).tobytes(), 60, 40, 3)
    image.icc_transform("srgb", input_profile="srgb").colourspace("lab").tiffsave(str(tmp_path / "a.tif"))
    header = vips.open_header(tmp_path / "a.tif")
    assert (header.interpretation, bool(header.profile), header.profiled) == ("lab", True, False)
    assert difference(array_of(decoded(tmp_path / "a.tif").image), corners(60, 40)) < 2


@pytest.mark.parametrize("form", ["jpeg", "webp", "png"])
@pytest.mark.parametrize("width", [50, 400])
def test_an_ordinary_photo_streams_into_the_same_bytes(tmp_path: Path, form: Format, width: int) -> None:
    path = make_image(tmp_path / "a.jpg", corners(240, 160))
    recipe = recipes.Recipe(width=width, quality=75, format=form)
    long_way = decoded(path, Box.of(recipe))
    ((_, expected),) = transform.make_all(long_way, [recipe])
    assert transform.stream(path, recipe, PixelLimits()) == expected
    assert list(transform.generate(path, "image/jpeg", [recipe], PixelLimits())) == [(recipe, expected)]


def test_what_is_not_ordinary_takes_the_long_way(tmp_path: Path) -> None:
    recipe = recipes.Recipe(width=50, quality=75)
    whole = make_image(tmp_path / "a.jpg", corners(240, 160))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    turned = make_image(tmp_path / "b.jpg", corners(240, 160), exif=exif_of(main={0x0112: 6}))
    for path, size in ((cut, (50, 33)), (turned, (50, 75))):
        assert transform.stream(path, recipe, PixelLimits()) is None
        ((_, content),) = transform.generate(path, "image/jpeg", [recipe], PixelLimits())
        with Image.open(BytesIO(content)) as image:
            assert image.size == size
