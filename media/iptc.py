"""Pure: from the records of an IPTC-IIM block to what we keep. Nothing here raises.

Records come as `(record, data set)` -> bytes or a list of bytes, as the reader in `media.tools` gives them.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from media.exif import Clock, clock_of, text_of

Records = Mapping[tuple[int, int], Any]

TITLE, KEYWORDS, CAPTION = (2, 5), (2, 25), (2, 120)
DATES: Final = (((2, 55), (2, 60)), ((2, 62), (2, 63)))
"""Created, then digitised: day and time of day."""
NAMES: Final = {
    (2, 5): "title",
    (2, 25): "keywords",
    (2, 55): "date_created",
    (2, 60): "time_created",
    (2, 62): "digital_date_created",
    (2, 63): "digital_time_created",
    (2, 80): "by_line",
    (2, 90): "city",
    (2, 92): "sublocation",
    (2, 95): "province",
    (2, 101): "country",
    (2, 105): "headline",
    (2, 110): "credit",
    (2, 115): "source",
    (2, 116): "copyright",
    (2, 120): "caption",
}


def texts(records: Records, key: tuple[int, int], limit: int = 300) -> list[str]:
    value = records.get(key)
    values = value if isinstance(value, list) else [value]
    found = (text_of(decoded(one), limit) for one in values if isinstance(one, bytes))
    return [text for text in found if text is not None]


def decoded(value: bytes) -> str:
    """Few programs tell their alphabet, and some lie: what is not UTF-8 is that of western Windows."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")


def single(records: Records, key: tuple[int, int], limit: int = 300) -> str | None:
    return next(iter(texts(records, key, limit)), None)


def clocks_of(records: Records) -> list[Clock]:
    found = [clock(single(records, day), single(records, time)) for day, time in DATES]
    return [one for one in found if one is not None]


def clock(day: str | None, time: str | None) -> Clock | None:
    """`20220110` and `151544-0400`. An offset of `+0000` is what programs write that know none."""
    date = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)", day or "")
    hours = re.fullmatch(r"(\d\d):?(\d\d):?(\d\d)([+-]\d\d:?\d\d)?", time or "")
    if date is None:
        return None
    if hours is None:
        return clock_of("-".join(date.groups()))
    offset = hours[4] if hours[4] and hours[4].strip("+-0:") else None
    return clock_of(f"{'-'.join(date.groups())}T{hours[1]}:{hours[2]}:{hours[3]}", None, offset)


def title_of(records: Records) -> str | None:
    return single(records, TITLE)


def caption_of(records: Records, limit: int) -> str | None:
    return single(records, CAPTION, limit)


def keywords_of(records: Records) -> list[str]:
    return texts(records, KEYWORDS)


def readable(records: Records) -> dict[str, Any]:
    """The records that have a name here, as text."""
    found = {name: texts(records, key, 1000) for key, name in NAMES.items()}
    return {name: values if name == "keywords" else values[0] for name, values in found.items() if values}
