"""What may be decoded, checked on the header before a single pixel is: for every decoder alike."""

import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from alcoves import env
from media.errors import TooLargeError

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
LIBPNG_SIDE: Final = 1_000_000
WEBP_MOVES: Final = 2
"""The flag of an animation."""
MOST_FRAMES: Final = 16_383
MOST_CHUNKS: Final = 2 * MOST_FRAMES
"""Parts of a WebP: its frames, and what lies between them."""
MOST_CHANNELS: Final = 16
"""Ink, light and depth of every picture that people make; what science stacks up to thousands is no picture here."""


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """What may be decoded. 100 megapixels is every camera but a few phones' 200-megapixel mode."""

    megapixels: float = 100.0
    """Of one frame."""
    side: int = 65_500
    frames: int = MOST_FRAMES
    """More is no picture. Fewer, but more than the limits for animations below: the first frame alone is shown."""
    bytes: int = 1024**3
    """Of the file. 100 megapixels of 16 bits with alpha, not compressed, are 800 MB."""
    animation_megapixels: float = 50.0
    """Of all frames together: they are in memory at once."""
    animation_frames: int = 1000
    seconds: float = 20.0
    """For decoding and everything that is made of it."""

    @classmethod
    def from_environment(cls) -> "PixelLimits":
        return cls(
            megapixels=env.number("ALCOVES_IMAGE_MAX_MEGAPIXELS", 100.0, low=1.0),
            bytes=env.integer("ALCOVES_IMAGE_MAX_BYTES", 1024**3, low=1),
            animation_megapixels=env.number("ALCOVES_IMAGE_MAX_ANIMATION_MEGAPIXELS", 50.0, low=0.0),
            seconds=env.number("ALCOVES_IMAGE_MAX_SECONDS", 20.0, low=1.0),
        )

    def deadline(self) -> float:
        """The moment, by the monotonic clock, at which work that begins now is given up."""
        return time.monotonic() + self.seconds

    def allow_animation(self, width: int, height: int, frames: int) -> bool:
        pixels = width * height * frames
        return frames <= self.animation_frames and pixels <= self.animation_megapixels * 1_000_000


def check_limits(width: int, height: int, frames: int, limits: PixelLimits, channels: int = 1) -> None:
    """Raise TooLargeError before anything is decoded."""
    if width * height > limits.megapixels * 1_000_000:
        raise TooLargeError(
            f"The picture has {width} x {height} pixels; the limit is {limits.megapixels:g} megapixels."
            " Make it smaller.",
            code="too_many_pixels",
        )
    if max(width, height) > limits.side:
        raise TooLargeError(
            f"The picture is {max(width, height)} pixels long; the limit is {limits.side}. Make it smaller.",
            code="too_many_pixels",
        )
    if frames > limits.frames:
        raise TooLargeError(
            f"The picture has {frames} frames; the limit is {limits.frames}. Upload it as a video.",
            code="too_many_frames",
        )
    if channels > MOST_CHANNELS:
        raise TooLargeError(
            f"The picture has {channels} channels; the limit is {MOST_CHANNELS}. Export it as RGB.",
            code="too_many_channels",
        )


def refuse_endless(path: Path) -> None:
    """What the decoders themselves have no word for, or need minutes to tell. Raises TooLargeError."""
    if not path.is_file():
        return
    with path.open("rb") as reader:
        head = reader.read(24)
        if head[:8] == PNG_SIGNATURE and len(head) == 24:
            refuse_endless_png(head)
        if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 24 and head[20] & WEBP_MOVES:
            refuse_endless_webp(reader)


def refuse_endless_png(head: bytes) -> None:
    """libpng calls sides beyond a million damaged, without a word of why. They are valid, and a bomb."""
    width, height = struct.unpack(">II", head[16:])
    if max(width, height) > LIBPNG_SIDE:
        raise TooLargeError(
            f"The picture says that it has {width} x {height} pixels. Make it smaller.",
            code="too_many_pixels",
        )


def refuse_endless_webp(reader: BinaryIO) -> None:
    """libwebp looks for each frame from the first on: for 100,000 of them that takes minutes, only to count them."""
    frames, chunks, position = 0, 0, 12
    while len(head := read_at(reader, position, 8)) == 8 and frames <= MOST_FRAMES and chunks <= MOST_CHUNKS:
        frames += head[:4] == b"ANMF"
        chunks += 1
        position += 8 + (struct.unpack("<I", head[4:])[0] + 1) // 2 * 2
    if frames > MOST_FRAMES or chunks > MOST_CHUNKS:
        raise TooLargeError(
            f"The picture has more than {MOST_FRAMES} frames. Upload it as a video.", code="too_many_frames"
        )


def read_at(reader: BinaryIO, position: int, size: int) -> bytes:
    reader.seek(position)
    return reader.read(size)
