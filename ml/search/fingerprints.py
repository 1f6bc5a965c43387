"""A perceptual hash: 64 bits that stay nearly the same when a picture is encoded anew or made smaller. Pure.

pHash (Christoph Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010): the lowest 8 x 8
terms of the cosine transform of 32 x 32 greys, each told to be above or below their median. Embeddings say whether two
pictures mean the same, and of a burst they all do; this says whether they show the same, line by line.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.search.resampling import Pixels, squashed

SIDE: Final = 32
TERMS: Final = 8
BITS: Final = 64
LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601."""


def cosines() -> NDArray[np.float64]:
    """The lowest terms of the cosine transform (type II), terms x pixels."""
    places = (2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
    return np.cos(np.arange(TERMS)[:, None] * places[None, :])


TRANSFORM: Final = cosines()


def fingerprint(pixels: Pixels) -> int:
    """64 bits as a signed number, which is what a bigint holds."""
    grey = np.rint(squashed(pixels, SIDE, SIDE) @ LUMA)
    terms = (TRANSFORM @ grey @ TRANSFORM.T).ravel()
    above = terms > np.median(terms)
    packed: bytes = np.packbits(above).tobytes()
    return int.from_bytes(packed, "big", signed=True)


def difference(one: int, other: int) -> int:
    """Bits in which two fingerprints differ, 0 to 64."""
    differing: int = (one ^ other) & ((1 << BITS) - 1)
    return differing.bit_count()
