"""The decoders beside libvips: right way up exactly once, in sRGB, within limits, honest about what is missing."""

import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media.errors import DamagedFileError, MediaError, TooLargeError, UnsupportedTypeError
from media.images import fallback, previews, transform
from media.images.decoded import Box
from media.sniffing import sniff_path
from media.tools import ffmpeg, heif, magick, raw, vips
from media.tools.enclosure import Bitmap
from media.tools.raw import Embedded, RawHeader
from media.tools.vips import PixelLimits
from tests.makers import Pixels, corners, exif_of, make_image, stored_for
from tests.rare_makers import (
    UNREADABLE,
    UPRIGHT,
    as_rgb,
    jpeg_of,
    make_dng,
    make_heic,
    make_icon_with_bomb,
    make_jxl,
    make_pdf,
    make_psd,
    quarters,
)

LARGE, BOX = corners(480, 320), Box(200, 200)
QUARTERS = (1, 3, 6, 8)


def decoded(path: Path, box: Box = BOX, **limits: Any) -> Any:
    return transform.decode(path, sniff_path(path).mime, box, PixelLimits(**limits)).image


def p3_of(pixels: Pixels) -> tuple[Pixels, bytes]:
    """The same colours as numbers of Display P3, and that profile."""
    image = vips.from_pixels(pixels.tobytes(), pixels.shape[1], pixels.shape[0], 3)
    wide = image.icc_transform("p3", input_profile="srgb")
    return as_rgb(wide), wide.get("icc-profile-data")


def adobe_as_srgb(color: tuple[int, int, int]) -> Pixels:
    """By the matrices of both standards (both are of D65)."""
    light = (np.array(color) / 255) ** 2.19921875
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = np.clip(to_srgb @ to_xyz @ light, 0, 1)
    told = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    shown: Pixels = (told * 255).round().astype(np.uint8)
    return shown


