"""A gallery in memory that compares exactly: what `ml.faces.clustering` does, without a database."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

import numpy as np

from ml.faces.clustering import Known, Near
from tests.bench.identities import Vectors

Uuids = list[UUID]


class MemoryGallery:
    """Faces are added as they come; implements `ml.faces.clustering.Gallery`. Row n of the vectors is face n."""

    def __init__(self, vectors: Vectors, count: int) -> None:
        self.vectors = vectors
        self.known: list[Known] = []
        self.people: dict[UUID, None] = {}
        self._count = count
        self._rows: dict[UUID, int] = {}
        self._near: dict[UUID, list[Near]] = {}
        self._originals: dict[UUID, list[Known]] = defaultdict(list)
        self._made = 0

    def add(self, faces: Sequence[Known]) -> None:
        """The next rows. What was found before may be other faces now."""
        self._near = {}
        for face in faces:
            self._rows[face.id] = len(self.known)
            self.known.append(face)
            self._originals[face.original].append(face)

    def prepare(self, faces: Collection[UUID]) -> None:
        missing = [key for key in faces if key not in self._near]
        if not missing:
            return
        rows = [self._rows[key] for key in missing]
        distances = 1 - self.vectors[rows] @ self.vectors[: len(self.known)].T
        distances[np.arange(len(rows)), rows] = 9
        most = min(self._count, len(self.known) - 1)
        if most < 1:
            self._near.update((key, []) for key in missing)
            return
        nearest = np.argpartition(distances, most - 1, axis=1)[:, :most]
        for number, key in enumerate(missing):
            found = nearest[number]
            ordered = found[np.lexsort((found, distances[number, found]))]
            self._near[key] = [
                (self.known[row].id, float(distances[number, row])) for row in ordered.tolist()
            ]

    def face(self, key: UUID) -> Known:
        return self.known[self._rows[key]]

    def near(self, key: UUID, count: int) -> Sequence[Near]:
        self.prepare([key])
        return self._near[key][:count]

    def beside(self, key: UUID) -> Sequence[Known]:
        return [one for one in self._originals[self.face(key).original] if one.id != key]

    def put(self, face: Known, person: UUID, distance: float | None) -> None:
        """The clustering changes `Known.person` itself."""

    def create(self) -> UUID:
        self._made += 1
        key = UUID(int=self._made)
        self.people[key] = None
        return key

    def merge(self, person: UUID, into: UUID) -> None:
        del self.people[person]
