from datetime import UTC, datetime, timedelta

import pytest

from media import zones
from media.exif import Clock, Location
from media.zones import settle

SYDNEY = Location(-33.856784, 151.215297)
VIENNA = Location(48.2, 16.37)
NOON = datetime(2022, 1, 1, 12, 0, 0)


def test_a_told_offset_is_believed_whatever_the_place() -> None:
    taken = settle([Clock(NOON, 120)], satellite=datetime(2022, 1, 1, 3, tzinfo=UTC), location=SYDNEY)
    assert taken is not None
    assert (taken.at.isoformat(), taken.offset) == ("2022-01-01T12:00:00+02:00", 120)
    assert taken.zone == "Australia/Sydney"


def test_another_field_with_the_same_time_lends_its_offset() -> None:
    for lender in (Clock(NOON, -240), Clock(NOON.replace(microsecond=310_000), -240)):
        assert settle([Clock(NOON), lender]) == zones.Taken(settled(NOON, -240), -240)
        assert settle([Clock(NOON)], witnesses=[lender]) == zones.Taken(settled(NOON, -240), -240)
    other = Clock(NOON + timedelta(seconds=1), -240)
    assert settle([Clock(NOON), other]) == zones.Taken(NOON.replace(tzinfo=UTC))


def settled(wall: datetime, offset: int) -> datetime:
    return wall.replace(tzinfo=UTC) - timedelta(minutes=offset)


@pytest.mark.parametrize(
    ("apart", "offset"),
    [
        (0, 0),
        (120, 120),
        (-210, -210),
        (345, 345),
        (118.5, 120),
        (121, 120),
        (-605, None),
        (126, None),
        (14 * 60, 840),
        (15 * 60, None),
        (26 * 60, None),
    ],
)
def test_the_satellites_tell_the_offset_unless_their_fix_is_old(apart: float, offset: int | None) -> None:
    satellite = NOON.replace(tzinfo=UTC) - timedelta(minutes=apart)
    taken = settle([Clock(NOON)], satellite=satellite)
    assert taken is not None
    assert taken.offset == offset


@pytest.mark.parametrize(
    ("month", "offset"), [(1, 660), (7, 600)], ids=["summer in the south", "winter in the south"]
)
def test_the_place_has_a_zone_and_the_zone_its_summers(month: int, offset: int) -> None:
    taken = settle([Clock(NOON.replace(month=month))], location=SYDNEY)
    assert taken is not None
    assert (taken.offset, taken.zone) == (offset, "Australia/Sydney")


def test_without_any_of_them_the_wall_clock_is_kept_and_the_offset_is_unknown() -> None:
    assert settle([Clock(NOON)]) == zones.Taken(NOON.replace(tzinfo=UTC), None, None)
    assert settle([], location=VIENNA) is None


def test_hours_that_are_there_twice_or_never_have_an_offset_still() -> None:
    twice = settle([Clock(datetime(2022, 10, 30, 2, 30))], location=VIENNA)
    never = settle([Clock(datetime(2022, 3, 27, 2, 30))], location=VIENNA)
    assert twice is not None
    assert never is not None
    assert (twice.offset, never.offset) == (120, 60)


def test_before_there_were_zones_towns_had_their_own_time() -> None:
    taken = settle([Clock(datetime(1850, 1, 1))], location=VIENNA)
    assert taken is not None
    assert taken.offset == 65


@pytest.mark.parametrize("place", [Location(0.0, -30.0), Location(90.0, 0.0), Location(-90.0, 180.0)])
def test_the_high_seas_and_the_poles_have_a_zone(place: Location) -> None:
    taken = settle([Clock(NOON)], location=place)
    assert taken is not None
    assert taken.offset is not None


def test_a_zone_this_machine_does_not_know_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import tzfpy

    for name in ("Moon/Tycho", "", "../etc/passwd"):
        monkeypatch.setattr(tzfpy, "get_tz", lambda longitude, latitude, name=name: name)
        assert zones.zone_at(VIENNA) is None


def test_a_film_knows_its_moment_and_learns_its_offset_from_the_place() -> None:
    moment = datetime(2023, 6, 15, 10, 20, 30, tzinfo=UTC)
    assert zones.of_moment(moment, local=False, location=VIENNA) == zones.Taken(moment, 120, "Europe/Vienna")
    assert zones.of_moment(moment, local=False, location=None) == zones.Taken(moment, None, None)
    told = datetime.fromisoformat("2023-06-15T10:20:30-05:00")
    assert zones.of_moment(told, local=True, location=VIENNA) == zones.Taken(told, -300, "Europe/Vienna")


@pytest.mark.parametrize(
    ("offset", "text"), [(None, None), (0, "+00:00"), (120, "+02:00"), (-210, "-03:30"), (345, "+05:45")]
)
def test_offsets_as_text(offset: int | None, text: str | None) -> None:
    assert zones.as_text(offset) == text
