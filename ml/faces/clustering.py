"""Pure: whose face is this? Faces come a few at a time, and each finds its person by those that are like it.

`ml.faces.assigning` asks here with what the database knows (`Gallery`) and writes down the answer; `ml.faces.proposals`
asks at night. The rules are those of the reference, with what its users miss: two faces that are seen together are
never one person, what a user has decided is never changed and teaches the rest, and a face that came too early is
looked at again when others like it have found their person. docs/understanding.md tells them in words.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias
from uuid import UUID

ROUNDS: Final = 4
"""Looks at faces that were passed over, in one batch. What is still alone then waits for the next face like it."""
NOBODY: Final = UUID(int=0)
"""Stands for the person of faces that a user has left without one."""

Near: TypeAlias = tuple[UUID, float]
"""A face and its cosine distance: 0 the same direction, 1 nothing in common."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds are cosine distances. The defaults are the reference's."""

    max_distance: float = 0.42
    """A face belongs to the person of the nearest face, up to here."""
    min_faces: int = 3
    """So many that are like each other make a person."""
    neighbours: int = 80
    """Faces that are looked at around each."""
    candidates: float = 1.5
    """People are considered up to so many times the distance."""
    agreeing: float = 1.15
    """A face that is a little too far (a blurred one) still belongs to its person where several faces agree ..."""
    agreeing_faces: int = 5
    """... so many of them up to so many times the distance, and nobody else is considered."""
    merging: float = 0.85
    """A new person is one that is there already where it is as near as this to it ..."""
    merging_faces: int = 3
    """... in so many pairs ..."""
    samples: int = 5
    """... of its best faces ..."""
    sample_neighbours: int = 10
    """... and of the nearest of each."""


@dataclass(slots=True)
class Known:
    """A face as the clustering sees it. `person` is changed while it works."""

    id: UUID
    original: UUID
    person: UUID | None = None
    decided: bool = False
    """By a user; without a person: it is to stay nobody's."""
    quality: float = 0.0
    spans: Sequence[Sequence[float]] = ()
    """[start, end] seconds of a film; none for pictures."""
    refused: frozenset[UUID] = frozenset()
    """People that a user says it is not."""

    @property
    def owner(self) -> UUID | None:
        """The person it speaks for when it is near to another face."""
        return NOBODY if self.person is None and self.decided else self.person


def together(one: Known, other: Known) -> bool:
    """Whether both are seen at once: in one picture, or in one film at the same time. They are two people then."""
    if one.original != other.original or one.id == other.id:
        return False
    if not one.spans or not other.spans:
        return True
    return any(a[0] <= b[1] and b[0] <= a[1] for a in one.spans for b in other.spans)


Likeness: TypeAlias = tuple[Known, float]
"""A face that is like another, and how far it is."""


class Gallery(Protocol):
    """The faces of one library and one model, and what is done to them."""

    def prepare(self, faces: Collection[UUID]) -> None:
        """These are asked for next: a chance to fetch them at once."""
        ...

    def face(self, key: UUID) -> Known:
        """The same object each time."""
        ...

    def near(self, key: UUID, count: int) -> Sequence[Near]:
        """The nearest other faces, nearest first. A face without an embedding has none."""
        ...

    def beside(self, key: UUID) -> Sequence[Known]:
        """The other faces of the same original."""
        ...

    def put(self, face: Known, person: UUID, distance: float | None) -> None:
        """Remember that the model has put it there."""
        ...

    def create(self) -> UUID:
        """A new person."""
        ...

    def merge(self, person: UUID, into: UUID) -> None:
        """A person that `create` has made is another one after all."""
        ...


@dataclass(slots=True)
class Candidate:
    """A person who might be the one, by the faces around."""

    person: UUID
    nearest: float
    distances: list[float] = field(default_factory=list)


def around_of(gallery: Gallery, face: Known, rules: Rules) -> list[Likeness]:
    """Those that are like it and are not seen together with it."""
    reach = rules.max_distance * rules.candidates
    near = gallery.near(face.id, rules.neighbours)
    found = ((gallery.face(key), distance) for key, distance in near if distance <= reach)
    return [(other, distance) for other, distance in found if not together(face, other)]


def candidates_of(around: Sequence[Likeness]) -> list[Candidate]:
    """The people of those around, the nearest first."""
    found: dict[UUID, Candidate] = {}
    for other, distance in around:
        if other.owner is not None:
            one = found.setdefault(other.owner, Candidate(other.owner, distance))
            one.distances.append(distance)
    return sorted(found.values(), key=lambda one: (one.nearest, str(one.person)))


def may_be(gallery: Gallery, face: Known, one: Candidate, around: Sequence[Likeness]) -> bool:
    """Not seen beside it, not refused by a user, and not nearer to a face of which a user has refused it."""
    if one.person in face.refused:
        return False
    if any(distance < one.nearest and one.person in other.refused for other, distance in around):
        return False
    return not any(other.person == one.person and together(face, other) for other in gallery.beside(face.id))


def likely(gallery: Gallery, face: Known, rules: Rules) -> Candidate | None:
    """Whose a face may be that is too far to be given to anybody: the nearest of whom several faces are around."""
    around = around_of(gallery, face, rules)
    for one in candidates_of(around):
        if one.person == NOBODY:
            return None
        if len(one.distances) >= rules.merging_faces and may_be(gallery, face, one, around):
            return one
    return None