class TestRaw:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("tagged", [False, True])
    def test_a_preview_that_lies_like_the_sensor_is_turned_once(
        self, tmp_path: Path, orientation: int, tagged: bool
    ) -> None:
        preview = jpeg_of(stored_for(orientation, LARGE), orientation=orientation if tagged else None)
        image = decoded(make_dng(tmp_path / "a.dng", orientation=orientation, preview=preview))
        assert (image.width, image.height) == (200, 133)
        assert quarters(image) == UPRIGHT

    @pytest.mark.parametrize("orientation", [6, 8])
    @pytest.mark.parametrize("tag", [None, 1, 6, 8])
    def test_a_preview_that_is_upright_already_is_not_turned_again(
        self, tmp_path: Path, orientation: int, tag: int | None
    ) -> None:
        tall = corners(320, 480)
        path = make_dng(
            tmp_path / "a.dng",
            corners(80, 120),
            orientation=orientation,
            preview=jpeg_of(tall, orientation=tag),
        )
        image = decoded(path)
        assert (image.width, image.height) == (133, 200)
        assert quarters(image) == UPRIGHT

    def test_a_tag_that_says_upright_does_not_outweigh_the_shape(self, tmp_path: Path) -> None:
        preview = jpeg_of(stored_for(6, LARGE), orientation=1)
        assert quarters(decoded(make_dng(tmp_path / "a.dng", orientation=6, preview=preview))) == UPRIGHT

    def test_of_half_a_turn_the_tag_of_the_preview_is_believed(self, tmp_path: Path) -> None:
        upright = jpeg_of(LARGE, orientation=1)
        assert quarters(decoded(make_dng(tmp_path / "a.dng", orientation=3, preview=upright))) == UPRIGHT

    @pytest.mark.parametrize("orientation", QUARTERS)
    def test_without_a_preview_the_sensor_is_developed_and_turned_once(
        self, tmp_path: Path, orientation: int
    ) -> None:
        image = decoded(make_dng(tmp_path / "a.dng", LARGE, orientation=orientation))
        assert (image.width, image.height) == (200, 133)
        assert quarters(image) == UPRIGHT

    def test_a_preview_too_small_for_the_box_is_not_blown_up(self, tmp_path: Path) -> None:
        grey = np.full((60, 90, 3), 90, dtype=np.uint8)
        path = make_dng(tmp_path / "a.dng", LARGE, preview=jpeg_of(grey))
        assert quarters(decoded(path, Box(200, 200))) == UPRIGHT
        assert as_rgb(decoded(path, Box(90, 90))).mean() == pytest.approx(90, abs=3)

    @pytest.mark.parametrize(("side", "width"), [(480, 480), (240, 240), (100, 240)])
    def test_developing_at_half_size_where_that_is_enough(
        self, tmp_path: Path, side: int, width: int
    ) -> None:
        path = make_dng(tmp_path / "a.dng", LARGE)
        assert fallback.decode(path, "image/x-adobe-dng", Box(side, side), PixelLimits()).width == width

    def test_a_compression_that_cannot_be_read_shows_the_preview_however_small(self, tmp_path: Path) -> None:
        preview = jpeg_of(corners(90, 60))
        path = make_dng(tmp_path / "a.dng", LARGE, preview=preview, compression=UNREADABLE)
        image = decoded(path)
        assert (image.width, quarters(image)) == (90, UPRIGHT)
        bare = make_dng(tmp_path / "b.dng", LARGE, compression=UNREADABLE)
        with pytest.raises(UnsupportedTypeError, match="Convert it") as caught:
            decoded(bare)
        assert caught.value.code == "decoder_missing"

    def test_a_preview_in_another_colour_space_becomes_srgb(self, tmp_path: Path) -> None:
        flat = np.full((320, 480, 3), (217, 42, 24), dtype=np.uint8)
        wide, profile = p3_of(flat)
        assert abs(int(wide[0, 0, 0]) - 217) > 10
        path = make_dng(tmp_path / "a.dng", preview=jpeg_of(wide, profile=profile))
        assert np.abs(as_rgb(decoded(path))[60, 100].astype(int) - (217, 42, 24)).max() < 6

    def test_adobe_rgb_that_is_only_told_by_a_tag_becomes_srgb(self, tmp_path: Path) -> None:
        tags = exif_of(main={0x0112: 1})
        tags.get_ifd(0x8769)[0xA005] = {1: "R03"}
        flat = np.full((320, 480, 3), (200, 60, 40), dtype=np.uint8)
        adobe = make_image(tmp_path / "a.jpg", flat, exif=tags, subsampling=0).read_bytes()
        plain = make_image(tmp_path / "b.jpg", flat, subsampling=0).read_bytes()
        shown, same = (
            as_rgb(decoded(make_dng(tmp_path / f"{number}.dng", preview=jpeg)))[60, 100].astype(int)
            for number, jpeg in enumerate((adobe, plain))
        )
        assert np.abs(same - (200, 60, 40)).max() < 4
        assert np.abs(shown - adobe_as_srgb((200, 60, 40))).max() < 4
        assert shown[0] > same[0] + 15

    def test_a_bomb_is_refused_by_its_header(self, tmp_path: Path) -> None:
        path = make_dng(tmp_path / "a.dng", claims=(60_000, 60_000))
        began = time.monotonic()
        with pytest.raises(TooLargeError, match="megapixels"):
            decoded(path)
        assert time.monotonic() - began < 3

    def test_a_limit_is_on_what_is_decoded(self, tmp_path: Path) -> None:
        path = make_dng(tmp_path / "a.dng", LARGE, preview=jpeg_of(corners(240, 160)))
        assert decoded(path, megapixels=0.05).width == 200
        with pytest.raises(TooLargeError):
            decoded(make_dng(tmp_path / "b.dng", LARGE), megapixels=0.05)
        too_large_a_preview = make_dng(tmp_path / "c.dng", corners(120, 80), preview=jpeg_of(LARGE))
        assert decoded(too_large_a_preview, megapixels=0.05).width == 120

    def test_a_damaged_preview_is_passed_over(self, tmp_path: Path) -> None:
        preview = jpeg_of(LARGE)
        path = make_dng(tmp_path / "a.dng", LARGE, preview=preview[:700] + b"\0" * (len(preview) - 700))
        assert quarters(decoded(path)) == UPRIGHT

    def test_a_cut_file_is_damaged(self, tmp_path: Path) -> None:
        whole = make_dng(tmp_path / "a.dng", LARGE).read_bytes()
        (tmp_path / "cut.dng").write_bytes(whole[:300])
        with pytest.raises((DamagedFileError, UnsupportedTypeError)):
            decoded(tmp_path / "cut.dng")

    def test_pixels_beside_the_sensor_are_a_preview_too(self) -> None:
        header = RawHeader(120, 80, 6, 120, 80)
        pixels = stored_for(6, corners(80, 120))
        found = previews.find(
            Embedded(header, Bitmap(memoryview(pixels.tobytes()), 120, 80, 3)), PixelLimits()
        )
        assert found is not None
        assert quarters(previews.load(found, BOX, vips.FOREVER)) == UPRIGHT
        assert previews.find(Embedded(header, Bitmap(memoryview(b"x"), 1, 1, 1)), PixelLimits()) is None

    def test_a_square_sensor_goes_by_the_tag(self) -> None:
        square = RawHeader(100, 100, 6, 100, 100)
        assert previews.orientation_of(square, 50, 50, 1) == 1
        assert previews.orientation_of(square, 50, 50, None) == 6


