"""Colours by CIEDE2000 against LittleCMS through Pillow: what a profile says is what is seen after it is gone."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from media.images import transform
from media.images.transform import Box
from media.probing import probe
from media.sniffing import sniff_path
from media.tools import vips
from media.tools.vips import PixelLimits
from tests.makers import Pixels, exif_of, make_image, pixels_of
from tests.media.images.delta_e import ciede2000, delta_e

BOX = Box(2000, 2000)
WIDE = {"adobe": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))}
"""Primaries of Adobe RGB (1998), adapted to D50."""


def profile_of(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 with a matrix or a curve."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
    } | tags
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4xI4s4s4s", offset + len(body), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + xyz(0.9642, 1.0, 0.8249)[8:]
    return head.ljust(128, b"\0") + table + body


def xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in (x, y, z)))


def gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256)) + bytes(2)


def rgb_profile(name: str) -> bytes:
    if name not in WIDE:
        return bytes(pyvips.Image.profile_load(name))
    curves = {place: gamma(563 / 256) for place in (b"rTRC", b"gTRC", b"bTRC")}
    points = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (xyz(*point) for point in WIDE[name]), strict=True))
    return profile_of(b"RGB ", points | curves)


def colors() -> Pixels:
    """6 x 6 x 6 colours in patches of 8 pixels, none of them at the very edge of what a space can hold."""
    levels = np.linspace(30, 220, 6).astype(np.uint8)
    red, green, blue = np.meshgrid(levels, levels, levels, indexing="ij")
    patches = np.stack((red, green, blue), axis=-1).reshape(12, 18, 3)
    return np.repeat(np.repeat(patches, 8, axis=0), 8, axis=1)


def decoded(path: Path) -> Pixels:
    image = transform.decode(path, sniff_path(path).mime, BOX, PixelLimits()).image
    pixels = np.frombuffer(vips.pixels_of(image), dtype=np.uint8)
    return pixels.reshape(image.height, image.width, image.bands)


def reference(image: Image.Image, profile: bytes) -> Pixels:
    """The same conversion by another program: LittleCMS, relative colorimetric."""
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert converted is not None
    return np.asarray(converted)


def centres(pixels: Pixels) -> Pixels:
    """The middle of every patch: what a JPEG does at edges is no matter of colour."""
    return pixels[4::8, 4::8]


def test_the_formula_gives_the_published_values() -> None:
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ]
    for left, right, expected in pairs:
        assert float(ciede2000(np.array(left), np.array(right))) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("profile", ["p3", "adobe", "srgb"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
def test_wide_rgb(tmp_path: Path, profile: str, suffix: str) -> None:
    icc = rgb_profile(profile)
    exact: dict[str, dict[str, Any]] = {
        "jpg": {"quality": 100, "subsampling": 0},
        "webp": {"lossless": True},
        "avif": {"quality": 100, "subsampling": "4:4:4"},
    }
    path = make_image(tmp_path / f"a.{suffix}", colors(), icc_profile=icc, **exact.get(suffix, {}))
    found, expected = centres(decoded(path)), centres(reference(Image.fromarray(colors()), icc))
    differences = delta_e(found, expected)
    assert differences.mean() < 1
    assert differences.max() < 3
    if profile != "srgb":
        assert delta_e(centres(colors()), expected).mean() > 2  # The profile matters in this test.


def told_by_a_tag() -> Image.Exif:
    """As cameras write Adobe RGB: the colours are not those of sRGB, and the index of DCF is R03."""
    return exif_of(main={0x010F: "TestCam"}, exif={0xA001: 0xFFFF, 0xA005: {1: "R03", 2: b"0100"}})


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_adobe_rgb_that_only_a_tag_tells(tmp_path: Path, suffix: str) -> None:
    exact: dict[str, dict[str, Any]] = {
        "jpg": {"quality": 100, "subsampling": 0},
        "webp": {"lossless": True},
    }
    path = make_image(tmp_path / f"a.{suffix}", colors(), exif=told_by_a_tag(), **exact.get(suffix, {}))
    expected = centres(reference(Image.fromarray(colors()), rgb_profile("adobe")))
    differences = delta_e(centres(decoded(path)), expected)
    assert differences.mean() < 1
    assert differences.max() < 3
    assert probe(path, sniff_path(path)).color_profile == "Adobe RGB (1998)"


def test_a_profile_is_believed_before_the_tag(tmp_path: Path) -> None:
    icc = rgb_profile("p3")
    path = make_image(tmp_path / "a.png", colors(), exif=told_by_a_tag(), icc_profile=icc)
    assert delta_e(centres(decoded(path)), centres(reference(Image.fromarray(colors()), icc))).max() < 3
    grey = make_image(tmp_path / "b.jpg", colors(), mode="L", exif=told_by_a_tag())
    plain = make_image(tmp_path / "c.jpg", colors(), mode="L")
    assert (decoded(grey) == decoded(plain)).all()


@pytest.mark.parametrize("profile", ["p3", "adobe"])
def test_wide_rgb_of_16_bits(tmp_path: Path, profile: str) -> None:
    icc = rgb_profile(profile)
    image = vips.from_pixels(colors().tobytes(), 144, 96, 3)
    deep = (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    deep.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    for suffix in ("png", "tif"):
        deep.write_to_file(str(tmp_path / f"a.{suffix}"))
        found = centres(decoded(tmp_path / f"a.{suffix}"))
        assert delta_e(found, centres(reference(Image.fromarray(colors()), icc))).max() < 3


def test_wide_rgb_keeps_its_alpha(tmp_path: Path) -> None:
    alpha = np.tile(np.arange(144, dtype=np.uint8)[None, :, None], (96, 1, 1))
    pixels = np.concatenate((colors(), alpha), axis=2)
    path = make_image(tmp_path / "a.png", pixels, mode="RGBA", icc_profile=rgb_profile("p3"))
    found = decoded(path)
    assert np.abs(found[..., 3].astype(int) - alpha[..., 0]).max() <= 1
    assert delta_e(centres(found), centres(reference(Image.fromarray(colors()), rgb_profile("p3")))).max() < 3


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_through_its_profile(tmp_path: Path, suffix: str) -> None:
    icc = rgb_profile("cmyk")
    inks = Image.fromarray(colors()).convert("CMYK")
    inks.save(tmp_path / f"a.{suffix}", icc_profile=icc, quality=100)
    differences = delta_e(centres(decoded(tmp_path / f"a.{suffix}")), centres(reference(inks, icc)))
    assert differences.mean() < 1.5
    assert differences.max() < 4


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_without_a_profile_is_near_and_not_inverted(tmp_path: Path, suffix: str) -> None:
    path = make_image(tmp_path / f"a.{suffix}", colors(), mode="CMYK")
    found, simple = centres(decoded(path)), centres(colors())
    assert delta_e(found, simple).mean() < 20
    assert np.corrcoef(found.mean(axis=2).ravel(), simple.mean(axis=2).ravel())[0, 1] > 0.9


def test_grey_through_its_curve(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(16, 240, 16, dtype=np.uint8)[None, :], 16, axis=0)
    profile = profile_of(b"GRAY", {b"kTRC": gamma(1.8)})
    linear = (ramp / 255.0) ** 1.8
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    for suffix in ("jpg", "png", "tif"):
        make_image(tmp_path / f"a.{suffix}", ramp, mode="L", icc_profile=profile)
        found = decoded(tmp_path / f"a.{suffix}")
        assert found.shape == (*ramp.shape, 3)
        assert np.abs(found[..., 1].astype(int) - expected).max() < 4


def test_grey_with_alpha(tmp_path: Path) -> None:
    pixels = np.full((20, 20, 2), (90, 128), dtype=np.uint8)
    Image.fromarray(pixels, "LA").save(tmp_path / "a.png")
    assert decoded(tmp_path / "a.png")[10, 10].tolist() == [90, 90, 90, 128]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_and_few_bits(tmp_path: Path, bits: int) -> None:
    image = Image.fromarray(colors()).quantize(2**bits)
    image.save(tmp_path / "a.png", bits=bits)
    assert delta_e(decoded(tmp_path / "a.png"), pixels_of(tmp_path / "a.png")).max() < 0.5


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(colors()).quantize(8)
    image.save(tmp_path / "a.png", transparency=0)
    found = decoded(tmp_path / "a.png")
    assert found.shape[2] == 4
    assert ((found[..., 3] == 0) == (np.asarray(image) == 0)).all()


def test_black_and_white(tmp_path: Path) -> None:
    checks = np.kron(np.indices((6, 9)).sum(axis=0) % 2, np.ones((8, 8))).astype(bool)
    for suffix in ("png", "tif"):
        Image.fromarray(checks).save(tmp_path / f"a.{suffix}")
        assert (decoded(tmp_path / f"a.{suffix}")[..., 0] == checks * 255).all()


def test_lab(tmp_path: Path) -> None:
    image = vips.from_pixels(colors().tobytes(), 144, 96, 3)
    image.colourspace("lab").tiffsave(str(tmp_path / "a.tif"))
    assert delta_e(decoded(tmp_path / "a.tif"), colors()).max() < 2


USELESS = {
    "garbage": b"no profile at all " * 20,
    "cut": rgb_profile("p3")[:200],
    "grey": profile_of(b"GRAY", {b"kTRC": gamma(1.8)}),
    "cmyk": rgb_profile("cmyk"),
    "huge count": rgb_profile("p3")[:128] + b"\xff\xff\xff\xff" + rgb_profile("p3")[132:],
}


@pytest.mark.parametrize("kind", USELESS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_profile_that_cannot_be_used_is_srgb(tmp_path: Path, kind: str, suffix: str) -> None:
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    path = make_image(tmp_path / f"a.{suffix}", colors(), icc_profile=USELESS[kind], **options)
    assert delta_e(centres(decoded(path)), centres(colors())).mean() < 1.5


def test_an_rgb_profile_on_grey_and_on_cmyk_is_passed_over(tmp_path: Path) -> None:
    for mode in ("L", "CMYK"):
        plain = make_image(tmp_path / f"{mode}.tif", colors(), mode=mode)
        wrong = make_image(tmp_path / f"{mode}-p3.tif", colors(), mode=mode, icc_profile=rgb_profile("p3"))
        assert delta_e(decoded(plain), decoded(wrong)).max() < 1


SHARED = [
    "p3_patches.jpg",
    "p3_patches.png",
    "iphone_display_p3.jpg",
    "p3_gainmap.jpg",
    "cmyk_icc_jockey.jpg",
]


@pytest.mark.shared
@pytest.mark.parametrize("name", [*SHARED, "iphonexs_display_p3.avif"])
def test_shared_colours_against_the_reference(shared_media: Path, name: str) -> None:
    path = shared_media / "color" / name
    with Image.open(path) as image:
        profile = image.info["icc_profile"]
        small = image.reduce(4) if image.width > 2000 else image.copy()
    expected = reference(small, profile)
    found = transform.decode(path, sniff_path(path).mime, Box(small.width, small.height), PixelLimits()).image
    pixels = np.frombuffer(vips.pixels_of(found), dtype=np.uint8).reshape(expected.shape)
    differences = delta_e(pixels, expected)
    assert differences.mean() < 1.5
    assert np.percentile(differences, 95) < 4
