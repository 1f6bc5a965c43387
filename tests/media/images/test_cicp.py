"""AVIF and HEIC that tell their colours by numbers: PQ, HLG and wide SDR come out as the sRGB they were made of."""

import struct
from pathlib import Path

import numpy as np
import pytest

from media.images import cicp, transform
from media.images.cicp import Coding
from media.images.transform import Box
from media.sniffing import sniff_path
from media.tools import ffmpeg, vips
from media.tools.vips import PixelLimits
from tests.makers import Pixels, make_image
from tests.media.images.delta_e import Floats, delta_e
from tests.rare_makers import make_heic

SIZE = (128, 128)


def colors(low: int, high: int) -> Pixels:
    """4 x 4 x 4 colours in patches of 16 pixels."""
    levels = np.linspace(low, high, 4).astype(np.uint8)
    patches = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(8, 8, 3)
    return np.repeat(np.repeat(patches, 16, axis=0), 16, axis=1)


def light_of(srgb: Pixels) -> Floats:
    code = srgb / 255.0
    light: Floats = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return light


def as_pq(light: Floats) -> Floats:
    """The forward curve of SMPTE ST 2084."""
    power: Floats = (np.clip(light, 0, None) * 203 / 10_000) ** 0.1593017578125
    coded: Floats = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    return coded


def as_hlg(light: Floats) -> Floats:
    """From a screen of 1,000 cd/m2 to the scene (gamma 1.2), then the forward curve of ARIB STD-B67."""
    shown = np.clip(light, 0, None) * 203 / 1000
    luminance = np.maximum(shown @ np.array([0.2627, 0.678, 0.0593]), 1e-9)[..., None]
    scene: Floats = shown * luminance ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    coded: Floats = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
    return coded


def as_srgb(light: Floats) -> Floats:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


CURVES = {cicp.PQ: as_pq, cicp.HLG: as_hlg, cicp.SRGB: as_srgb}


def coded(srgb: Pixels, coding: Coding) -> Floats:
    """From 0 to 1."""
    light = light_of(srgb) @ np.linalg.inv(np.array(cicp.TO_BT709[coding.primaries])).T
    codes: Floats = np.clip(CURVES[coding.transfer](light), 0, 1)
    return codes


def make_avif(path: Path, srgb: Pixels, coding: Coding) -> Path:
    """10 bits, full chroma, with the numbers written over those of the encoder."""
    codes = np.round(coded(srgb, coding) * 65_535).astype("<u2")
    path.with_suffix(".rgb").write_bytes(codes.tobytes())
    ffmpeg.run(
        [
            *(
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb48le",
                "-s",
                f"{SIZE[0]}x{SIZE[1]}",
                "-i",
                path.with_suffix(".rgb"),
            ),
            *("-vf", "scale=out_color_matrix=bt709:out_range=pc,format=yuv444p10le"),
            *("-c:v", "libaom-av1", "-crf", "1", "-cpu-used", "8", "-still-picture", "1"),
            *("-colorspace", "bt709", "-color_range", "pc", "-f", "avif", path),
        ],
        timeout=60,
    )
    data = bytearray(path.read_bytes())
    place = data.index(b"colrnclx") + 8
    data[place : place + 7] = struct.pack(">HHHB", coding.primaries, coding.transfer, 1, 0x80)
    path.write_bytes(data)
    return path


def decoded(path: Path) -> Pixels:
    image = transform.decode(path, sniff_path(path).mime, Box(2000, 2000), PixelLimits()).image
    return np.frombuffer(vips.pixels_of(image), dtype=np.uint8).reshape(
        image.height, image.width, image.bands
    )


@pytest.mark.parametrize("primaries", [cicp.BT2020, cicp.P3])
@pytest.mark.parametrize("transfer", [cicp.PQ, cicp.HLG, cicp.SRGB])
def test_colours_below_paper_white_are_those_they_were_made_of(
    tmp_path: Path, primaries: int, transfer: int
) -> None:
    srgb = colors(50, 180)
    path = make_avif(tmp_path / "a.avif", srgb, Coding(primaries, transfer))
    assert cicp.find_coding(path) == Coding(primaries, transfer)
    differences = delta_e(decoded(path), srgb)[8::16, 8::16]
    assert differences.mean() < 1.5
    assert differences.max() < 4
    naive = (
        vips.load_thumbnail(path, 2000, 2000, strict=True, profiled=False).colourspace("srgb").cast("uchar")
    )
    plain = np.frombuffer(vips.pixels_of(naive), dtype=np.uint8).reshape(srgb.shape)
    assert delta_e(plain, srgb).mean() > differences.mean() + 1  # What would be seen without the conversion.