class TestHeic:
    def test_a_picture(self, tmp_path: Path) -> None:
        image = decoded(make_heic(tmp_path / "a.heic"))
        assert (image.width, image.height, quarters(image)) == (128, 96, UPRIGHT)

    def test_it_is_turned_by_its_own_boxes_once(self, tmp_path: Path) -> None:
        image = decoded(make_heic(tmp_path / "a.heic", stored_for(6, corners(96, 128)), turns=3))
        assert (image.width, image.height, quarters(image)) == (96, 128, UPRIGHT)

    def test_its_profile_leads_to_srgb(self, tmp_path: Path) -> None:
        wide, profile = p3_of(np.full((96, 128, 3), (217, 42, 24), dtype=np.uint8))
        image = decoded(make_heic(tmp_path / "a.heic", wide, profile=profile))
        assert np.abs(as_rgb(image)[48, 64].astype(int) - (217, 42, 24)).max() < 12

    def test_many_items_are_read_and_too_many_are_not(self, tmp_path: Path) -> None:
        assert quarters(decoded(make_heic(tmp_path / "a.heic", hidden_items=1500))) == UPRIGHT
        with pytest.raises(MediaError):
            decoded(make_heic(tmp_path / "b.heic", hidden_items=heif.MOST_ITEMS + 1))

    def test_a_cut_one_is_refused(self, tmp_path: Path) -> None:
        whole = make_heic(tmp_path / "a.heic").read_bytes()
        (tmp_path / "cut.heic").write_bytes(whole[:-40])
        with pytest.raises(DamagedFileError, match="cut off"):
            decoded(tmp_path / "cut.heic")

    def test_limits_count(self, tmp_path: Path) -> None:
        with pytest.raises(TooLargeError):
            decoded(make_heic(tmp_path / "a.heic"), megapixels=0.01)


