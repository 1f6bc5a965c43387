"""Adobe RGB (1998) as an ICC profile, for pictures that say by a tag of DCF that they mean it and carry none.

A matrix and a gamma make all of it (ICC.1:2001, three-component matrix-based profiles), so it is written here and not
shipped as a file. Colorants are those of the standard, adapted to D50.
"""

import struct
from functools import lru_cache
from typing import Final

D50: Final = (0.96420, 1.0, 0.82491)
COLORANTS: Final = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}
GAMMA: Final = 0x0233
"""2.19921875 in 8.8 fixed point."""


@lru_cache(maxsize=1)
def adobe_rgb() -> bytes:
    tags = {b"desc": description(), b"cprt": b"text\0\0\0\0No copyright\0", b"wtpt": xyz(*D50)}
    tags |= {name: xyz(*values) for name, values in COLORANTS.items()}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, GAMMA)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    head = struct.pack(
        ">I4x4s4s4s4s12x4s28x", start + len(body), b"\x02\x10\0\0", b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    return head + b"".join(map(fixed, D50)) + b"\0" * 48 + table + body


def xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(x) + fixed(y) + fixed(z)


def fixed(value: float) -> bytes:
    """15.16 fixed point."""
    return struct.pack(">i", round(value * 65536))


def description() -> bytes:
    """The text three times: in ASCII, and not at all in Unicode and for old Macs."""
    name = b"Compatible with Adobe RGB (1998)\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + b"\0" * (8 + 3 + 67)
