"""What the real media beside the clone say of themselves, against what their manifest says is true."""

import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from media import xmp
from media.exif import CAPTION_LIMIT
from media.probing import Probe, probe
from media.sniffing import sniff_path

pytestmark = pytest.mark.shared

# The wall clock and its offset as the manifest tells them. "told" is an offset that stands in the file; where the
# manifest gives a position only, the offset is that of the place.
DATES: list[tuple[str, str | None]] = [
    ("exif/date_1901.jpg", "1901-12-13T20:45:51"),
    ("exif/date_2099_future.jpg", "2099-12-31T23:59:59"),
    ("exif/date_blank.jpg", None),
    ("exif/date_digitized_only.jpg", "2015-05-05T05:05:05"),
    ("exif/date_invalid_2021_13_45.jpg", None),
    ("exif/date_none.jpg", None),
    ("exif/date_xmp_only.jpg", "2018-03-04T05:06:07+09:00"),
    ("exif/date_zero.jpg", None),
    ("exif/datetimeoriginal-gps.jpg", "2025-12-01T11:30:00-07:00"),
    ("exif/empty_gps.jpg", "2025-06-01T16:59:26.023460"),
    ("exif/gps_ne_berlin.jpg", "2021-07-14T18:30:05.123+02:00"),
    ("exif/gps_se_sydney.jpg", "2022-01-01T00:00:05+11:00"),
    ("exif/gps_sw_rio.jpg", None),
    ("exif/london_progressive.jpg", "2023-02-07T12:54:29.184+00:00"),
    ("exif/mongolels.jpg", "2009-08-29T13:18:08.17"),
    ("exif/picasa.jpg", "2010-02-13T14:55:31"),
    ("exif/prairie_falcon.jpg", "2022-03-31T11:31:56.18"),
    ("exif/rating5_label.jpg", None),
    ("exif/tanners_ridge.jpg", "2023-09-25T08:33:30.88-04:00"),
    ("exif/text_huge_description.jpg", None),
    ("exif/thompson-springs.jpg", "2022-01-10T15:15:44.31-04:00"),
    ("exif/time-created.jpg", None),
    ("exif/tokyo_gps.jpg", "2018-02-17T16:39:33.672+09:00"),
    ("formats/avif_exif.avif", "2022-08-22T20:30:46.023+02:00"),
    ("formats/denali.webp", "2010-08-13T21:00:01.85"),
    ("formats/density_plot.png", None),
    ("formats/motionphoto_pixel.jpg", "2020-12-17T10:03:00.546073+00:00"),
    ("formats/png_exif_in_ztxt.png", "2022-08-22T20:30:46.023+02:00"),
    ("formats/still_photo_small.heic", "2020-10-21T12:26:18"),
    ("color/iphone_display_p3.jpg", "2026-01-07T15:20:14.93+01:00"),
    ("color/iphonexs_display_p3.avif", "2020-03-05T11:28:10.15+02:00"),
    ("video/flower.mp4", "2018-03-07T15:21:21"),
    ("video/h264_aac_gps.mp4", "2016-05-31T13:01:35-04:00"),
    ("video/hlg_hevc_phone.mp4", "2024-02-09T20:23:48+00:00"),
    ("video/phone_rot_180.mp4", "2023-06-15T12:20:30+02:00"),
    ("video/phone_rot_plus90.mp4", "2023-06-15T12:20:30+02:00"),
    ("video/phone_rot_minus90_portrait.mp4", "2023-06-15T12:20:30+02:00"),
    ("video/empty_second_video_track.mp4", "2033-05-17T23:33:20-04:00"),
    ("video/vfr_518x488.mp4", None),
]