class TestPhotoshop:
    def test_colours_and_grey(self, tmp_path: Path) -> None:
        planes = [corners(60, 40)[:, :, band] for band in range(3)]
        assert (as_rgb(decoded(make_psd(tmp_path / "a.psd", planes))) == corners(60, 40)).all()
        grey = as_rgb(decoded(make_psd(tmp_path / "g.psd", planes[:1], mode=1)))
        assert (grey == planes[0][:, :, None]).all()

    def test_ink(self, tmp_path: Path) -> None:
        with Image.fromarray(corners(60, 40)).convert("CMYK") as image:
            planes = [255 - np.asarray(band) for band in image.split()]
        assert quarters(decoded(make_psd(tmp_path / "a.psd", planes, mode=4))) == UPRIGHT

    def test_lab(self, tmp_path: Path) -> None:
        planes = [np.full((40, 60), value, dtype=np.uint8) for value in (138, 208, 195)]
        shown = as_rgb(decoded(make_psd(tmp_path / "a.psd", planes, mode=9)))[5, 5].astype(int)
        assert np.abs(shown - (251, 9, 11)).max() < 4

    def test_a_bomb_is_refused_by_its_header(self, tmp_path: Path) -> None:
        planes = [corners(60, 40)[:, :, band] for band in range(3)]
        with pytest.raises(TooLargeError):
            decoded(make_psd(tmp_path / "a.psd", planes, claims=(30_000, 30_000)))

        with pytest.raises(TooLargeError):
            decoded(make_psd(tmp_path / "b.psd", planes, bits=16, claims=(30_000, 30_000)))

    @pytest.mark.parametrize(("bits", "version"), [(16, 1), (8, 2)])
    def test_deep_and_large_documents_need_imagemagick(self, tmp_path: Path, bits: int, version: int) -> None:
        scale = 257 if bits == 16 else 1
        planes = [corners(60, 40)[:, :, band].astype(np.uint16) * scale for band in range(3)]
        shown_or_told(make_psd(tmp_path / "a.psd", planes, bits=bits, version=version))


class TestIcons:
    def test_the_largest_picture_is_taken(self, tmp_path: Path) -> None:
        make_image(tmp_path / "a.ico", size=(128, 128), sizes=[(16, 16), (128, 128), (32, 32)])
        image = decoded(tmp_path / "a.ico")
        assert (image.width, quarters(image)) == (128, UPRIGHT)
        make_image(tmp_path / "a.icns", size=(256, 256))
        assert quarters(decoded(tmp_path / "a.icns")) == UPRIGHT

    def test_a_bomb_inside_is_found_before_it_is_opened(self, tmp_path: Path) -> None:
        with pytest.raises(TooLargeError, match="30000"):
            decoded(make_icon_with_bomb(tmp_path / "a.ico", 30_000, 30_000))
        png = (tmp_path / "a.png").read_bytes()
        part = b"ic07" + struct.pack(">I", 8 + len(png)) + png
        (tmp_path / "a.icns").write_bytes(b"icns" + struct.pack(">I", 8 + len(part)) + part)
        with pytest.raises(TooLargeError, match="30000"):
            decoded(tmp_path / "a.icns")


@pytest.mark.parametrize("suffix", ["bmp", "jp2", "ppm", "pcx", "qoi"])
def test_what_pillow_reads(tmp_path: Path, suffix: str) -> None:
    image = decoded(make_image(tmp_path / f"a.{suffix}", size=(64, 64)))
    assert (image.width, quarters(image)) == (64, UPRIGHT)


@pytest.mark.parametrize("suffix", ["jp2", "pgm"])
def test_sixteen_bits_of_grey_keep_their_brightness(tmp_path: Path, suffix: str) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (32, 1))
    Image.fromarray(ramp).save(tmp_path / f"a.{suffix}")
    pixels = as_rgb(decoded(tmp_path / f"a.{suffix}", Box(300, 300)))
    assert np.abs(pixels[16, :, 0].astype(int) - np.arange(256)).max() <= 2


