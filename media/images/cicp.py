"""Colours that a picture tells by numbers and not by a profile: ITU-T H.273, the `nclx` box of AVIF and HEIC.

Decoders take such pixels for sRGB, so that high dynamic range (PQ, HLG) would come out grey and wide colours pale.
Here they become light, BT.709 primaries, and sRGB again. What is brighter than paper white (203 cd/m2, BT.2408) is
rolled off up to 1,000 cd/m2 by the curve of Mobius; below half of white nothing changes.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.tools import vips
from media.tools.vips import Image

Floats = NDArray[np.float32]

HEAD: Final = 64 * 1024
"""Bytes in which the box must be; it lies in the first thousand."""
BT2020, P3 = 9, 12
SRGB, PQ, HLG = 13, 16, 18
TO_BT709: Final = {
    BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    P3: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
}
"""Linear light. ITU-R BT.2087; Display P3 after SMPTE EG 432-1."""
PAPER: Final = 203.0
PEAK: Final = 1000.0 / PAPER
KNEE: Final = 0.5
STEPS: Final = 65_536
ROWS: Final = 256
"""Rows at a time, so that a large picture is never in memory as floating point."""


@dataclass(frozen=True, slots=True)
class Coding:
    """Numbers of H.273."""

    primaries: int
    transfer: int

    @property
    def is_srgb(self) -> bool:
        return self.primaries not in TO_BT709 and self.transfer not in {PQ, HLG}


def find_coding(path: Path) -> Coding | None:
    """Of an AVIF; None where nothing is to be converted. The first box is that of the picture, not of its gain map."""
    with path.open("rb") as reader:
        head = reader.read(HEAD)
    place = head.find(b"colrnclx")
    if place < 0 or len(head) < place + 12:
        return None
    primaries = int.from_bytes(head[place + 8 : place + 10], "big")
    coding = Coding(primaries, int.from_bytes(head[place + 10 : place + 12], "big"))
    return None if coding.is_srgb else coding


def to_srgb(image: Image, coding: Coding) -> Image:
    """8 bits a band, alpha kept."""
    deep = image.format == "ushort"
    stored = np.frombuffer(vips.pixels_of(image), dtype=np.uint16 if deep else np.uint8)
    pixels = stored.reshape(image.height, image.width, image.bands)
    out = np.empty(pixels.shape, dtype=np.uint8)
    for top in range(0, image.height, ROWS):
        rows = pixels[top : top + ROWS].astype(np.uint16)
        codes = rows if deep else rows * 257
        out[top : top + ROWS] = codes >> 8
        out[top : top + ROWS, :, :3] = converted(codes[:, :, :3], coding)
    return vips.from_pixels(out.tobytes(), image.width, image.height, image.bands)


def converted(codes: NDArray[np.uint16], coding: Coding) -> NDArray[np.uint8]:
    light: Floats = linear_of(coding.transfer)[codes]
    if coding.transfer == HLG:
        light = displayed(light)
    if coding.primaries in TO_BT709:
        light = light @ np.array(TO_BT709[coding.primaries], dtype=np.float32).T
    light = np.maximum(light, 0)
    if coding.transfer in {PQ, HLG}:
        light = rolled_off(light)
    return srgb_steps()[(np.minimum(light, 1) * (STEPS - 1)).astype(np.uint16)]


@cache
def linear_of(transfer: int) -> Floats:
    """Light for each of 65,536 codes, 1 for paper white (of HLG: for the brightest scene)."""
    code: NDArray[np.float64] = np.linspace(0, 1, STEPS)
    light: NDArray[np.float64]
    if transfer == PQ:  # SMPTE ST 2084.
        root = code ** (32 / 2523)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (16384 / 2610)
        light *= 10_000 / PAPER
    elif transfer == HLG:  # ARIB STD-B67.
        light = np.where(
            code <= 0.5, code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
    else:
        light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return np.asarray(light, dtype=np.float32)


def displayed(scene: Floats) -> Floats:
    """From HLG's light of a scene to that of a screen of 1,000 cd/m2 (BT.2100, gamma 1.2)."""
    luminance = scene @ np.array([0.2627, 0.678, 0.0593], dtype=np.float32)
    gain = PEAK * np.maximum(luminance, 1e-6) ** 0.2
    return np.asarray(scene * gain[:, :, None], dtype=np.float32)


def rolled_off(light: Floats) -> Floats:
    """By the brightest of the three, so that hues stay: equal up to KNEE, 1 at PEAK."""
    brightest = np.minimum(light.max(axis=2), PEAK)
    a = -(KNEE**2) * (PEAK - 1) / (KNEE**2 - 2 * KNEE + PEAK)
    b = (KNEE**2 - 2 * KNEE * PEAK + PEAK) / (PEAK - 1)
    soft = (b * b + 2 * b * KNEE + KNEE**2) / (b - a) * (brightest + a) / (brightest + b)
    factor = np.where(brightest > KNEE, soft / np.maximum(brightest, KNEE), 1)
    rolled: Floats = light * factor[:, :, None].astype(np.float32)
    return rolled


@cache
def srgb_steps() -> NDArray[np.uint8]:
    light = np.linspace(0, 1, STEPS)
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(code * 255).astype(np.uint8)
