"""A step: the short film inside a motion photo, as a place in the file. The file is looked at, not believed.

Google's two ways say in XMP how many bytes before the end the film begins. Samsung's older one marks its
beginning with a name and the end with the letters of its own directory.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SAMSUNG_BEGIN, SAMSUNG_END, SAMSUNG_LAST = b"MotionPhoto_Data", b"SEFH", b"SEFT"


@dataclass(frozen=True, slots=True)
class Motion:
    """Bytes of the file that are a film by themselves."""

    offset: int
    length: int
    mime: str = "video/mp4"


TYPES: Final = frozenset({"image/jpeg", "image/heic", "image/heif", "image/avif"})


def motion_of(path: Path, mime: str, told: tuple[int, int] | None) -> Motion | None:
    """`told`: bytes before the end, and length. None where no film begins there."""
    size = path.stat().st_size
    if mime not in TYPES or size < len(SAMSUNG_BEGIN):
        return None
    with path.open("rb") as reader, mmap.mmap(reader.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if told is not None and begins_film(data, size - told[0]):
            return Motion(size - told[0], min(told[1], told[0]))
        return of_samsung(data) if data[-4:] == SAMSUNG_LAST else None


def of_samsung(data: mmap.mmap) -> Motion | None:
    end = data.rfind(SAMSUNG_END)
    begin = data.rfind(SAMSUNG_BEGIN, 0, max(0, end)) + len(SAMSUNG_BEGIN)
    if begin < len(SAMSUNG_BEGIN) or not begins_film(data, begin):
        return None
    return Motion(begin, end - begin)


def begins_film(data: mmap.mmap, offset: int) -> bool:
    """Every MP4 begins with the box that names its brand."""
    return 0 < offset < len(data) - 8 and data[offset + 4 : offset + 8] == b"ftyp"