class TestJpegXl:
    def test_a_picture_and_its_alpha(self, tmp_path: Path) -> None:
        rgba = np.dstack((corners(60, 40), np.full((40, 60), 128, dtype=np.uint8)))
        image = decoded(make_jxl(tmp_path / "a.jxl", make_image(tmp_path / "a.png", rgba, mode="RGBA")))
        assert (image.width, image.height, image.bands, quarters(image)) == (60, 40, 4, UPRIGHT)
        assert image(5, 5)[3] == 128

    @pytest.mark.parametrize("lossless", [True, False])
    def test_wide_colours_become_srgb(self, tmp_path: Path, lossless: bool) -> None:
        wide, profile = p3_of(np.full((64, 64, 3), (217, 42, 24), dtype=np.uint8))
        source = make_image(tmp_path / "a.png", wide, icc_profile=profile)
        image = decoded(make_jxl(tmp_path / "a.jxl", source, lossless=lossless))
        assert np.abs(as_rgb(image)[30, 30].astype(int) - (217, 42, 24)).max() < 6

    @pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
    def test_hdr_is_as_bright_as_its_sdr_original(self, tmp_path: Path, transfer: str) -> None:
        """SDR white at 203 nits, as in films. Left to itself the tone mapping is 30 of 255 too dark."""
        shades = np.repeat(np.linspace(40, 235, 8).astype(np.uint8), 16)
        pixels = np.repeat(np.tile(shades, (32, 1))[..., None], 3, axis=2)
        (tmp_path / "a.rgb").write_bytes(pixels.tobytes())
        told = "setparams=color_primaries=bt709:color_trc=iec61966-2-1:colorspace=gbr:range=pc,format=gbrp"
        coded = f"zscale=t={transfer}:p=bt2020:npl=203,format=rgb48le"
        tags = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=gbr:range=pc"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "128x32", "-i", f"file:{tmp_path / 'a.rgb'}"]
        encode = ["-frames:v", "1", "-c:v", "libjxl", "-distance", "0.3", "-f", "image2", "-update", "1"]
        ffmpeg.run([*source, "-vf", f"{told},{coded},{tags}", *encode, tmp_path / "a.jxl"], timeout=60)
        found = as_rgb(decoded(tmp_path / "a.jxl")).astype(int)
        assert np.abs(found - pixels).mean() < 10

    def test_grey_of_sixteen_bits(self, tmp_path: Path) -> None:
        ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (32, 1))
        source = make_image(tmp_path / "a.png", ramp, mode="I;16")
        image = as_rgb(decoded(make_jxl(tmp_path / "a.jxl", source), Box(300, 300)))
        assert np.abs(image[16, :, 0].astype(int) - np.arange(256)).max() <= 2

    def test_damage_and_bombs(self, tmp_path: Path) -> None:
        whole = make_jxl(tmp_path / "a.jxl", make_image(tmp_path / "a.png", size=(300, 200))).read_bytes()
        (tmp_path / "cut.jxl").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DamagedFileError):
            decoded(tmp_path / "cut.jxl")
        # A size header of the long kind: 30 bits of height and width, all set, so over the limit by far.
        (tmp_path / "bomb.jxl").write_bytes(b"\xff\x0a" + b"\xfe" + b"\xff" * 9 + whole[12:])
        with pytest.raises((TooLargeError, DamagedFileError)):
            decoded(tmp_path / "bomb.jxl")
        with pytest.raises(TooLargeError):
            decoded(tmp_path / "a.jxl", megapixels=0.05)


