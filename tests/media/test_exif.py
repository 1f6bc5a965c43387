import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import exif
from media.exif import Clock


@pytest.mark.parametrize(
    ("value", "wall", "offset"),
    [
        ("2021:07:14 18:30:05", "2021-07-14T18:30:05", None),
        ("2021-07-14T18:30:05", "2021-07-14T18:30:05", None),
        ("2021-07-14T18:30:05.5+02:00", "2021-07-14T18:30:05.500000", 120),
        ("2021-07-14T18:30Z", "2021-07-14T18:30:00", 0),
        ("2021-07-14T18:30:05-0330", "2021-07-14T18:30:05", -210),
        ("2021-07-14", "2021-07-14T00:00:00", None),
        ("2021/07/14 18:30:05", "2021-07-14T18:30:05", None),
    ],
)
def test_dates_as_cameras_and_programs_write_them(value: str, wall: str, offset: int | None) -> None:
    assert exif.clock_of(value) == Clock(datetime.fromisoformat(wall), offset)


@pytest.mark.parametrize(
    "value", ["", "2021", "2021:02:30 10:00:00", "1700:01:01 00:00:00", "2300-01-01", None]
)
def test_dates_that_are_none(value: str | None) -> None:
    assert exif.clock_of(value) is None


def test_sub_seconds_and_offsets_come_from_tags_of_their_own() -> None:
    tags = {0x9003: "2021:07:14 18:30:05", 0x9291: "5", 0x9011: "+05:45"}
    (clock,) = exif.clocks_of(tags)
    assert (clock.wall.microsecond, clock.offset) == (500_000, 345)


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        ("+02:00", 120),
        ("-03:30", -210),
        ("Z", 0),
        ("+14:00", 840),
        ("+15:00", None),
        ("+02:75", None),
        ("x", None),
    ],
)
def test_offsets(value: str, minutes: int | None) -> None:
    assert exif.minutes_of(value) == minutes


def test_the_clock_of_the_satellites() -> None:
    gps = {29: "2022:01:10", 7: (21.0, 15.0, 33.5)}
    assert exif.satellite_of(gps) == datetime(2022, 1, 10, 21, 15, 33, 500_000, tzinfo=UTC)
    for broken in (
        {29: "2022:01:10"},
        {7: (1, 2, 3)},
        {29: "2022:01:10", 7: (25, 0, 0)},
        {29: "", 7: (1, 2)},
    ):
        assert exif.satellite_of(broken) is None
    assert exif.satellite_of({29: "2022:01:10", 7: (float("nan"), 0, 0)}) is None


@pytest.mark.parametrize(("below", "height"), [(b"\x00", 86.0), (b"\x01", -86.0), (1, -86.0), (None, 86.0)])
def test_heights(below: Any, height: float) -> None:
    place = {1: "N", 2: (36.0, 15.0, 0.0), 3: "W", 4: (116.0, 0.0, 0.0), 5: below, 6: 86.0}
    found = exif.location_of(place)
    assert found is not None
    assert (found.latitude, found.longitude, found.altitude) == (36.25, -116.0, height)


def test_a_sensitivity_that_did_not_fit_stands_elsewhere() -> None:
    camera = exif.camera_of({}, {exif.ISO: 65535, exif.ISO_SPEED: 102_400})
    assert camera is not None
    assert camera.iso == 102_400


@pytest.mark.parametrize("value", ["OLYMPUS DIGITAL CAMERA", "SONY DSC ", "  ", None])
def test_what_the_camera_says_of_every_picture_is_no_caption(value: Any) -> None:
    assert exif.caption_of({exif.DESCRIPTION: value}, 100) is None


def test_words_that_windows_wrote() -> None:
    title, words = "Über uns\0".encode("utf-16-le"), "Berg;See\0".encode("utf-16-le")
    assert exif.title_of({exif.WINDOWS_TITLE: title}) == "Über uns"
    assert exif.title_of({exif.WINDOWS_TITLE: tuple(title)}) == "Über uns"
    assert exif.keywords_of({exif.WINDOWS_KEYWORDS: words}) == ["Berg", "See"]


@pytest.mark.parametrize(("stars", "rating"), [(3, 3), (0, 0), (6, None), (None, None), ("5", 5), (-1, None)])
def test_stars(stars: Any, rating: int | None) -> None:
    assert exif.rating_of({exif.RATING: stars}) == rating


def test_all_that_can_be_read_is_json() -> None:
    tags = {
        1: float("nan"),
        2: b"\xff\xfe",
        3: b"ascii\0",
        4: (1.5, 2),
        5: "a\0b\ud800",
        6: tuple(range(1000)),
        7: 2**80,
    }
    found = exif.readable(tags, {3: "Three", 4: "Four", 5: "Five"})
    assert found == {"Three": "ascii", "Four": [1.5, 2], "Five": "a b"}
    assert json.loads(json.dumps(found)) == found


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.binary(max_size=40)
    ),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner, inner),
    max_leaves=6,
)
NUMBERS = [
    *range(1, 8),
    29,
    306,
    *exif.DATES[0],
    *exif.DATES[1],
    exif.MAKE,
    exif.ISO,
    exif.F_NUMBER,
    exif.RATING,
]
TAGS = st.dictionaries(
    st.sampled_from([*NUMBERS, exif.WINDOWS_TITLE, exif.ORIENTATION, exif.DESCRIPTION]), VALUES
)


@given(TAGS)
def test_no_tag_whatever_its_value_raises_or_makes_what_a_database_refuses(tags: dict[int, Any]) -> None:
    found = exif.readable(tags, {})
    text = json.dumps(found, allow_nan=False)
    assert "\\u0000" not in text
    text.encode()
    exif.clocks_of(tags), exif.modified_of(tags, tags), exif.satellite_of(tags)
    exif.camera_of(tags, tags), exif.rating_of(tags), exif.caption_of(tags, 100)
    exif.title_of(tags), exif.keywords_of(tags)
    orientation = exif.orientation_of(tags)
    assert orientation is None or 1 <= orientation <= 8
    place = exif.location_of(tags)
    if place is not None:
        assert abs(place.latitude) <= 90
        assert abs(place.longitude) <= 180
        assert place.altitude is None or math.isfinite(place.altitude)
