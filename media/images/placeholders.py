"""What a list shows before a picture has loaded: a ThumbHash of some 25 bytes and one dominant colour.

ThumbHash is Evan Wallace's algorithm (github.com/evanw/thumbhash, MIT): a handful of cosine terms of
luminance and two colour differences. Written here with numpy after the public reference, to give the same
bytes.
Computed from pixels that are decoded already; no second decode.
"""

import base64
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.tools import vips
from media.tools.vips import Image

Floats = NDArray[np.float64]
SIDE: Final = 100
"""The algorithm wants at most 100 x 100 pixels."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    thumbhash: str
    """Base64."""
    color: str
    """`#rrggbb`."""

    def as_facts(self) -> dict[str, str]:
        return {"thumbhash": self.thumbhash, "color": self.color}


def placeholder_of(image: Image) -> Placeholder:
    """From any decoded sRGB picture of 3 or 4 bands."""
    small = vips.shrink(image, SIDE, SIDE)
    pixels = np.frombuffer(vips.pixels_of(small), dtype=np.uint8).reshape(
        small.height, small.width, small.bands
    )
    if small.bands == 3:
        opaque = np.full((*pixels.shape[:2], 1), 255, dtype=np.uint8)
        pixels = np.concatenate((pixels, opaque), axis=2)
    return Placeholder(base64.b64encode(thumbhash(pixels)).decode(), dominant_color(pixels))


def dominant_color(rgba: NDArray[np.uint8]) -> str:
    """The mean of the fullest of 4,096 colour cells (4 bits a channel), transparent pixels apart."""
    visible = rgba.reshape(-1, 4)
    visible = visible[visible[:, 3] >= 128][:, :3]
    if len(visible) == 0:
        return "#ffffff"
    cells = (visible >> 4).astype(np.int64) @ np.array([256, 16, 1])
    fullest = np.bincount(cells, minlength=4096).argmax()
    red, green, blue = visible[cells == fullest].mean(axis=0).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


@dataclass(frozen=True, slots=True)
class Channel:
    """Cosine terms of one channel: the constant, the others scaled to 0..1, and their scale."""

    constant: float
    terms: list[float]
    scale: float


def thumbhash(rgba: NDArray[np.uint8]) -> bytes:
    """`rgba`: rows x columns x 4, at most 100 a side."""
    height, width = rgba.shape[:2]
    colors, alpha = rgba[:, :, :3].astype(np.float64) / 255, rgba[:, :, 3].astype(np.float64) / 255
    weight = alpha.sum()
    average = (colors * alpha[:, :, None]).sum(axis=(0, 1)) / weight if weight else np.zeros(3)
    has_alpha = bool(weight < width * height)
    blended = average * (1 - alpha[:, :, None]) + colors * alpha[:, :, None]
    red, green, blue = blended[:, :, 0], blended[:, :, 1], blended[:, :, 2]

    limit, longest = (5 if has_alpha else 7), max(width, height)
    across, down = max(1, rounded(limit * width / longest)), max(1, rounded(limit * height / longest))
    luminance = encode_channel((red + green + blue) / 3, max(3, across), max(3, down))
    yellow_blue = encode_channel((red + green) / 2 - blue, 3, 3)
    red_green = encode_channel(red - green, 3, 3)
    channels = [luminance, yellow_blue, red_green]
    head = header(
        luminance,
        yellow_blue,
        red_green,
        has_alpha=has_alpha,
        landscape=width > height,
        across=across,
        down=down,
    )
    if has_alpha:
        opacity = encode_channel(alpha, 5, 5)
        head.append(rounded(15 * opacity.constant) | rounded(15 * opacity.scale) << 4)
        channels.append(opacity)
    return bytes(head) + nibbles([term for channel in channels for term in channel.terms])


def header(
    luminance: Channel,
    yellow_blue: Channel,
    red_green: Channel,
    *,
    has_alpha: bool,
    landscape: bool,
    across: int,
    down: int,
) -> list[int]:
    first = (
        rounded(63 * luminance.constant)
        | rounded(31.5 + 31.5 * yellow_blue.constant) << 6
        | rounded(31.5 + 31.5 * red_green.constant) << 12
        | rounded(31 * luminance.scale) << 18
        | int(has_alpha) << 23
    )
    second = (
        (down if landscape else across)
        | rounded(63 * yellow_blue.scale) << 3
        | rounded(63 * red_green.scale) << 9
        | int(landscape) << 15
    )
    return [first & 255, first >> 8 & 255, first >> 16, second & 255, second >> 8]


def encode_channel(channel: Floats, across: int, down: int) -> Channel:
    height, width = channel.shape
    constant, terms, scale = 0.0, [], 0.0
    columns = np.cos(np.pi / width * np.outer(np.arange(across), np.arange(width) + 0.5))
    rows = np.cos(np.pi / height * np.outer(np.arange(down), np.arange(height) + 0.5))
    table = rows @ channel @ columns.T / (width * height)
    for y in range(down):
        x = 0
        while x * down < across * (down - y):
            term = float(table[y, x])
            if x or y:
                terms.append(term)
                scale = max(scale, abs(term))
            else:
                constant = term
            x += 1
    if scale:
        terms = [0.5 + 0.5 / scale * term for term in terms]
    return Channel(constant, terms, scale)


def nibbles(terms: list[float]) -> bytes:
    """Two terms a byte, the first in the low half."""
    values = [rounded(15 * term) for term in terms]
    values += [0] * (len(values) % 2)
    return bytes(low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True))


def rounded(value: float) -> int:
    """As JavaScript rounds, so that the bytes are those of the reference."""
    return math.floor(value + 0.5)
