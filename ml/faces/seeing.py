"""A step: from pixels to faces with all that is known of them: where, how good, and what tells them apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.faces import arcface, scrfd
from ml.faces.arcface import Recogniser
from ml.faces.boxes import Box
from ml.faces.quality import is_blurred, quality
from ml.faces.scrfd import Detector, Faces

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

MOST: Final = 300
"""Faces of one picture: those that the detector is most sure of."""
LOOKS: Final = ((3.0, 0), (1.5, 0), (3.0, 1), (3.0, 3), (3.0, 2))
"""For the face that a person has drawn: times the box, and quarters by which that part of the picture is turned. What
the detector does not find is too large or too small for it, cut by the edge, or of somebody who lies down."""
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
    blurred: bool = False
    """The embedding holds a track of a film together, but is too vague to tell whose the face is."""


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
        """The face that a person means by this box; None where the detector sees none there, however it looks.

        The surest of all looks counts: a face upside down is found too, but its eyes and mouth are not where they
        are taken to be, and its embedding would be that of a stranger.
        """
        height, width = pixels.shape[:2]
        best: Faces | None = None
        for around, quarters in LOOKS:
            found = self.look_at(pixels, box.grown(around), quarters)
            fitting = [box.overlap(share(one, width, height)) >= DRAWN_OVERLAP for one in found.boxes]
            likely = found.only(np.array(fitting, dtype=bool)).only(slice(1))
            if len(likely) and (best is None or likely.scores[0] > best.scores[0]):
                best = likely
        return None if best is None else self.described(pixels, best)[0]

    def look_at(self, pixels: Pixels, part: Box, quarters: int) -> Faces:
        """The faces of a part of the picture, enlarged and turned; in pixels of the whole."""
        height, width = pixels.shape[:2]
        left, top = min(int(part.x * width), width - 1), min(int(part.y * height), height - 1)
        right, bottom = round((part.x + part.width) * width), round((part.y + part.height) * height)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        turned = np.ascontiguousarray(np.rot90(pixels[top:bottom, left:right], quarters))
        found = self.detector.look(turned, DRAWN_LEAST, self.detector.side or scrfd.SIDE)
        return found.turned_back(quarters, right - left, bottom - top).moved(left, top)

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
            face is not None and is_blurred(face),
        )


def share(corners: Floats, width: int, height: int) -> Box:
    """Of a box in pixels, which lies within the picture."""
    left, top, right, bottom = (float(value) for value in corners)
    return Box(left / width, top / height, (right - left) / width, (bottom - top) / height)
