"""Every shared picture that libvips reads itself, through the whole transform, against the manifest's answer."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.errors import MediaError
from media.images import transform
from media.images.recipes import FORMATS, Recipe
from media.images.transform import Box
from media.sniffing import sniff_path
from media.tools import vips
from media.tools.vips import PixelLimits
from tests.makers import Pixels, pixels_of
from tests.media.images.delta_e import psnr

pytestmark = pytest.mark.shared

WHOLE = {
    "color/16bit_small.png": (100, 100),
    "color/cmyk_icc_jockey.jpg": (640, 426),
    "color/cmyk_noicc.jpg": (100, 100),
    "color/colors_hdr_p3.avif": (200, 200),
    "color/gray.jpg": (640, 426),
    "color/gray16_gradient.png": (256, 32),
    "color/iphone_display_p3.jpg": (384, 512),
    "color/iphonexs_display_p3.avif": (810, 1080),
    "color/lab.tif": (320, 213),
    "color/onebit.png": (320, 213),
    "color/p3_gainmap.jpg": (403, 302),
    "color/p3_patches.jpg": (512, 128),
    "color/p3_patches.png": (512, 128),
    "color/palette.png": (320, 213),
    "color/rgba_gradient.png": (100, 100),
    "color/weld_16bit.png": (1024, 684),
    "corrupt/940x2.png": (940, 2),
    "corrupt/9643x10328.jpg": (1008, 1080),
    "corrupt/big-height.webp": (13, 169),
    "corrupt/broken-exif-tag.jpg": (1, 1),
    "corrupt/invalid_quantization.jpg": (300, 400),
    "corrupt/jpeg_bitrot.jpg": (640, 426),
    "corrupt/looks-like-svg.webp": (256, 256),
    "corrupt/png_ztxt_bomb_64MB.png": (8, 8),
    "corrupt/polyglot_jpeg_html.jpg": (320, 213),
    "corrupt/single_point.jpg": (156, 42),
    "formats/8bit-sRGB.avif": (1617, 1080),
    "formats/animated.apng": (200, 133),
    "formats/animated.gif": (200, 133),
    "formats/animated.webp": (200, 133),
    "formats/animated_2frames.gif": (100, 100),
    "formats/animated_dispose_background.gif": (192, 168),
    "formats/avif_exif.avif": (403, 302),
    "formats/denali.webp": (600, 315),
    "formats/density_plot.png": (800, 800),
    "formats/motionphoto_pixel.jpg": (810, 1080),
    "formats/no_extension": (320, 213),
    "formats/png_exif_in_ztxt.png": (403, 302),
    "formats/progressive.jpg": (640, 426),
    "formats/quote'and\"amp&.jpg": (320, 213),
    "formats/upper case.JPG": (320, 213),
    "formats/wrong_ext_is_jpeg.png": (320, 213),
    "formats/ünï 日本語 🐎.jpg": (320, 213),
    **{f"orientation/jockey_o{number}.jpg": (640, 426) for number in range(1, 9)},
    **{f"orientation/jockey_o6.{suffix}": (640, 426) for suffix in ("png", "tif", "webp")},
}
PARTS = {
    "corrupt/BlueSquare_truncated.jpg": (360, 216),
    "corrupt/jpeg_cut_25pct.jpg": (640, 426),
    "corrupt/jpeg_cut_50pct.jpg": (640, 426),
    "corrupt/jpeg_cut_90pct.jpg": (640, 426),
    "corrupt/jpeg_cut_99pct.jpg": (640, 426),
    "corrupt/png_cut.png": (320, 213),
    "corrupt/truncated.gif": (575, 800),
    "corrupt/truncated.jpg": (290, 442),
}
REFUSED = {
    "corrupt/16384x16384.png": "too_many_pixels",
    "corrupt/17000x17000.avif": "too_many_pixels",
    "corrupt/avif_cut.avif": "damaged_file",
    "corrupt/bomb_12000x12000_rgb.png": "too_many_pixels",
    "corrupt/bomb_30000x30000_1bit.png": "too_many_pixels",
    "corrupt/empty.jpg": "decoder_missing",
    "corrupt/html_as.jpg": "decoder_missing",
    "corrupt/image_invalid.jpg": "decoder_missing",
    "corrupt/jpeg_cut_2pct.jpg": "damaged_file",
    "corrupt/png_header_lies_2e9.png": "too_many_pixels",
    "corrupt/random.jpg": "decoder_missing",
    "corrupt/svg_billion_laughs.svg": "decoder_missing",
    "corrupt/svg_external_and_script.svg": "decoder_missing",
}
BY_OTHERS = {
    "corrupt/bmp-invalid-bpp.bmp",
    "corrupt/heic_cut.heic",
    "formats/8bit-sRGB.jxl",
    "formats/still_photo_small.heic",
}
"""Not libvips but the fallback decodes these: its tests know them."""
EITHER = {"corrupt/png_bad_crc.png"}


def array_of(decoded: transform.Decoded) -> Pixels:
    pixels = np.frombuffer(vips.pixels_of(decoded.image), dtype=np.uint8)
    return pixels.reshape(decoded.size[1], decoded.size[0], -1)


def decode(path: Path) -> transform.Decoded:
    return transform.decode(path, sniff_path(path).mime, Box(1920, 1080), PixelLimits())


def test_every_shared_picture_has_its_answer(shared_media: Path) -> None:
    folders = ("color", "corrupt", "formats", "orientation")
    there = {f"{folder}/{path.name}" for folder in folders for path in (shared_media / folder).iterdir()}
    assert there == set(WHOLE) | set(PARTS) | set(REFUSED) | BY_OTHERS | EITHER


@pytest.mark.parametrize(("name", "size"), WHOLE.items(), ids=list(WHOLE))
def test_whole_pictures(shared_media: Path, name: str, size: tuple[int, int]) -> None:
    decoded = decode(shared_media / name)
    assert (decoded.size, decoded.partial) == (size, False)
    assert (decoded.image.interpretation, decoded.image.format) == ("srgb", "uchar")
    assert decoded.image.bands in {3, 4}


@pytest.mark.parametrize(("name", "size"), PARTS.items(), ids=list(PARTS))
def test_parts_of_pictures_are_marked(shared_media: Path, name: str, size: tuple[int, int]) -> None:
    decoded = decode(shared_media / name)
    assert (decoded.size, decoded.partial) == (size, True)


@pytest.mark.parametrize(("name", "code"), REFUSED.items(), ids=list(REFUSED))
def test_what_is_refused(shared_media: Path, name: str, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        decode(shared_media / name)
    assert (
        caught.value.code in {code, "unsupported_type"}
        if code == "decoder_missing"
        else caught.value.code == code
    )
    assert not caught.value.retry
    assert caught.value.message.endswith(".")


def test_either_a_picture_or_a_clear_word(shared_media: Path) -> None:
    assert decode(shared_media / "corrupt/png_bad_crc.png").size == (8, 8)


@pytest.mark.parametrize(
    "name",
    [f"jockey_o{number}.jpg" for number in range(1, 9)]
    + ["jockey_o6.png", "jockey_o6.tif", "jockey_o6.webp"],
)
def test_all_orientations_equal_the_upright_picture(shared_media: Path, name: str) -> None:
    upright = array_of(decode(shared_media / "objects/jockey.jpg"))
    assert psnr(array_of(decode(shared_media / "orientation" / name)), upright) > 34


def test_colours_of_the_manifest(shared_media: Path) -> None:
    folder = shared_media / "color"
    jockey = array_of(decode(shared_media / "objects/jockey.jpg"))
    for name in ("cmyk_icc_jockey.jpg", "lab.tif", "palette.png"):
        mean = array_of(decode(folder / name))[..., :3].mean(axis=(0, 1))
        assert np.abs(mean.mean() - jockey.mean()) < 12, name
    luma = jockey[..., :3] @ np.array([0.299, 0.587, 0.114])
    assert abs(array_of(decode(folder / "gray.jpg")).mean() - luma.mean()) < 6
    assert set(np.unique(array_of(decode(folder / "onebit.png")))) == {0, 255}
    ramp = array_of(decode(folder / "gray16_gradient.png"))
    assert np.abs(ramp[16, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert psnr(array_of(decode(folder / "weld_16bit.png")), pixels_of(folder / "weld_16bit.png")) > 45
    assert array_of(decode(folder / "rgba_gradient.png")).shape == (100, 100, 4)
    assert array_of(decode(folder / "cmyk_noicc.jpg")).mean() > 40


def test_a_gradient_of_alpha_is_flattened_on_white(shared_media: Path) -> None:
    path = shared_media / "color/rgba_gradient.png"
    recipes = [Recipe(None, None, 95, format_) for format_ in FORMATS]
    made = dict(transform.generate(path, "image/png", recipes, PixelLimits()))
    flat = {recipe.format: Image.open(io.BytesIO(content)) for recipe, content in made.items()}
    assert {name for name, image in flat.items() if "A" in image.mode} == {"png", "webp", "avif"}
    source = array_of(decode(path)).astype(float)
    white = source[..., :3] * source[..., 3:] / 255 + 255 - source[..., 3:]
    assert np.abs(np.asarray(flat["jpeg"].convert("RGB")) - white).mean() < 5


@pytest.mark.parametrize(
    "name", ["corrupt/940x2.png", "corrupt/single_point.jpg", "corrupt/broken-exif-tag.jpg"]
)
def test_odd_sizes_in_every_format(shared_media: Path, name: str) -> None:
    path = shared_media / name
    recipes = [Recipe(80, 80, 80, format_) for format_ in FORMATS]
    for _, content in transform.generate(path, sniff_path(path).mime, recipes, PixelLimits()):
        with Image.open(io.BytesIO(content)) as image:
            assert 1 <= image.height <= 80
            assert 1 <= image.width <= 80