Place = tuple[float, float, float | None]
PLACES: list[tuple[str, Place | None, str | None]] = [
    ("exif/datetimeoriginal-gps.jpg", (39.0, -108.0, None), "America/Denver"),
    ("exif/empty_gps.jpg", None, None),
    ("exif/gps_invalid_lat_200.jpg", None, None),
    ("exif/gps_lat_without_ref.jpg", (48.2, 16.37, None), None),
    ("exif/gps_ne_berlin.jpg", (52.520008, 13.404954, 34.5), "Europe/Berlin"),
    ("exif/gps_null_island.jpg", None, None),
    ("exif/gps_nw_death_valley_below_sea.jpg", (36.250278, -116.825833, -86.0), None),
    ("exif/gps_se_sydney.jpg", (-33.856784, 151.215297, None), "Australia/Sydney"),
    ("exif/gps_sw_rio.jpg", (-22.951916, -43.210487, 710.0), None),
    ("exif/london_progressive.jpg", None, None),
    ("exif/thompson-springs.jpg", (39.115, -108.400968, 1483.9), "America/Denver"),
    ("exif/tokyo_gps.jpg", (35.65723, 139.74965, -4.3), "Asia/Tokyo"),
    ("formats/png_exif_in_ztxt.png", None, None),
    ("formats/avif_exif.avif", None, None),
    ("color/iphone_display_p3.jpg", None, None),
    ("color/iphonexs_display_p3.avif", (50.43975, 30.50207, 149.6), "Europe/Kyiv"),
    ("video/h264_aac_gps.mp4", (40.680, -74.5, None), "America/New_York"),
    ("video/hlg_hevc_phone.mp4", (51.5335, -0.1261, None), "Europe/London"),
    ("video/phone_rot_180.mp4", (47.3769, 8.5417, None), "Europe/Zurich"),
    ("video/vfr_518x488.mp4", (48.3896, 11.0470, None), None),
]

WORDS: list[tuple[str, dict[str, Any]]] = [
    ("exif/mongolels.jpg", {"rating": 3, "title": "Mongol Els", "caption": "Mongol Els"}),
    ("exif/picasa.jpg", {"keywords": ("Frost", "Yard")}),
    ("exif/prairie_falcon.jpg", {"title": "Prairie falcon female with eggs"}),
    ("exif/rating5_label.jpg", {"rating": 5}),
    ("exif/tanners_ridge.jpg", {"caption": "Fall 2023 Week 3"}),
    (
        "exif/thompson-springs.jpg",
        {"keywords": ("carol m. highsmith", "america", "utah", "utah winter scenes", "thompson springs")},
    ),
    ("formats/denali.webp", {"title": "Denali National Park and Preserve"}),
    ("audio/bear_id3_cover.mp3", {"title": "Test title"}),
    ("audio/jfk.mp3", {"title": "Inaugural address"}),
    ("video/multi_audio_subs_chapters.mkv", {"title": "Multi track test"}),
    ("video/vvc_unsupported.mp4", {"title": "Big Buck Bunny"}),
]

CAMERAS: list[tuple[str, dict[str, Any]]] = [
    (
        "exif/gps_ne_berlin.jpg",
        {
            "make": "TestCam",
            "model": "TC-1",
            "lens": "TC 50mm F1.8",
            "iso": 200,
            "f_number": 2.8,
            "exposure_seconds": 0.005,
            "focal_length_mm": 50.0,
        },
    ),
    ("exif/empty_gps.jpg", {"model": "moto g(9) plus"}),
    ("exif/london_progressive.jpg", {"make": "Google", "model": "Pixel 7 Pro"}),
    ("exif/mongolels.jpg", {"model": "Canon EOS 500D"}),
    ("exif/prairie_falcon.jpg", {"model": "Canon EOS R5", "lens": "RF100-500mm F4.5-7.1 L IS USM"}),
    ("exif/tanners_ridge.jpg", {"model": "NIKON D750", "lens": "17.0-35.0 mm f/2.8"}),
    ("exif/time-created.jpg", {"model": "EOS R5"}),
    ("exif/tokyo_gps.jpg", {"make": "Apple", "model": "iPhone 6s"}),
    ("formats/denali.webp", {"model": "Canon EOS 7D"}),
    ("formats/png_exif_in_ztxt.png", {"model": "Pixel 4a"}),
    ("formats/motionphoto_pixel.jpg", {"model": "Pixel 4 XL"}),
    ("color/iphonexs_display_p3.avif", {"model": "iPhone XS"}),
    ("color/iphone_display_p3.jpg", {"model": "iPhone 13 mini"}),
]

COLOURS = [
    ("color/iphone_display_p3.jpg", "Display P3"),
    ("color/iphonexs_display_p3.avif", "Display P3"),
    ("color/p3_gainmap.jpg", "Display P3 Gamut with sRGB Transfer"),
    ("color/palette.png", "sRGB IEC61966-2.1"),
    ("formats/denali.webp", "sRGB"),
    ("exif/tokyo_gps.jpg", "sRGB"),
    ("color/gray.jpg", None),
]


def probed(path: Path) -> Probe:
    return probe(path, sniff_path(path))


