"""The JPEG XL door: libjxl inside ffmpeg, which sets the picture upright and hands it over as PNG.

A profile of the file's own travels in the PNG. Where libjxl has had to name a colour space instead (BT.2020 for lossy
pictures of wide gamut, PQ or HLG), the PNG says so in a chunk that libvips does not read: those are converted here.
"""

import base64
import struct
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from media.errors import DamagedFileError, UnsupportedTypeError
from media.tools import ffmpeg, ffprobe, graphs
from media.tools.run import ExitedError, Limits

TYPES: Final = frozenset({"image/jxl"})
DEMUXER: Final = "jpegxl_pipe"
"""It opens animations too, and gives their first frame."""
TIMEOUT: Final = 60.0
PADDING: Final = 128
LIMITS: Final = Limits(memory_bytes=8 * 1024**3, cpu_seconds=60)
MOST_ANSWER: Final = 1024**3
WIDE: Final = {9, 11, 12}
"""Primaries by their numbers in ITU-T H.273: BT.2020 and the two of P3."""
LINEAR: Final = 8
HDR_CURVES: Final = {16, 18}
"""PQ and HLG."""

TO_SRGB: Final = "zscale=p=bt709:t=iec61966-2-1"
FROM_HDR: Final = f"zscale=t=linear:npl=100,{ffmpeg.TONE_MAP},zscale=t=iec61966-2-1,format=rgb24"


PNG: Final = b"\x89PNG"
SAMPLE: Final = base64.b64decode("/woJwUoIABAAiABLOGmYyoP3K0gIgBrxYzDyAiIADFLFNECu1Dz6e5EdOqAB")
"""A picture of 60 x 40 with alpha."""


@dataclass(frozen=True, slots=True)
class JxlHeader:
    """As displayed."""

    width: int
    height: int


@lru_cache(maxsize=1)
def works() -> bool:
    """Whether the ffmpeg of this machine really decodes one. Raises ToolMissingError where there is none."""
    with tempfile.NamedTemporaryFile(suffix=".jxl") as file:
        file.write(SAMPLE)
        file.flush()
        try:
            return decode(Path(file.name), pixels=padded(JxlHeader(60, 40))).startswith(PNG)
        except (DamagedFileError, UnsupportedTypeError, ExitedError):
            return False


def open_header(path: Path) -> JxlHeader:
    """Raises DamagedFileError. ffprobe reads the size without a decoder."""
    streams = ffprobe.read(path, DEMUXER).get("streams", [])
    width, height = (int(streams[0].get(name) or 0) for name in ("width", "height")) if streams else (0, 0)
    if min(width, height) < 1:
        raise DamagedFileError("The picture is damaged and cannot be read. Upload it again.")
    return JxlHeader(width, height)


def padded(header: JxlHeader) -> int:
    """Pixels of the buffer that ffmpeg makes for a picture: its sides are rounded up."""
    return (header.width + PADDING) * (header.height + PADDING)


def decode(path: Path, *, pixels: int, timeout: float = TIMEOUT) -> bytes:
    """The first frame as PNG, upright, in sRGB or with its profile. The caller has checked the limits.

    `pixels`: the most, as `padded` says of the header: ffmpeg may decode another picture of the same file.
    """
    png = as_png(path, pixels, "", timeout)
    told = color_of(png)
    if told is None or not ffmpeg.capabilities().zscale:
        return png
    primaries, curve = told
    if curve in HDR_CURVES:
        return as_png(path, pixels, FROM_HDR, timeout)
    return as_png(path, pixels, TO_SRGB, timeout) if primaries in WIDE or curve == LINEAR else png


def as_png(path: Path, most: int, filters: str, timeout: float) -> bytes:
    picture = graphs.open_input(path, DEMUXER, "-max_pixels", str(most)).track("v").chain(filters)
    # Level 1: the PNG lives for a moment only.
    encode = ("-frames:v", "1", "-c:v", "png", "-compression_level", "1", "-f", "image2pipe")
    # Without -xerror this ffmpeg asks libjxl for the rest of a cut file for ever.
    arguments = graphs.arguments(graphs.write(graphs.PIPE, picture, options=encode), first=("-xerror",))
    done = ffmpeg.run(arguments, timeout=timeout, limits=LIMITS, stdout_limit=MOST_ANSWER)
    if not done.stdout:
        raise DamagedFileError(
            "The picture is damaged and cannot be decoded. Upload it again.", detail=done.stderr_tail
        )
    return done.stdout


def color_of(png: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of a `cICP` chunk, where there is no profile to go by."""
    position, found = 8, None
    while position + 8 <= len(png):
        length, name = struct.unpack_from(">I4s", png, position)
        if name == b"iCCP":
            return None
        if name == b"IDAT":
            break
        if name == b"cICP" and length >= 2:
            found = (png[position + 8], png[position + 9])
        position += 12 + length
    return found
