"""A step: from pixels to faces with all that is known of them: where, how good, and what tells them apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.faces import arcface, scrfd
from ml.faces.arcface import Recogniser
from ml.faces.boxes import Box
from ml.faces.quality import quality
from ml.faces.scrfd import Detector, Faces

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

MOST: Final = 300
"""Faces of one picture: those that the detector is most sure of."""
AROUND: Final = 3.0
"""Times the box that a person has drawn in which its face is looked for."""
DRAWN_LEAST: Final = 0.1
"""Score that is enough where a person says that there is a face."""
DRAWN_OVERLAP: Final = 0.2


@dataclass(frozen=True, slots=True)
class Seen:
    """One face. Places are shares of the picture."""

    box: Box
    landmarks: tuple[tuple[float, float], ...]
    """Eyes, nose, corners of the mouth; some may lie outside of the picture."""
    score: float
    quality: float
    embedding: Floats | None
    """512 numbers of length 1; None where none can be made."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Both models, and the score (0 to 1) from which something counts as a face."""

    detector: Detector
    recogniser: Recogniser
    least: float

    def faces(self, pixels: Pixels) -> list[Seen]:
        """All of an upright picture, rows x columns x RGB; the surest first."""
        return self.described(pixels, self.detector.find(pixels, self.least).only(slice(MOST)))

    def face_in(self, pixels: Pixels, box: Box) -> Seen | None:
        """The face that a person means by this box; None where the detector sees none there."""
        height, width = pixels.shape[:2]
        part = box.grown(AROUND)
        left, top = int(part.x * width), int(part.y * height)
        right, bottom = round((part.x + part.width) * width), round((part.y + part.height) * height)
        if right <= left or bottom <= top:
            return None
        found = self.detector.look(
            pixels[top:bottom, left:right], DRAWN_LEAST, self.detector.side or scrfd.SIDE
        )
        whole = found.moved(left, top)
        fitting = [box.overlap(share(one, width, height)) for one in whole.boxes]
        if not fitting or max(fitting) < DRAWN_OVERLAP:
            return None
        return self.described(pixels, whole.only(np.array([int(np.argmax(fitting))])))[0]

    def described(self, pixels: Pixels, found: Faces) -> list[Seen]:
        faces = [arcface.aligned(pixels, landmarks) for landmarks in found.landmarks]
        embeddings = iter(self.recogniser.embed([face for face in faces if face is not None]))
        return list(told(pixels, found, faces, embeddings))


def told(
    pixels: Pixels, found: Faces, faces: list[Pixels | None], embeddings: Iterator[Floats | None]
) -> Iterator[Seen]:
    height, width = pixels.shape[:2]
    sides = found.sides
    for number, face in enumerate(faces):
        landmarks, score = found.landmarks[number], float(found.scores[number])
        yield Seen(
            share(found.boxes[number], width, height),
            tuple((float(x) / width, float(y) / height) for x, y in landmarks),
            score,
            0.0 if face is None else quality(face, landmarks, float(sides[number]), score),
            None if face is None else next(embeddings),
        )


def share(corners: Floats, width: int, height: int) -> Box:
    """Of a box in pixels, which lies within the picture."""
    left, top, right, bottom = (float(value) for value in corners)
    return Box(left / width, top / height, (right - left) / width, (bottom - top) / height)
