"""Two originals turn out to be the same bytes: faces, and what users have decided about them, go to the one that stays.

Where both were looked at, each face is on both. What users have said of either counts for the one that is left; where
they have said two things, those about the face that stays. A face that only users know of goes over as it is.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.db.models import Q, prefetch_related_objects
from django.utils import timezone

from media.models import Original
from ml.faces import people, recording
from ml.faces.assigning import assign_soon, holding
from ml.faces.boxes import Box
from ml.models import Face, FaceRejection, Person
from ml.models.faces import By

COLUMNS: Final = (
    "person",
    "assigned_by",
    "distance",
    "came_from",
    "removed",
    "drawn_by",
    "waiting",
    "updated_at",
)


def hand_over(original: Original, twin: Original) -> None:
    """All faces of `original`, which goes. Inside the transaction, with both locked."""
    with holding(original.library_id):
        mine, theirs = recording.faces_of(original), recording.faces_of(twin)
        took = original.hand_over_result(twin, recording.DERIVER)
        if not mine:
            return
        people_before = {face.person_id for face in (*mine, *theirs) if face.person_id}
        pairs = twins_of(mine, theirs)
        left = [(one, other) if took else (other, one) for one, other in pairs]
        prefetch_related_objects([face for pair in pairs for face in pair], "rejections")
        for stays, goes in left:
            inherit(stays, goes)
        take_covers(left)
        Face.objects.bulk_update([stays for stays, _ in left], COLUMNS)
        doubled = {one.pk for one, _ in pairs}
        move(twin, mine if took else known_to_users(face for face in mine if face.pk not in doubled))
        forget([goes for _, goes in left], original)
        people.forget_empty(original.library_id, people_before)
    assign_soon(original.library_id)


def twins_of(mine: Sequence[Face], theirs: Sequence[Face]) -> list[tuple[Face, Face]]:
    """Which of these is which of those, as a run finds faces again."""
    found = [{"sightings": [(face.second, Box(face.x, face.y, face.width, face.height))]} for face in mine]
    return [(mine[number], other) for number, other in recording.matches(theirs, found).items()]


def inherit(stays: Face, goes: Face) -> None:
    """What users have said of one row of a face is said of the other one. The columns are left to be saved."""
    refused, newly = ({said.person_id for said in face.rejections.all()} for face in (stays, goes))
    stays.drawn_by_id = stays.drawn_by_id or goes.drawn_by_id
    if stays.removed or stays.assigned_by == By.USER:
        pass
    elif goes.removed:
        stays.removed = True
        put(stays, None, By.NOBODY)
    elif is_known(goes, better_than=stays) and goes.person_id not in refused:
        put(stays, goes.person_id, goes.assigned_by, goes.distance)
        stays.came_from_id = goes.came_from_id
    elif stays.person_id in newly:
        put(stays, None, By.NOBODY)
    if stays.assigned_by == By.USER:
        newly.discard(stays.person_id)
    FaceRejection.objects.bulk_create([FaceRejection(face=stays, person_id=key) for key in newly - refused])
    stays.waiting, stays.updated_at = True, timezone.now()


def is_known(face: Face, *, better_than: Face) -> bool:
    """Whether more is said of whose it is: by a user, or at all."""
    return face.assigned_by == By.USER or (face.person_id is not None and better_than.person_id is None)


def put(face: Face, person: UUID | None, by: str, distance: float | None = None) -> None:
    face.person_id, face.assigned_by, face.distance = person, by, distance
    face.came_from = None


def take_covers(left: Sequence[tuple[Face, Face]]) -> None:
    """Who was shown by a face that goes is shown by the one that stays, if it is still theirs."""
    stands_for = {face.pk: stays for stays, goes in left for face in (stays, goes)}
    for person in Person.objects.filter(cover__in=stands_for):
        stays = stands_for[person.cover_id]
        if stays.person_id == person.pk:
            Person.objects.filter(pk=person.pk).update(cover=stays)
        else:
            Person.objects.filter(pk=person.pk).update(cover=None, cover_chosen=False)


def known_to_users(faces: Iterable[Face]) -> list[Face]:
    """Of those that the run of the twin has not found: the others were nothing to it."""
    rows = list(faces)
    decided = recording.decided_of(rows)
    return [face for face in rows if face.pk in decided]


def move(twin: Original, faces: Sequence[Face]) -> None:
    """To the twin, with whose they are. What has no result there has its small picture made by a run of its own."""
    Face.objects.filter(pk__in=[face.pk for face in faces]).update(original=twin)
    here = set(twin.derivatives.filter(deriver=recording.DERIVER).values_list("pk", flat=True))
    for face in faces:
        face.original = twin
        if recording.is_drawn(face) or face.derivative_id in here:
            continue
        face.derivative, face.crop = None, ""
        face.save(update_fields=["derivative", "crop"])
        if not face.removed:
            recording.describe(twin, face)


def forget(faces: Sequence[Face], original: Original) -> None:
    """Rows that another row stands for now, with their own runs; and those of the original that nobody speaks for."""
    if faces:
        # All are of one of the two originals.
        recording.drawn_rows(faces[0].original, faces).drop()
    Face.objects.filter(Q(pk__in=[face.pk for face in faces]) | Q(original=original)).delete()
