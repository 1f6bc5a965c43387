"""Pure: from what clocks showed, and where, to the moment a picture was taken. Nothing here raises.

A camera's clock knows its offset from UTC in one of four ways, best first: it says so; another field of the same
file shows the same time and says so; the satellites' clock was written beside it; the place has a time zone.
Where none is known the wall clock is kept as if it were UTC, and the offset stays unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from media.exif import LONGEST_OFFSET, Clock, Location

QUARTER: Final = 15
"""Minutes. Every offset in use today is a multiple of it."""
STALE: Final = 3
"""Minutes. A fix of the satellites that is further from a quarter is older than the picture."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A moment; minutes east of UTC where they are known; the IANA name of the zone where the place is."""

    at: datetime
    offset: int | None = None
    zone: str | None = None


def settle(
    clocks: Sequence[Clock],
    *,
    witnesses: Sequence[Clock] = (),
    satellite: datetime | None = None,
    location: Location | None = None,
) -> Taken | None:
    """The first clock is believed; the others and `witnesses` only lend it their offset."""
    if not clocks:
        return None
    told, zone = clocks[0], zone_at(location)
    offset = told.offset
    if offset is None:
        offset = lent(told, [*clocks[1:], *witnesses])
    if offset is None and satellite is not None:
        offset = from_satellite(told, satellite)
    if offset is None and zone is not None:
        offset = offset_in(zone, told.wall)
    at = told.wall.replace(tzinfo=UTC if offset is None else timezone(timedelta(minutes=offset)))
    return Taken(at, offset, zone)


def of_moment(moment: datetime, *, local: bool, location: Location | None) -> Taken:
    """A film's own time, which is a true moment. `local`: it was written with its offset."""
    zone = zone_at(location)
    offset = minutes(moment) if local else None
    if offset is None and zone is not None:
        offset = minutes(moment.astimezone(ZoneInfo(zone)))
    return Taken(moment, offset, zone)


def minutes(moment: datetime) -> int:
    return round((moment.utcoffset() or timedelta()).total_seconds() / 60)


def lent(told: Clock, others: Sequence[Clock]) -> int | None:
    """The offset of another field that shows the same time, to the second."""
    wall = told.wall.replace(microsecond=0)
    return next((one.offset for one in others if one.offset is not None and same(one.wall, wall)), None)


def same(one: datetime, other: datetime) -> bool:
    return one.replace(microsecond=0) == other


def from_satellite(told: Clock, satellite: datetime) -> int | None:
    apart = (told.wall.replace(tzinfo=UTC) - satellite).total_seconds() / 60
    offset = round(apart / QUARTER) * QUARTER
    return offset if abs(offset) <= LONGEST_OFFSET and abs(apart - offset) <= STALE else None


def zone_at(location: Location | None) -> str | None:
    """`Europe/Vienna`; on the high seas `Etc/GMT+2` and the like. None where the zone is not known here."""
    if location is None:
        return None
    import tzfpy  # Its map of the world is loaded by who needs it.

    name = tzfpy.get_tz(location.longitude, location.latitude)
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # An empty name; one that the machine's own table does not have.
        return None
    return name


def offset_in(zone: str, wall: datetime) -> int:
    """Before there were zones every town had its own time: that is rounded to minutes."""
    return minutes(wall.replace(tzinfo=ZoneInfo(zone)))


def as_text(offset: int | None) -> str | None:
    """`+02:00`."""
    if offset is None:
        return None
    hours, rest = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{rest:02}"