@pytest.mark.parametrize("primaries", [cicp.BT2020, cicp.P3])
@pytest.mark.parametrize("transfer", [cicp.PQ, cicp.HLG, cicp.SRGB])
def test_heic_of_a_camera_that_writes_no_profile(tmp_path: Path, primaries: int, transfer: int) -> None:
    srgb = colors(50, 180)
    pixels = np.round(coded(srgb, Coding(primaries, transfer)) * 255).astype(np.uint8)
    path = make_heic(tmp_path / "a.heic", pixels, coding=(primaries, transfer))
    differences = delta_e(decoded(path), srgb)[8::16, 8::16]
    # Eight bits are few for PQ; colours of 4:2:0 are near.
    assert differences.mean() < 3
    assert delta_e(pixels, srgb).mean() > differences.mean() + 1


def test_numbers_of_srgb_leave_a_heic_as_it_is(tmp_path: Path) -> None:
    srgb = colors(50, 180)
    plain = decoded(make_heic(tmp_path / "a.heic", srgb))
    assert (decoded(make_heic(tmp_path / "b.heic", srgb, coding=(1, cicp.SRGB))) == plain).all()


def test_lights_are_rolled_off_and_stay_in_order() -> None:
    nits = np.array([50.0, 101, 203, 400, 700, 1000, 4000, 10_000])
    codes = np.round(as_pq(nits / 203) * 65_535).astype(np.uint16)
    grey = np.repeat(codes[None, :, None], 3, axis=2)
    [shades] = cicp.converted(grey, Coding(cicp.BT2020, cicp.PQ)).astype(int)
    assert (np.diff(shades[:6, 1]) > 0).all()
    assert (shades.max(axis=1) - shades.min(axis=1)).max() <= 1
    assert shades[0, 1] == pytest.approx(255 * float(as_srgb(np.array(50 / 203))), abs=2)
    assert 200 < shades[2, 1] < 250
    assert (shades[5:] >= 254).all()


def test_hues_stay_where_light_is_rolled_off() -> None:
    light = np.array([[[3.0, 0.3, 0.3]]])
    codes = np.round(as_pq(light) * 65_535).astype(np.uint16)
    [[red]] = cicp.converted(codes, Coding(1, cicp.PQ))
    found = light_of(red)
    assert found[0] / found[1] == pytest.approx(10, rel=0.1)


def test_alpha_is_kept() -> None:
    pixels = np.zeros((300, 4, 4), dtype=np.uint8)
    pixels[..., :3], pixels[..., 3] = 128, np.arange(300)[:, None] % 256
    image = vips.from_pixels(pixels.tobytes(), 4, 300, 4)
    out = cicp.to_srgb(image, Coding(cicp.P3, cicp.SRGB))
    found = np.frombuffer(vips.pixels_of(out), dtype=np.uint8).reshape(pixels.shape)
    assert (found[..., 3] == pixels[..., 3]).all()
    assert np.abs(found[..., :3].astype(int) - 128).max() <= 1


def test_plain_pictures_and_profiles_are_left_alone(tmp_path: Path) -> None:
    assert cicp.find_coding(make_image(tmp_path / "a.avif")) is None
    assert cicp.find_coding(make_image(tmp_path / "a.png")) is None
    (tmp_path / "cut").write_bytes(b"....colrnclx\0")
    assert cicp.find_coding(tmp_path / "cut") is None


@pytest.mark.shared
def test_the_shared_hdr_picture_is_colourful(shared_media: Path) -> None:
    path = shared_media / "color/colors_hdr_p3.avif"
    assert cicp.find_coding(path) == Coding(cicp.P3, cicp.PQ)
    pixels = decoded(path).astype(int)
    red, white = pixels[10, 10], pixels[195, 190]
    assert red[0] > 240
    assert red[1:].max() < 40
    assert white.min() > 230
    assert cicp.find_coding(shared_media / "formats/8bit-sRGB.avif") is None