class TestPdf:
    def test_the_first_page_on_white_paper_at_the_size_that_is_wanted(self, tmp_path: Path) -> None:
        path = make_pdf(tmp_path / "a.pdf")
        for side in (100, 640):
            image = decoded(path, Box(side, side))
            assert (image.width, image.height, image.bands) == (side, side // 2, 3)
        assert image(100, 100) == [255, 0, 0]
        assert image(500, 100) == [255, 255, 255]

    def test_never_larger_than_a_scan_and_never_above_the_limit(self, tmp_path: Path) -> None:
        assert decoded(make_pdf(tmp_path / "a.pdf"), Box(5000, 5000)).width == pytest.approx(
            200 / 72 * 300, abs=1
        )
        wide = make_pdf(tmp_path / "b.pdf", size=(14_000, 7_000))
        assert decoded(wide, Box(300, 300)).width == 300
        with pytest.raises(TooLargeError):
            decoded(wide, Box(100_000, 100_000), megapixels=10)

    def test_a_turned_page(self, tmp_path: Path) -> None:
        image = decoded(make_pdf(tmp_path / "a.pdf", rotate=90))
        assert (image.width, image.height) == (100, 200)
        assert (image(50, 20), image(50, 180)) == ([255, 0, 0], [255, 255, 255])

    def test_a_page_that_is_nearly_a_line(self, tmp_path: Path) -> None:
        image = decoded(make_pdf(tmp_path / "a.pdf", size=(5000, 1)))
        assert (image.width, image.height) == (200, 1)

    def test_a_password_is_told(self, tmp_path: Path) -> None:
        plain = make_pdf(tmp_path / "a.pdf").read_bytes()
        encryption = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]" % (
            b"11" * 32,
            b"22" * 32,
        )
        (tmp_path / "b.pdf").write_bytes(plain.replace(b"/Root 1 0 R", b"/Root 1 0 R " + encryption))
        with pytest.raises(DamagedFileError, match="password") as caught:
            decoded(tmp_path / "b.pdf")
        assert caught.value.code == "password_needed"

    @pytest.mark.parametrize("rest", [b"", b"\n%%EOF", b"\n1 0 obj\n<< /Type /Catalog >>\nendobj"])
    def test_nothing_in_it(self, tmp_path: Path, rest: bytes) -> None:
        (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7" + rest)
        with pytest.raises(DamagedFileError):
            decoded(tmp_path / "a.pdf")


def shown_or_told(path: Path) -> None:
    """Pictures that only ImageMagick reads: there they come out, elsewhere the reason is told."""
    if magick.is_here():
        assert quarters(decoded(path)) == UPRIGHT
        return
    with pytest.raises(UnsupportedTypeError, match="Convert it") as caught:
        decoded(path)
    assert caught.value.code == "decoder_missing"


def test_what_only_imagemagick_reads(tmp_path: Path) -> None:
    path = magick_sample(tmp_path / "a.hdr")
    shown_or_told(path)
    with pytest.raises((TooLargeError, UnsupportedTypeError)):
        decoded(path, megapixels=0.001)


def magick_sample(path: Path) -> Path:
    source = make_image(path.with_suffix(".png"))
    ffmpeg.run(["-i", source, "-frames:v", "1", "-c:v", "hdr", "-update", "1", path], timeout=30)
    return path


def test_what_comes_out_is_fit_for_every_encoder(tmp_path: Path) -> None:
    for path in (
        make_dng(tmp_path / "a.dng"),
        make_heic(tmp_path / "a.heic"),
        make_pdf(tmp_path / "a.pdf"),
        make_jxl(tmp_path / "a.jxl", make_image(tmp_path / "a.png", mode="L")),
    ):
        image = decoded(path, Box(50, 50))
        assert (image.format, image.interpretation, image.bands) == ("uchar", "srgb", 3)
        assert max(image.width, image.height) == 50


def test_no_time_left_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"took longer|takes longer"):
        fallback.decode(
            make_dng(tmp_path / "a.dng"), "image/x-adobe-dng", BOX, PixelLimits(), time.monotonic()
        )


def test_the_header_speaks_of_the_sensor(tmp_path: Path) -> None:
    header = raw.open_header(
        make_dng(tmp_path / "a.dng", LARGE, orientation=6, preview=jpeg_of(corners(60, 40)))
    )
    assert (header.width, header.height, header.orientation, header.displayed) == (320, 480, 6, (480, 320))
