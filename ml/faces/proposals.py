"""At night all faces are compared again, and what the daily work could not see is proposed: never done.

People who may be one, and faces that may be somebody's. A user accepts or declines; what was declined is remembered
(`MergeProposal.declined`, `FaceRejection`) and not asked again. A library is worked on by one task at a time.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from random import randrange
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Q

from media.errors import RequestError
from media.models import Library
from ml.faces import assigning, deciding, lookups, people
from ml.faces.clustering import Known, Pairs, Rules, likely, together
from ml.models import Face, FaceProposal, FaceRejection, MergeProposal, Person
from ml.models.faces import By

BATCH: Final = 64
"""People, or four times as many faces, that are compared with what is kept in memory."""
FACES_A_NIGHT: Final = 20_000
"""Faces without a person that are looked at."""

BEST: Final = """
SELECT person_id, id FROM (
    SELECT person_id, id, row_number() OVER (PARTITION BY person_id ORDER BY quality DESC, id) AS place FROM ml_face
    WHERE person_id = ANY(%s) AND embedding IS NOT NULL AND NOT removed) best
WHERE place <= %s ORDER BY person_id, place
"""


class ProposalGoneError(RequestError):
    """It was answered, or is not true any more."""

    code = "proposal_not_found"
    http_status = 404


def find_libraries() -> list[UUID]:
    """Those in which there are people."""
    return list(Person.objects.order_by().values_list("library_id", flat=True).distinct())


def propose(library_id: UUID) -> None:
    """Everything for one library: what is too old is forgotten, then merges, then faces.

    Each slice is written down when it is ready, and each night begins somewhere else: a night that is too short for
    all has still done its part, and the next one does another.
    """
    with assigning.holding(library_id):
        people.forget_merges(library_id)
        people.forget_empty(library_id)
    rules = assigning.rules()
    propose_merges(library_id, rules)
    propose_faces(library_id, rules)


def propose_merges(library_id: UUID, rules: Rules) -> None:
    """What was not found any more is withdrawn, once all people were compared."""
    found: set[tuple[UUID, UUID]] = set()
    keys = Person.objects.filter(library=library_id, merged_into=None).order_by("id")
    for some in slices(from_anywhere(list(keys.values_list("pk", flat=True))), BATCH):
        pairs = dict(twins(library_id, some, rules))
        add_merges(library_id, pairs)
        found |= pairs.keys()
    withdraw_merges(library_id, found)


def propose_faces(library_id: UUID, rules: Rules) -> None:
    for some in slices(faces_alone(library_id), 4 * BATCH):
        write_faces(library_id, some, dict(strays(library_id, some, rules)))
    with assigning.holding(library_id):
        taken = Q(face__removed=True) | Q(face__assigned_by=By.USER) | Q(face__person__isnull=False)
        FaceProposal.objects.filter(taken, library=library_id).delete()


def twins(library_id: UUID, some: Sequence[UUID], rules: Rules) -> Iterator[tuple[tuple[UUID, UUID], float]]:
    """Pairs of these people with others whose faces are near, and the smallest distance. Smaller key first.

    The nearest faces of others are asked for: those of a person with hundreds of photos are nearer than anybody's.
    """
    best = best_faces(some, rules.samples)
    wanted = list(chain.from_iterable(best.values()))
    near = lookups.of_other_people(library_id, wanted, rules.sample_neighbours)
    for person, keys in best.items():
        found: dict[UUID, Pairs] = defaultdict(Pairs)
        for one in chain.from_iterable(near[key] for key in keys):
            if one.person is not None and one.distance <= rules.max_distance:
                found[one.person].add(one.distance)
        for other, pairs in enough(found, rules):
            if not seen_together(person, other):
                first, second = sorted((person, other))
                yield (first, second), pairs.nearest


def from_anywhere(keys: list[UUID]) -> list[UUID]:
    """All of them in their order, from one in the middle on."""
    first = randrange(len(keys)) if keys else 0  # noqa: S311  Nothing is secret here.
    return keys[first:] + keys[:first]


def slices(keys: list[UUID], size: int) -> Iterator[list[UUID]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def best_faces(some: Sequence[UUID], count: int) -> dict[UUID, list[UUID]]:
    """The best so many faces of each of these people that can be compared."""
    found: dict[UUID, list[UUID]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(BEST, [list(some), count])
        for person, face in cursor.fetchall():
            found[person].append(face)
    return found


def enough(found: dict[UUID, Pairs], rules: Rules) -> Iterable[tuple[UUID, Pairs]]:
    return ((other, pairs) for other, pairs in found.items() if pairs.count >= rules.merging_faces)


def seen_together(one: UUID, other: UUID) -> bool:
    """At once, in one picture or in one film: then a user may still merge them, but nobody proposes it."""
    theirs = list(sightings(other, Face.objects.filter(person=one, removed=False).values("original")))
    mine = list(sightings(one, [face.original for face in theirs]))
    return any(together(face, their) for face in mine for their in theirs)


def sightings(person: UUID, originals: Any) -> Iterator[Known]:
    """The faces of a person in these files, and when they are seen there."""
    rows = Face.objects.filter(person=person, removed=False, original__in=originals)
    for key, original, spans in rows.values_list("id", "original_id", "spans"):
        yield Known(key, original, person, spans=spans)


def add_merges(library_id: UUID, found: dict[tuple[UUID, UUID], float]) -> None:
    """Those that nobody has answered yet. Two names say that they are two."""
    with assigning.holding(library_id):
        names = dict(people_named(library_id))
        wanted = {pair: distance for pair, distance in found.items() if may_be_one(names, pair)}
        MergeProposal.objects.bulk_create(
            [
                MergeProposal(library_id=library_id, first_id=first, second_id=second, distance=distance)
                for (first, second), distance in sorted(wanted.items())
            ],
            ignore_conflicts=True,
        )


def withdraw_merges(library_id: UUID, found: Collection[tuple[UUID, UUID]]) -> None:
    """Open proposals of which the whole run has seen nothing."""
    with assigning.holding(library_id):
        names = dict(people_named(library_id))
        still = MergeProposal.objects.filter(library=library_id, declined=False)
        gone = [
            key
            for key, *pair in still.values_list("pk", "first_id", "second_id")
            if tuple(pair) not in found or not may_be_one(names, tuple(pair))
        ]
        MergeProposal.objects.filter(pk__in=gone).delete()


def may_be_one(names: dict[UUID, str], pair: tuple[UUID, ...]) -> bool:
    """Both are still people of their own, and nobody gave them two names."""
    return all(key in names for key in pair) and not told_apart(names[pair[0]], names[pair[1]])


def people_named(library_id: UUID) -> Any:
    return Person.objects.filter(library=library_id, merged_into=None).values_list("pk", "name")


def told_apart(one: str, other: str) -> bool:
    return bool(one and other and one.casefold() != other.casefold())


def faces_alone(library_id: UUID) -> list[UUID]:
    """Faces without a person that are looked at tonight: the newest, and as many of the older ones, other ones each
    night."""
    alone = Face.objects.filter(
        library=library_id, person=None, removed=False, waiting=False, embedding__isnull=False
    ).exclude(assigned_by=By.USER)
    keys = alone.order_by("-id").values_list("pk", flat=True)
    half = FACES_A_NIGHT // 2
    older = max(1, alone.count() - FACES_A_NIGHT + 1)
    begins = half + randrange(older)  # noqa: S311  Nothing is secret here.
    return [*keys[:half], *keys[begins : begins + half]]


def strays(library_id: UUID, some: Sequence[UUID], rules: Rules) -> Iterator[tuple[UUID, tuple[UUID, float]]]:
    """Which of these faces may be somebody's."""
    gallery = assigning.StoredGallery(library_id)
    gallery.prepare(some)
    for key in some:
        one = likely(gallery, gallery.face(key), rules)
        if one is not None:
            yield key, (one.person, one.nearest)


