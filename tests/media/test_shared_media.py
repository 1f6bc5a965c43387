"""The real media beside the clone against what their manifest says is true."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media.derivers.poster import PosterDeriver
from media.derivers.preview import PreviewDeriver
from media.derivers.waveform import WaveformDeriver
from media.errors import DamagedFileError, MediaError, TooLargeError, UnsupportedTypeError
from media.images import transform
from media.images.transform import Box
from media.probing import Probe, probe
from media.sniffing import sniff_path
from media.tools import vips
from media.tools.vips import PixelLimits
from tests.makers import Pixels, pixels_of
from tests.media.derivers.contexts import derive

pytestmark = pytest.mark.shared

SOUND = [
    ("alac.m4a", "video/mp4", 1.089),
    ("bear_id3_cover.mp3", "audio/mpeg", 2.696),
    ("bear_vbr.mp3", "audio/mpeg", 2.808),
    ("bear_with_picture.flac", "audio/flac", 2.741),
    ("dog_bark_1.ogg", "audio/ogg", 4.62),
    ("dog_bark_2.ogg", "audio/ogg", 4.45),
    ("dog_bark_3.ogg", "audio/ogg", 3.10),
    ("guitar.ogg", "audio/ogg", 22.83),
    ("jfk.flac", "audio/flac", 11.0),
    ("jfk.m4a", "audio/mp4", 11.0),
    ("jfk.mp3", "audio/mpeg", 11.0),
    ("jfk.ogg", "audio/ogg", 11.0),
    ("jfk.opus", "audio/ogg", 11.0),
    ("jfk.wav", "audio/wav", 11.0),
    ("jfk_48k_stereo_24bit.wav", "audio/wav", 11.0),
    ("jfk_8k_ulaw.wav", "audio/wav", 11.0),
    ("jfk_cover.mp3", "audio/mpeg", 11.0),
    ("librispeech_198-209-0000.ogg", "audio/ogg", 13.91),
    ("librispeech_3436-172162-0000.ogg", "audio/ogg", 16.75),
    ("silence_5s.wav", "audio/wav", 5.0),
    ("speech_dog_guitar_22s.flac", "audio/flac", 22.0),
    ("wav_header_lies.wav", "audio/wav", 1.0),
    ("../video/audio_only.mp4", "video/mp4", 1.089),
]

FILMS = [
    ("audio_shorter_than_video.mp4", "video/mp4", (320, 240), 1.2),
    ("av1.mp4", "video/mp4", (320, 180), 2.0),
    ("av1_aac.mp4", "video/mp4", (1080, 720), 1.089),
    ("black_20s.mp4", "video/mp4", (320, 240), 20.0),
    ("chapters.mp4", "video/mp4", (1080, 720), 1.089),
    ("empty_second_video_track.mp4", "video/mp4", (1080, 720), 1.066),
    ("flower.mp4", "video/mp4", (960, 540), 5.055),
    ("flower.webm", "video/webm", (960, 540), 5.059),
    ("fragmented.mp4", "video/mp4", (1080, 720), 1.07),
    ("h264_320x240_60fps_5s.mp4", "video/mp4", (320, 240), 5.019),
    ("h264_aac.flv", "video/x-flv", (1080, 720), 1.136),
    ("h264_aac_51.mp4", "video/mp4", (640, 424), 3.0),
    ("h264_aac_gps.mp4", "video/mp4", (1080, 720), 1.024),
    ("hdr10_hevc.mp4", "video/mp4", (1920, 1080), 1.018),
    ("hdr10_x265_mastering.mp4", "video/mp4", (640, 360), 3.0),
    ("hevc_8k.mp4", "video/mp4", (7680, 4320), 0.34),
    ("hevc_hvc1_aac.mov", "video/quicktime", (640, 360), 3.0),
    ("hevc_rot90_metadata_track.mp4", "video/mp4", (1080, 1920), 0.1),
    ("hlg_hevc_phone.mp4", "video/mp4", (1920, 1080), 0.3),
    ("hlg_x265.mp4", "video/mp4", (640, 360), 3.0),
    ("mkv_h264_ac3_srt.mkv", "video/x-matroska", (1080, 720), 1.234),
    ("mpeg4_mp3.avi", "video/x-msvideo", (960, 400), 4.087),
    ("multi_audio_subs_chapters.mkv", "video/x-matroska", (640, 480), 12.0),
    ("no_audio.mp4", "video/mp4", (1080, 720), 1.001),
    ("no_audio_3s.mp4", "video/mp4", (640, 424), 3.0),
    ("odd_321x241_h264_444.mp4", "video/mp4", (321, 241), 2.0),
    ("odd_321x241_vp9.webm", "video/webm", (321, 241), 2.0),
    ("one_frame.mp4", "video/mp4", (320, 238), 0.04),
    ("pcm_h264.mov", "video/quicktime", (1920, 1080), 2.0),
    ("phone_rot_180.mp4", "video/mp4", (640, 424), 3.0),
    ("phone_rot_minus90_portrait.mp4", "video/mp4", (640, 424), 3.0),
    ("phone_rot_plus90.mp4", "video/mp4", (640, 424), 3.0),
    ("rot270_5s.mp4", "video/mp4", (720, 1280), 4.97),
    ("rotate_and_reflect.mp4", "video/mp4", (720, 1080), 1.05),
    ("slowmo_vfr.mp4", "video/mp4", (1280, 720), 0.526),
    ("timeline_faces_objects_speech.mp4", "video/mp4", (640, 480), 12.0),
    ("truncated.mkv", "video/x-matroska", (640, 480), 12.0),
    ("truncated_faststart.mp4", "video/mp4", (640, 480), 12.0),
    ("vfr_518x488.mp4", "video/mp4", (518, 488), 5.589),
    ("vfr_switch.mp4", "video/mp4", (320, 180), 3.6036),
    ("vp9_642x642_no_audio.webm", "video/webm", (642, 642), 2.967),
    ("vp9_opus.webm", "video/webm", (480, 270), 3.0),
    ("vp9_vorbis51.webm", "video/webm", (960, 540), 1.012),
    ("vvc_unsupported.mp4", "video/mp4", (320, 180), 5.0),
]

REFUSED = [
    ("video/corrupt_malformed_free_box.mp4", "moov_missing"),
    ("video/truncated_no_moov.mp4", "moov_missing"),
    ("video/empty.mp4", "unsupported_type"),
    ("video/text_named.mp4", "unsupported_type"),
    ("video/hls_ssrf_playlist.mp4", "unsupported_type"),
    ("corrupt/empty.jpg", "unsupported_type"),
    ("corrupt/html_as.jpg", "unsupported_type"),
    ("corrupt/image_invalid.jpg", "unsupported_type"),
    ("corrupt/random.jpg", "unsupported_type"),
    ("corrupt/svg_billion_laughs.svg", "unsupported_type"),
    ("corrupt/svg_external_and_script.svg", "unsupported_type"),
    ("corrupt/bmp-invalid-bpp.bmp", "damaged_file"),
    ("corrupt/jpeg_cut_2pct.jpg", "damaged_file"),
    ("corrupt/png_header_lies_2e9.png", "too_many_pixels"),
    ("exif/sidecar_2010.xmp", "unsupported_type"),
]

SIZES = [
    ("formats/8bit-sRGB.avif", "image/avif", (1617, 1080), 1),
    ("formats/animated.apng", "image/apng", (200, 133), 8),
    ("formats/animated.gif", "image/gif", (200, 133), 8),
    ("formats/animated.webp", "image/webp", (200, 133), 8),
    ("formats/animated_2frames.gif", "image/gif", (100, 100), 2),
    ("formats/animated_dispose_background.gif", "image/gif", (192, 168), 3),
    ("formats/still_photo_small.heic", "image/heic", (1080, 1920), 1),
    # By the size header of its code stream; the AVIF beside it is wider.
    ("formats/8bit-sRGB.jxl", "image/jxl", (1440, 1080), None),
    ("formats/motionphoto_pixel.jpg", "image/jpeg", (3024, 4032), 1),
    ("formats/no_extension", "image/jpeg", (320, 213), 1),
    ("formats/wrong_ext_is_jpeg.png", "image/jpeg", (320, 213), 1),
    ("formats/ünï 日本語 🐎.jpg", "image/jpeg", (320, 213), 1),
    ("corrupt/looks-like-svg.webp", "image/webp", (256, 256), 1),
    ("corrupt/big-height.webp", "image/webp", (13, 169), 99),
    ("corrupt/png_ztxt_bomb_64MB.png", "image/png", (8, 8), 1),
    ("corrupt/polyglot_jpeg_html.jpg", "image/jpeg", (320, 213), 1),
    ("color/iphonexs_display_p3.avif", "image/avif", (3024, 4032), 1),
    ("faces/curie_orientation6.jpg", "image/jpeg", (840, 700), 1),
    *((f"orientation/jockey_o{number}.jpg", "image/jpeg", (640, 426), 1) for number in range(1, 9)),
    ("orientation/jockey_o6.png", "image/png", (640, 426), 1),
    ("orientation/jockey_o6.tif", "image/tiff", (640, 426), 1),
    ("orientation/jockey_o6.webp", "image/webp", (640, 426), 1),
]


def probed(path: Path) -> Probe:
    return probe(path, sniff_path(path))


def decoded(path: Path, box: Box = Box(1920, 1080)) -> Pixels:  # noqa: B008 - A frozen value.
    image = transform.decode(path, sniff_path(path).mime, box, PixelLimits()).image
    return np.frombuffer(vips.pixels_of(image), dtype=np.uint8).reshape(
        image.height, image.width, image.bands
    )


@pytest.mark.parametrize(("name", "mime", "seconds"), SOUND, ids=[row[0] for row in SOUND])
def test_sound(shared_media: Path, name: str, mime: str, seconds: float) -> None:
    path = shared_media / "audio" / name
    found = probed(path)
    assert (sniff_path(path).mime, found.kind, found.video) == (mime, "audio", None)
    assert found.duration == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize(("name", "mime", "size", "seconds"), FILMS, ids=[row[0] for row in FILMS])
def test_films(shared_media: Path, name: str, mime: str, size: tuple[int, int], seconds: float) -> None:
    path = shared_media / "video" / name
    found = probed(path)
    assert (sniff_path(path).mime, found.kind) == (mime, "video")
    assert (found.width, found.height) == size
    assert found.duration == pytest.approx(seconds, abs=0.06)


@pytest.mark.parametrize(("name", "code"), REFUSED)
def test_what_is_refused_by_its_headers(shared_media: Path, name: str, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        probed(shared_media / name)
    assert caught.value.code == code
    assert isinstance(caught.value, DamagedFileError | UnsupportedTypeError | TooLargeError)


@pytest.mark.parametrize(("name", "mime", "size", "frames"), SIZES, ids=[row[0] for row in SIZES])
def test_sizes_of_pictures(
    shared_media: Path, name: str, mime: str, size: tuple[int, int], frames: int
) -> None:
    found = probed(shared_media / name)
    assert (found.mime, found.kind, found.width, found.height, found.frames) == (mime, "image", *size, frames)


def test_details_of_films(shared_media: Path) -> None:
    folder = shared_media / "video"
    many = probed(folder / "multi_audio_subs_chapters.mkv")
    assert [(track.language, track.codec, track.channels) for track in many.audio] == [
        ("eng", "aac", 2),
        ("jpn", "opus", 1),
        ("fre", "ac3", 6),
    ]
    assert [(track.language, track.forced) for track in many.subtitles] == [("eng", False), ("fre", True)]
    assert [chapter.title for chapter in many.chapters] == ["First", "Second"]
    assert many.tags["title"] == "Multi track test"
    assert [round(chapter.start, 3) for chapter in probed(folder / "chapters.mp4").chapters] == [
        0,
        0.201,
        0.8,
    ]
    hdr: dict[str, Any] = {
        name: probed(folder / name).video for name in ("hdr10_hevc.mp4", "hlg_hevc_phone.mp4")
    }
    assert [video.hdr for video in hdr.values()] == ["pq", "hlg"]
    slow = probed(folder / "vfr_switch.mp4").video
    assert slow is not None
    assert slow.vfr
    assert probed(shared_media / "audio/bear_id3_cover.mp3").tags["title"] == "Test title"


@pytest.mark.parametrize(
    "name", [f"jockey_o{number}.jpg" for number in range(1, 9)] + ["jockey_o6.png", "jockey_o6.webp"]
)
def test_turned_pictures_equal_the_upright_one(shared_media: Path, name: str) -> None:
    upright = decoded(shared_media / "objects/jockey.jpg").astype(float)
    found = decoded(shared_media / "orientation" / name).astype(float)
    error = max(((upright - found) ** 2).mean(), 1e-9)
    assert 10 * np.log10(255**2 / error) > 34


@pytest.mark.parametrize("name", ["p3_patches.jpg", "p3_patches.png"])
def test_wide_colours(shared_media: Path, name: str) -> None:
    pixels = decoded(shared_media / "color" / name).astype(int)
    centres = [pixels[64, 64 + 128 * number] for number in range(4)]
    expected = [(255, 0, 0), (0, 255, 0), (217, 42, 24), (128, 128, 128)]
    assert np.abs(np.array(centres) - expected).max() <= 4


def test_other_colour_spaces(shared_media: Path) -> None:
    folder = shared_media / "color"
    jockey = decoded(shared_media / "objects/jockey.jpg").mean(axis=(0, 1))
    assert np.abs(decoded(folder / "cmyk_icc_jockey.jpg").mean(axis=(0, 1)) - jockey).max() < 12
    assert np.abs(decoded(folder / "lab.tif").mean(axis=(0, 1)) - jockey).max() < 12
    ramp = decoded(folder / "gray16_gradient.png")[16, :, 0].astype(int)
    assert np.abs(ramp - np.arange(256)).max() <= 1
    assert decoded(folder / "weld_16bit.png").mean() > 20
    assert decoded(folder / "gray.jpg").shape == (426, 640, 3)
    assert decoded(folder / "cmyk_noicc.jpg").shape == (100, 100, 3)


PREVIEWS = {
    "16384x16384.png": "too_many_pixels",
    "17000x17000.avif": "too_many_pixels",
    "bomb_12000x12000_rgb.png": "too_many_pixels",
    "bomb_30000x30000_1bit.png": "too_many_pixels",
    "avif_cut.avif": "damaged_file",
    "heic_cut.heic": "cut_off",
    "jpeg_cut_25pct.jpg": "partial",
    "jpeg_cut_50pct.jpg": "partial",
    "jpeg_cut_90pct.jpg": "partial",
    "jpeg_cut_99pct.jpg": "partial",
    "png_cut.png": "partial",
    "truncated.gif": "partial",
    "truncated.jpg": "partial",
    "BlueSquare_truncated.jpg": "partial",
    "940x2.png": "whole",
    "9643x10328.jpg": "whole",
    "big-height.webp": "whole",
    "broken-exif-tag.jpg": "whole",
    "invalid_quantization.jpg": "whole",
    "jpeg_bitrot.jpg": "whole",
    "looks-like-svg.webp": "whole",
    "png_ztxt_bomb_64MB.png": "whole",
    "polyglot_jpeg_html.jpg": "whole",
    "single_point.jpg": "whole",
}


@pytest.mark.parametrize(("name", "expected"), PREVIEWS.items())
def test_previews_of_damaged_and_hostile_pictures(
    shared_media: Path, tmp_path: Path, name: str, expected: str
) -> None:
    path = shared_media / "corrupt" / name
    if expected not in {"whole", "partial"}:
        with pytest.raises((DamagedFileError, TooLargeError)) as caught:
            derive(PreviewDeriver(), path, tmp_path)
        assert caught.value.code == expected
        return
    result = derive(PreviewDeriver(), path, tmp_path)
    assert result.facts.get("partial", False) is (expected == "partial")
    assert b"<html" not in (tmp_path / "preview.webp").read_bytes()


def test_jpeg_xl_is_decoded(shared_media: Path, tmp_path: Path) -> None:
    result = derive(PreviewDeriver(), shared_media / "formats/8bit-sRGB.jxl", tmp_path)
    assert (result.facts["width"], result.facts["height"]) == (1440, 1080)
    assert pixels_of(tmp_path / "thumb.webp").std() > 10


def test_heic_is_decoded(shared_media: Path, tmp_path: Path) -> None:
    result = derive(PreviewDeriver(), shared_media / "formats/still_photo_small.heic", tmp_path)
    assert (result.facts["width"], result.facts["height"]) == (608, 1080)
    assert pixels_of(tmp_path / "thumb.webp").std() > 10


@pytest.mark.parametrize(
    "name", ["phone_rot_180.mp4", "phone_rot_minus90_portrait.mp4", "phone_rot_plus90.mp4"]
)
def test_posters_of_turned_phones_are_upright(shared_media: Path, tmp_path: Path, name: str) -> None:
    derive(PosterDeriver(), shared_media / "video" / name, tmp_path)
    poster = pixels_of(tmp_path / "poster.webp")
    with Image.open(shared_media / "objects/jockey.jpg") as image:
        upright = np.asarray(image.convert("RGB").resize((poster.shape[1], poster.shape[0])))
    assert np.abs(poster.astype(int) - upright).mean() < 12


POSTERS = [
    ("black_20s.mp4", True, "sdr"),
    ("flower.webm", False, "sdr"),
    ("hdr10_hevc.mp4", False, "hdr"),
    ("hlg_hevc_phone.mp4", False, "hdr"),
    ("one_frame.mp4", False, "sdr_no_seek"),
    ("truncated.mkv", False, "sdr"),
    ("truncated_faststart.mp4", False, "sdr"),
    ("hevc_rot90_metadata_track.mp4", False, "sdr"),
]


@pytest.mark.parametrize(("name", "dark", "strategy"), POSTERS)
def test_posters(shared_media: Path, tmp_path: Path, name: str, dark: bool, strategy: str) -> None:
    result = derive(PosterDeriver(), shared_media / "video" / name, tmp_path)
    assert (result.facts["dark"], result.made_with["strategy"]) == (dark, strategy)


@pytest.mark.parametrize(
    ("name", "seconds", "loudest"),
    [
        ("audio/jfk.wav", 11.0, (0.3, 1.0)),
        ("audio/silence_5s.wav", 5.0, (0.0, 0.001)),
        ("audio/truncated.mp3", 5.5, (0.3, 1.0)),
        ("audio/wav_header_lies.wav", 1.0, (0.01, 1.0)),
        ("video/no_audio.mp4", 0.0, (0.0, 0.0)),
        ("video/timeline_faces_objects_speech.mp4", 12.0, (0.1, 1.0)),
    ],
)
def test_waveforms(
    shared_media: Path, tmp_path: Path, name: str, seconds: float, loudest: tuple[float, float]
) -> None:
    result = derive(WaveformDeriver(), shared_media / name, tmp_path)
    peaks = json.loads((tmp_path / "waveform.json").read_text())["peaks"]
    assert result.facts["duration"] == pytest.approx(seconds, abs=0.05)
    assert len(peaks) == pytest.approx(seconds * 50, abs=3)
    assert loudest[0] <= max(peaks, default=0.0) <= loudest[1]
