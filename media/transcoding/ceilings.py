"""What an operator allows: how many bits a second a browser is sent, how large a film is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from alcoves import env
from media.errors import TooLargeError

SHORT_SIDE: Final = 1080
LONG_SIDE: Final = 4096
"""No level of H.264 that browsers decode goes wider."""
FASTEST: Final = 60.0
"""Frames a second of a proxy."""

CODED: Final = 1.1
"""Times its pixels that a frame has at most in a decoder, which works in whole blocks."""
MOST_PIXELS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Read anew for each run: tests and operators change the environment."""

    bit_rate: int
    """Bits a second of a film that is sent as it is, and of the picture of a proxy."""
    megapixels: float
    """Of a frame. Decoding 8K takes 3 GB of memory, and more grows with the area."""

    @classmethod
    def from_environment(cls) -> Self:
        return cls(
            env.integer("ALCOVES_PROXY_MAX_BITRATE", 20_000_000, low=500_000),
            env.number("ALCOVES_VIDEO_MAX_MEGAPIXELS", 40, low=0.1),
        )

    @property
    def opening(self) -> tuple[str, ...]:
        """Options of an input that hold for every frame: one on its way may be larger than what the header says."""
        pixels = self.megapixels * 1_000_000 * CODED
        return "-max_pixels", str(min(MOST_PIXELS, round(pixels)))

    def check(self, video: Mapping[str, Any]) -> None:
        """TooLargeError for a film whose frames are larger than may be decoded."""
        width, height = int(video["stored_width"]), int(video["stored_height"])
        if width * height > self.megapixels * 1_000_000:
            raise TooLargeError(
                f"The video is {width} x {height} pixels and at most {self.megapixels:g} megapixels are"
                " decoded here. Make it smaller, or ask the operator to allow more."
            )