def write_faces(library_id: UUID, some: Sequence[UUID], found: dict[UUID, tuple[UUID, float]]) -> None:
    """Of these faces, in place of what was proposed before. What was decided meanwhile is left alone."""
    with assigning.holding(library_id):
        FaceProposal.objects.filter(library=library_id, face__in=some).delete()
        free = set(
            Face.objects.filter(library=library_id, pk__in=found, person=None, removed=False)
            .exclude(assigned_by=By.USER)
            .values_list("pk", flat=True)
        )
        there = {key for key, _ in people_named(library_id)}
        said = set(FaceRejection.objects.filter(face__in=free).values_list("face_id", "person_id"))
        FaceProposal.objects.bulk_create(
            FaceProposal(library_id=library_id, face_id=face, person_id=person, distance=distance)
            for face, (person, distance) in found.items()
            if face in free and person in there and (face, person) not in said
        )


def accept_merge(library: Library, key: UUID) -> Person:
    """Who has a name takes the other in; else who has more faces."""
    with assigning.holding(library.pk):
        row = find_merge(library, key)
        pair = [row.first, row.second]
        pair.sort(key=lambda one: (not one.name, -Face.objects.filter(person=one).count()))
        return people.merge(library, [one.pk for one in pair])


def decline_merge(library: Library, key: UUID) -> None:
    """They are two people. Not asked again."""
    with assigning.holding(library.pk):
        row = find_merge(library, key)
        row.declined = True
        row.save(update_fields=["declined", "updated_at"])


def find_merge(library: Library, key: UUID) -> MergeProposal:
    found: MergeProposal | None = open_merges(library).filter(pk=key).first()
    if found is None:
        raise gone()
    return found


def open_merges(library: Library) -> Any:
    """The most alike first."""
    rows = MergeProposal.objects.filter(Q(first__merged_into=None, second__merged_into=None), library=library)
    return rows.filter(declined=False).select_related("first", "second").order_by("distance", "id")


def accept_face(library: Library, key: UUID) -> UUID:
    """It is that person's from now on. Returns the person."""
    with assigning.holding(library.pk):
        row = find_face_proposal(library, key)
        deciding.assign(library, [row.face_id], row.person_id)
    return row.person_id


def decline_face(library: Library, key: UUID) -> None:
    """It is not that person. Not asked again."""
    with assigning.holding(library.pk):
        row = find_face_proposal(library, key)
        FaceRejection.objects.get_or_create(face_id=row.face_id, person_id=row.person_id)
        row.delete()


def find_face_proposal(library: Library, key: UUID) -> FaceProposal:
    found: FaceProposal | None = FaceProposal.objects.filter(library=library, pk=key).first()
    if found is None:
        raise gone()
    return found


def gone() -> ProposalGoneError:
    return ProposalGoneError("This proposal was answered already, or is not true any more. Load them again.")
