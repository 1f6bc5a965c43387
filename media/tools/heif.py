"""The HEIC door: pi-heif registered with Pillow, and the one limit of libheif that honest pictures go over.

libheif refuses files with more than 1,000 items; bursts and large mosaics of phones have more. Its other limits
(pixels, tiles, memory, nesting) stay as they are. The binding offers only to switch off all of them, so the number is
set in the library's own table, which each file copies when it is opened; where that table looks different, it is left.
"""

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Final

TYPES: Final = frozenset({"image/heic", "image/heif"})
MOST_ITEMS: Final = 10_000
USUAL_ITEMS: Final = 1000
TABLE_VERSIONS: Final = range(1, 10)
"""`heif_security_limits` only ever grows at its end; these fields are in all of them."""


class SecurityLimits(ctypes.Structure):
    """The first fields of `heif_security_limits` (libheif/heif_security.h)."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("max_image_size_pixels", ctypes.c_uint64),
        ("max_number_of_tiles", ctypes.c_uint64),
        ("max_bayer_pattern_pixels", ctypes.c_uint32),
        ("max_items", ctypes.c_uint32),
    )


@lru_cache(maxsize=1)
def register() -> None:
    """Make Pillow able to open HEIC, once in a process."""
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    for path in sorted(Path(pi_heif.__file__).parent.parent.glob("pi_heif.libs/libheif-*.so*")):
        allow_many_items(ctypes.CDLL(str(path)))


def allow_many_items(library: ctypes.CDLL) -> None:
    library.heif_get_global_security_limits.restype = ctypes.POINTER(SecurityLimits)
    limits = library.heif_get_global_security_limits()[0]
    if limits.version in TABLE_VERSIONS and limits.max_items == USUAL_ITEMS:
        limits.max_items = MOST_ITEMS


def can_decode() -> bool:
    """Whether the libheif that is here decodes HEVC. Raises ImportError where it is missing."""
    import pi_heif

    return any("hevc" in name.lower() for name in pi_heif.libheif_info()["decoders"].values())
