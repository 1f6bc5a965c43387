"""Pure: which pictures belong together by name, time and identifier, and who of them leads."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from media import belonging
from media.belonging import Mark, Member
from media.sniffing import described

NOON = datetime(2024, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)
DNG, JPEG, HEIC, MOV = "image/x-adobe-dng", "image/jpeg", "image/heic", "video/quicktime"


def member(name: str, mime: str = JPEG, **facts: Any) -> Member:
    kind = described(mime).kind
    return Member(
        uuid4(), facts.pop("original", uuid4()), facts.pop("folder", None), name, kind, mime, **facts
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("00001IMG_00001_BURST20180424184823123.jpg", "00002IMG_00002_BURST20180424184823123_COVER.jpg"),
        ("IMG_20180424_184823_BURST001_COVER.jpg", "IMG_20180424_184823_BURST012.jpg"),
        ("IMG_20171231_235959123_BURST000_COVER_TOP.jpg", "img_20171231_235959123_burst001.JPG"),
        ("DSC_0001_BURST20180424184823123.JPG", "DSC_0002_BURST20180424184823123.JPG"),
    ],
)
def test_names_that_tell_a_burst(first: str, second: str) -> None:
    one, other = belonging.mark_of(member(first)), belonging.mark_of(member(second))
    assert one is not None
    assert one == other
    assert one.kind == "burst"
    assert belonging.mark_of(member(first, folder=uuid4())) != one


@pytest.mark.parametrize(
    "name", ["burst.jpg", "BURST001.jpg", "a_burst_of_joy.jpg", "IMG_1234.jpg", "outburst12345678.jpg"]
)
def test_names_that_tell_none(name: str) -> None:
    assert belonging.mark_of(member(name)) is None


def test_two_bursts_of_one_day_are_two() -> None:
    names = ["IMG_20180424_184823_BURST001.jpg", "IMG_20180424_184829_BURST001.jpg"]
    assert len({belonging.mark_of(member(name)) for name in names}) == 2


def test_identifiers_rank_before_names() -> None:
    name = "IMG_20180424_184823_BURST001.jpg"
    assert belonging.mark_of(member(name, burst_id="B-1")) == Mark("burst", "b-1")
    assert belonging.mark_of(member(name, content_id="AB")) == Mark("live_photo", "ab")
    assert belonging.mark_of(member("a.mov", MOV, burst_id="B-1")) is None


@pytest.mark.parametrize(
    ("raw", "companion", "pair"),
    [
        ({}, {}, True),
        ({"captured_at": NOON}, {}, True),
        ({"captured_at": NOON}, {"captured_at": NOON.replace(microsecond=0)}, True),
        ({"captured_at": NOON}, {"captured_at": NOON + timedelta(seconds=1)}, False),
        # One reader knew the zone: the same moment on the camera's clock.
        ({"captured_at": NOON}, {"captured_at": NOON - timedelta(hours=2), "captured_offset": 120}, True),
        ({"model": "EOS R5", "make": "Canon"}, {"model": "eos r5 "}, True),
        ({"model": "EOS R5"}, {"model": "Z 6"}, False),
        ({"make": "Canon"}, {"make": "Nikon"}, False),
        ({"model": "EOS R5"}, {"make": "Nikon"}, True),
    ],
)
def test_a_raw_and_its_companion(raw: dict[str, Any], companion: dict[str, Any], pair: bool) -> None:
    one, other = member("IMG_1.DNG", DNG, **raw), member("img_1.jpg", JPEG, **companion)
    assert belonging.is_pair(one, other) is pair
    assert belonging.is_pair(other, one) is pair


def test_what_is_no_pair() -> None:
    raw = member("a.dng", DNG)
    assert not belonging.is_pair(raw, member("a.cr2", "image/x-canon-cr2"))
    assert not belonging.is_pair(raw, member("a.png", "image/png"))
    assert not belonging.is_pair(raw, member("b.jpg"))
    assert not belonging.is_pair(raw, member("a.jpg", folder=uuid4()))
    assert not belonging.is_pair(raw, member("a.jpg", burst_id="b"))
    assert not belonging.is_pair(member("a.jpg"), member("a.heic", HEIC))


def test_who_leads() -> None:
    early, late = member("b.jpg", captured_at=NOON), member("a.jpg", captured_at=NOON + timedelta(seconds=1))
    unknown = member("0.jpg")
    assert belonging.leader("burst", [late, unknown, early]) == early
    cover = member("z_COVER.jpg", captured_at=NOON + timedelta(seconds=9))
    assert belonging.leader("burst", [late, early, cover]) == cover
    copy = member("copy.jpg", original=early.original)
    assert belonging.leader("burst", [early, copy]) is None
    still, film = member("a.heic", HEIC), member("a.mov", MOV)
    assert belonging.leader("live_photo", [film, still]) == still
    assert belonging.leader("live_photo", [still, member("b.heic", HEIC)]) is None
    assert belonging.leader("live_photo", [film]) is None
    raw, jpeg = member("a.dng", DNG), member("a.jpg")
    assert belonging.leader("raw", [raw, still, jpeg]) == jpeg


def test_a_mark_fits_its_column_whatever_the_name() -> None:
    long = member("İ" * 250 + ".jpg", folder=uuid4())
    assert len(belonging.pair_mark(long).text) <= 300
