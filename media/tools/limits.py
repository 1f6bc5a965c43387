"""What may be decoded, checked on the header before a single pixel is: for every decoder alike."""

import time
from dataclasses import dataclass

from alcoves import env
from media.errors import TooLargeError


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """What may be decoded. 100 megapixels is every camera but a few phones' 200-megapixel mode."""

    megapixels: float = 100.0
    """Of one frame."""
    side: int = 65_500
    frames: int = 16_383
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


def check_limits(width: int, height: int, frames: int, limits: PixelLimits) -> None:
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
