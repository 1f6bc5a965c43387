"""Icons hold whole pictures of other formats, whose own headers may say more than the icon's directory.

Pillow decodes what lies inside without a limit of ours, an ICO even to open it, so those headers are read here first.
ICO: Microsoft's directory of DIB and PNG; ICNS: Apple's parts, some of which are PNG or JPEG 2000.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from media.tools.limits import PixelLimits, check_limits

TYPES: Final = frozenset({"image/vnd.microsoft.icon", "image/x-icns"})
PNG: Final = b"\x89PNG\r\n\x1a\n"
CODESTREAM: Final = b"\xff\x4f\xff\x51"
MOST_MEGAPIXELS: Final = 17.0
"""4096 x 4096. Icons have 1024 x 1024 at most; their JPEG 2000 is decoded whole, at 16 bytes a pixel."""
JPEG_2000: Final = (b"\x00\x00\x00\x0cjP  ", CODESTREAM)


def check(path: Path, limits: PixelLimits) -> None:
    """Raises TooLargeError where any picture inside is too large. To be asked before Pillow sees the file."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as reader, mmap.mmap(reader.fileno(), 0, access=mmap.ACCESS_READ) as data:
        within = replace(limits, megapixels=min(MOST_MEGAPIXELS, limits.megapixels))
        for width, height in sizes_within(data):
            check_limits(width, height, 1, within)


def sizes_within(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Width and height of every picture inside that says its own size."""
    for start in apple_parts(data) if data[:4] == b"icns" else microsoft_parts(data):
        if size := size_at(data, start):
            yield size


def microsoft_parts(data: mmap.mmap) -> Iterator[int]:
    (count,) = struct.unpack("<H", data[4:6].ljust(2, b"\0"))
    for number in range(count):
        position = 6 + 16 * number
        if position + 16 > len(data):
            return
        yield struct.unpack_from("<I", data, position + 12)[0]


def apple_parts(data: mmap.mmap) -> Iterator[int]:
    position = 8
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position + 4)
        yield position + 8
        position += max(8, length)


def size_at(data: mmap.mmap, start: int) -> tuple[int, int] | None:
    """Of a PNG, a DIB or a JPEG 2000; None for bare pixels, whose size is the directory's."""
    head = data[start : start + 4096]
    if head.startswith(PNG) and len(head) >= 24:
        return struct.unpack_from(">II", head, 16)
    if head.startswith(JPEG_2000):
        at = head.find(CODESTREAM)
        return struct.unpack_from(">II", head, at + 8) if 0 <= at <= len(head) - 16 else None
    if data[:4] == b"\x00\x00\x01\x00" and len(head) >= 12:
        width, height = struct.unpack_from("<ii", head, 4)
        return abs(width), abs(height)
    return None