class Placing:
    """One batch. What it does depends on the gallery and the order of the faces alone."""

    def __init__(self, gallery: Gallery, rules: Rules) -> None:
        self.gallery = gallery
        self.rules = rules
        self.agreeing = rules.max_distance * rules.agreeing
        self._again: dict[UUID, None] = {}

    def place(self, faces: Sequence[UUID]) -> None:
        """Put each of these to its person where it has one, then those that were passed over and are like them."""
        self.gallery.prepare(faces)
        for key in self._nearest_first(faces):
            self._settle(self.gallery.face(key))
        for _ in range(ROUNDS):
            again, self._again = list(self._again), {}
            if not again:
                return
            self.gallery.prepare(again)
            for key in again:
                self._settle(self.gallery.face(key), looked_at_again=True)

    def _nearest_first(self, faces: Sequence[UUID]) -> list[UUID]:
        """In the order given; of those seen together the one that is nearest to any other face chooses first."""
        groups: dict[UUID, list[UUID]] = defaultdict(list)
        for key in faces:
            groups[self.gallery.face(key).original].append(key)
        return [key for group in groups.values() for key in sorted(group, key=self._first_distance)]

    def _first_distance(self, key: UUID) -> tuple[float, str]:
        mine = self.gallery.face(key)
        for other, distance in self.gallery.near(key, self.rules.neighbours):
            if not together(mine, self.gallery.face(other)):
                return distance, str(key)
        return 2.0, str(key)

    def _settle(self, face: Known, *, looked_at_again: bool = False) -> None:
        if face.owner is not None:
            if not looked_at_again:
                self._look_around(face)
            return
        around = around_of(self.gallery, face, self.rules)
        chosen = self._choose(face, around)
        if chosen is None:
            self._found(face, around)
        elif chosen.person != NOBODY:
            self._put(face, chosen.person, chosen.nearest)

    def _choose(self, face: Known, around: Sequence[Likeness]) -> Candidate | None:
        """The nearest person that it may be. NOBODY where it is nearest to what a user has left without one."""
        candidates = candidates_of(around)
        for one in candidates:
            if not may_be(self.gallery, face, one, around):
                continue
            if one.nearest <= self.rules.max_distance or self._agreed(one, alone=len(candidates) == 1):
                return one
        return None

    def _agreed(self, one: Candidate, *, alone: bool) -> bool:
        if not alone or one.person == NOBODY:
            return False
        return sum(distance <= self.agreeing for distance in one.distances) >= self.rules.agreeing_faces

    def _found(self, face: Known, around: Sequence[Likeness]) -> None:
        """It and those near to it that have nobody either are a new person, where they are enough."""
        members: list[tuple[Known, float | None]] = [(face, None)]
        for other, distance in around:
            if distance > self.rules.max_distance or other.owner is not None:
                continue
            beside = (one for one, _ in members)
            if not any(together(other, one) for one in beside):
                members.append((other, distance))
        if len(members) < self.rules.min_faces:
            return
        person = self.gallery.create()
        for member, away in members:
            self._put(member, person, away)
        self._join_twin(person, [member for member, _ in members])

    def _join_twin(self, person: UUID, members: Sequence[Known]) -> None:
        """A new person who is one that is there already becomes that one."""
        best = sorted(members, key=lambda one: (-one.quality, str(one.id)))[: self.rules.samples]
        pairs = alike(self.gallery, person, best, self.rules.max_distance * self.rules.merging, self.rules)
        for twin, found in sorted(pairs.items(), key=lambda pair: (-pair[1].count, str(pair[0]))):
            if found.count >= self.rules.merging_faces and self._may_join(members, twin):
                self.gallery.merge(person, twin)
                for member in members:
                    member.person = twin
                return

    def _may_join(self, members: Iterable[Known], twin: UUID) -> bool:
        return not any(
            twin in member.refused
            or any(
                other.person == twin and together(member, other) for other in self.gallery.beside(member.id)
            )
            for member in members
        )

    def _put(self, face: Known, person: UUID, distance: float | None) -> None:
        self.gallery.put(face, person, distance)
        face.person = person
        self._look_around(face)

    def _look_around(self, face: Known) -> None:
        """Those like it that have nobody may know better now."""
        for key, distance in self.gallery.near(face.id, self.rules.neighbours):
            if distance > self.agreeing:
                return
            if self.gallery.face(key).owner is None:
                self._again[key] = None


@dataclass(slots=True)
class Pairs:
    """How two people are alike: pairs of faces, and the smallest distance."""

    count: int = 0
    nearest: float = 2.0

    def add(self, distance: float) -> None:
        """One more pair."""
        self.count += 1
        self.nearest = min(self.nearest, distance)


def alike(
    gallery: Gallery, person: UUID, best: Sequence[Known], within: float, rules: Rules
) -> dict[UUID, Pairs]:
    """The other people among the nearest of a person's best faces."""
    found: dict[UUID, Pairs] = defaultdict(Pairs)
    gallery.prepare([one.id for one in best])
    for one in best:
        for key, distance in others(gallery, one, person, rules):
            if distance > within:
                break
            twin = gallery.face(key).person
            if twin is not None:
                found[twin].add(distance)
    return dict(found)


def others(gallery: Gallery, one: Known, person: UUID, rules: Rules) -> list[Near]:
    """The nearest that are not this person's own, as many as are compared."""
    near = gallery.near(one.id, rules.neighbours)
    return [found for found in near if gallery.face(found[0]).person != person][: rules.sample_neighbours]