@pytest.mark.parametrize(("name", "taken"), DATES)
def test_dates(shared_media: Path, name: str, taken: str | None) -> None:
    found = probed(shared_media / name)
    if taken is None:
        assert (found.taken_at, found.taken_offset) == (None, None)
        return
    expected = datetime.fromisoformat(taken)
    assert found.taken_at == (expected if expected.tzinfo else expected.replace(tzinfo=UTC))
    assert found.taken_offset == (taken[-6:] if expected.tzinfo else None)


@pytest.mark.parametrize(("name", "place", "zone"), PLACES)
def test_places(shared_media: Path, name: str, place: Place | None, zone: str | None) -> None:
    found = probed(shared_media / name)
    if place is None:
        assert found.location is None
    else:
        assert found.location is not None
        assert (found.location.latitude, found.location.longitude) == pytest.approx(place[:2], abs=2e-5)
        height = pytest.approx(place[2], abs=0.1) if place[2] is not None else None
        assert found.location.altitude == height
    assert found.taken_zone == zone


@pytest.mark.parametrize(("name", "words"), WORDS)
def test_words(shared_media: Path, name: str, words: dict[str, Any]) -> None:
    found = probed(shared_media / name)
    assert {key: getattr(found, key) for key in words} == words


def test_keywords_of_two_places_are_each_there_once(shared_media: Path) -> None:
    found = probed(shared_media / "exif/tanners_ridge.jpg").keywords
    assert found[:5] == ("Big Meadows", "Landscape", "Tanners Ridge Overlook", "Overlook", "Place")
    assert len(found) == len({word.casefold() for word in found})
    assert "prairie falcons" in probed(shared_media / "exif/prairie_falcon.jpg").keywords


@pytest.mark.parametrize(("name", "details"), CAMERAS)
def test_cameras(shared_media: Path, name: str, details: dict[str, Any]) -> None:
    camera = probed(shared_media / name).camera
    assert {key: getattr(camera, key) for key in details} == details


@pytest.mark.parametrize(("name", "profile"), COLOURS)
def test_colour_profiles(shared_media: Path, name: str, profile: str | None) -> None:
    assert probed(shared_media / name).color_profile == profile


@pytest.mark.parametrize("number", range(1, 9))
def test_orientations(shared_media: Path, number: int) -> None:
    found = probed(shared_media / f"orientation/jockey_o{number}.jpg")
    assert (found.orientation, found.width, found.height) == (number, 640, 426)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_orientations_of_other_formats(shared_media: Path, suffix: str) -> None:
    found = probed(shared_media / f"orientation/jockey_o6.{suffix}")
    assert (found.orientation, found.width, found.height) == (6, 640, 426)


def test_a_named_face(shared_media: Path) -> None:
    (face,) = probed(shared_media / "exif/face_regions_mwg.jpg").regions
    assert (face.name, face.kind, face.x, face.y) == ("Jane Jockey", "Face", 0.46, 0.14)


def test_a_motion_photo_tells_where_its_film_is(shared_media: Path) -> None:
    path = shared_media / "formats/motionphoto_pixel.jpg"
    motion = probed(path).motion
    assert motion is not None
    assert (motion.offset, motion.length) == (path.stat().st_size - 8730, 8730)
    assert path.read_bytes()[motion.offset + 4 : motion.offset + 8] == b"ftyp"


def test_a_description_of_50_000_characters_is_cut(shared_media: Path) -> None:
    found = probed(shared_media / "exif/text_huge_description.jpg")
    assert found.caption is not None
    assert len(found.caption) == CAPTION_LIMIT
    assert len(str(found.raw)) < 5000


def test_a_side_car_in_utf_16(shared_media: Path) -> None:
    found = xmp.properties_of((shared_media / "exif/sidecar_2010.xmp").read_bytes())
    (clock,) = xmp.clocks_of(found)
    assert (clock.wall.isoformat(), clock.offset) == ("2010-09-27T14:35:33", 120)


def test_a_text_bomb_costs_neither_memory_nor_time(shared_media: Path) -> None:
    path = shared_media / "corrupt/png_ztxt_bomb_64MB.png"
    tracemalloc.start()
    try:
        began = time.monotonic()
        found = probed(path)
        assert time.monotonic() - began < 2
        assert tracemalloc.get_traced_memory()[1] < 24_000_000
    finally:
        tracemalloc.stop()
    assert (found.width, found.height, found.taken_at) == (8, 8, None)


def test_a_broken_tag_costs_nothing(shared_media: Path) -> None:
    found = probed(shared_media / "corrupt/broken-exif-tag.jpg")
    assert (found.width, found.height, found.orientation) == (1, 1, 1)
