"""Pure: one face through the frames of a film becomes one track, with its best frame and when it is to be seen.

Frames are seconds apart and shots change between them, so what a face looks like tells more than where it is. Two
faces of one frame never come into one track. Only a small picture of the best frame of each track is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.faces.boxes import Box
from ml.faces.seeing import Seen

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

ALIKE: Final = 0.58
"""Cosine from which two faces are one: the distance of 0.42 at which faces are given to people."""
SIMILAR: Final = 0.4
"""The same for a face that stands where one stood in the frame before."""
STAYED: Final = 0.5
"""Overlap of the boxes of such a face."""
MOST: Final = 300
"""Tracks of a film; above that those with the worst picture are given up."""


@dataclass(slots=True)
class Track:
    """One face of a film so far."""

    best: Seen
    second: float
    """Of the best frame."""
    crop: Pixels
    total: Floats | None
    """Sum of the embeddings: its direction is that of their mean."""
    sightings: list[tuple[float, Box]] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)

    def take(self, face: Seen, second: float, frame: int) -> None:
        self.sightings.append((second, face.box))
        self.frames.append(frame)

    def likeness(self, face: Seen, frame: int) -> float | None:
        """How well a face of this frame goes with the track: more is better, None is not at all."""
        stayed = self.sightings[-1][1].overlap(face.box) if self.frames[-1] == frame - 1 else 0.0
        if self.total is None or face.embedding is None:
            return stayed if stayed >= STAYED else None
        cosine = float(self.total @ face.embedding / max(1e-9, float(np.linalg.norm(self.total))))
        return cosine + stayed if cosine >= (SIMILAR if stayed >= STAYED else ALIKE) else None


def worth(face: Seen) -> tuple[bool, float]:
    """Of two pictures of one face the greater is the better one: any that is not blurred goes before all that are."""
    return not face.blurred, face.quality


class Tracks:
    """Fed frame by frame, in the order of time."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.seconds: list[float] = []

    def add(self, second: float, faces: Sequence[Seen], crop: Callable[[Seen], Pixels]) -> None:
        """All faces of one frame; `crop` makes the small picture of one of them."""
        frame = len(self.seconds)
        self.seconds.append(second)
        with_track = dict(self.pairs(faces, frame))
        for number, face in enumerate(faces):
            track = with_track.get(number)
            if track is None:
                track = Track(face, second, crop(face), None)
                self.tracks.append(track)
            elif worth(face) > worth(track.best):
                track.best, track.second, track.crop = face, second, crop(face)
            if face.embedding is not None:
                track.total = face.embedding if track.total is None else track.total + face.embedding
            track.take(face, second, frame)
        if len(self.tracks) > MOST:
            self.tracks = sorted(self.tracks, key=lambda one: worth(one.best), reverse=True)[:MOST]

    def pairs(self, faces: Sequence[Seen], frame: int) -> Iterator[tuple[int, Track]]:
        """Which face goes on with which track: the best pair first, each face and each track once."""
        likely = [
            (likeness, number, place)
            for number, face in enumerate(faces)
            for place, track in enumerate(self.tracks)
            if (likeness := track.likeness(face, frame)) is not None
        ]
        taken: tuple[set[int], set[int]] = set(), set()
        for _, number, place in sorted(likely, key=lambda one: (-one[0], one[1], one[2])):
            if number not in taken[0] and place not in taken[1]:
                taken[0].add(number)
                taken[1].add(place)
                yield number, self.tracks[place]

    def spans(self, track: Track, duration: float) -> list[tuple[float, float]]:
        """From the first frame of a row of frames with the face to the first one without it, in seconds."""
        spans: list[tuple[float, float]] = []
        last = None
        for frame in track.frames:
            following = self.seconds[frame + 1] if frame + 1 < len(self.seconds) else duration
            start = spans.pop()[0] if spans and last == frame - 1 else self.seconds[frame]
            spans.append((start, max(following, self.seconds[frame])))
            last = frame
        return spans
