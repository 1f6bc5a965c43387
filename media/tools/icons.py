"""Icons hold whole pictures of other formats, whose own headers may say more than the icon's directory.

Pillow decodes what lies inside without a limit of ours, so those headers are read here first. ICO: Microsoft's
directory of DIB and PNG; ICNS: Apple's parts, some of which are PNG or JPEG 2000.
"""

import struct
from collections.abc import Iterator
from typing import Final

TYPES: Final = frozenset({"image/vnd.microsoft.icon", "image/x-icns"})
PNG: Final = b"\x89PNG\r\n\x1a\n"
CODESTREAM: Final = b"\xff\x4f\xff\x51"
JPEG_2000: Final = (b"\x00\x00\x00\x0cjP  ", CODESTREAM)


def sizes_within(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of every picture inside that says its own size."""
    for start in apple_parts(data) if data.startswith(b"icns") else microsoft_parts(data):
        if size := size_at(data, start):
            yield size


def microsoft_parts(data: bytes) -> Iterator[int]:
    (count,) = struct.unpack_from("<H", data.ljust(6, b"\0"), 4)
    for number in range(count):
        position = 6 + 16 * number
        if position + 16 > len(data):
            return
        yield struct.unpack_from("<I", data, position + 12)[0]


def apple_parts(data: bytes) -> Iterator[int]:
    position = 8
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position + 4)
        yield position + 8
        position += max(8, length)


def size_at(data: bytes, start: int) -> tuple[int, int] | None:
    """Of a PNG, a DIB or a JPEG 2000; None for bare pixels, whose size is the directory's."""
    head = data[start : start + 4096]
    if head.startswith(PNG) and len(head) >= 24:
        return struct.unpack_from(">II", head, 16)
    if head.startswith(JPEG_2000):
        at = head.find(CODESTREAM)
        return struct.unpack_from(">II", head, at + 8) if 0 <= at <= len(head) - 16 else None
    if data.startswith(b"\x00\x00\x01\x00") and len(head) >= 12:
        width, height = struct.unpack_from("<ii", head, 4)
        return abs(width), abs(height)
    return None
