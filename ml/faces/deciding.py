"""What users decide about single faces: whose they are, whose they are not, that they are none, or where one is.

Every decision is a row or a column that the clustering reads as a rule and learns from (`ml.faces.clustering`).
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, QuerySet, UUIDField, When
from django.db.models.functions import Now

from media.errors import ConflictError, RequestError
from media.models import Library, Original
from ml.faces import assigning, people, recording
from ml.faces.boxes import Box
from ml.models import Face, FaceProposal, FaceRejection, Person
from ml.models.faces import By


class FaceThereError(ConflictError):
    """Somebody draws a face where there is one."""

    code = "face_there"


class NoPictureError(RequestError):
    """Faces are drawn in pictures and films."""

    code = "no_picture"
    http_status = 422


def assign(library: Library, keys: Collection[UUID], person: UUID) -> None:
    """These faces are this person, whatever was said before."""
    with assigning.holding(library.pk):
        give(library, people.find_faces(library, keys), people.find_person(library, person))


def assign_to_new(library: Library, keys: Collection[UUID], name: str = "") -> Person:
    """These faces are somebody who was not there yet: a split, where they were another's."""
    kept = people.clean(name) if name else ""
    with assigning.holding(library.pk):
        faces = people.find_faces(library, keys)
        made: Person = Person.objects.create(library=library, name=kept, made_by_user=True)
        give(library, faces, made)
    return made


def split(library: Library, person: UUID, keys: Collection[UUID], name: str = "") -> Person:
    """These faces of a person are somebody else: the two are never merged by a run."""
    with assigning.holding(library.pk):
        old = people.find_person(library, person)
        if people.find_faces(library, keys).exclude(person=old).exists():
            raise ConflictError(
                "One of these faces is not this person's any more. Look again.", code="not_theirs"
            )
        made = assign_to_new(library, keys, name)
        # Who is empty now was the same person after all, and is gone.
        if people.people_of(library).filter(pk=old.pk).exists():
            people.keep_apart(library.pk, old.pk, made.pk)
    return made


def give(library: Library, faces: QuerySet[Face], person: Person) -> None:
    """By a user's hand. Whose they were before is told to the clustering, so that it learns the difference."""
    keys = list(faces.values_list("pk", flat=True))
    rows = Face.objects.filter(pk__in=keys)
    others = refuse(rows.exclude(person=person))
    FaceRejection.objects.filter(face__in=keys, person=person).delete()
    origin = Case(When(person=person, then=F("came_from_id")), default=None, output_field=UUIDField())
    rows.update(
        person=person,
        came_from_id=origin,
        assigned_by=By.USER,
        distance=None,
        waiting=True,
        updated_at=Now(),
    )
    people.forget_empty(library.pk, others)
    settled(library, keys)


def leave(library: Library, rows: QuerySet[Face], **also: bool) -> None:
    """They are nobody's from now on. Changed at once: each change of a face is entered in the index of embeddings."""
    others = refuse(rows)
    rows.update(person=None, assigned_by=By.NOBODY, distance=None, came_from=None, updated_at=Now(), **also)
    people.forget_empty(library.pk, others)


def refuse(rows: QuerySet[Face]) -> set[UUID]:
    """Whom they had is none of theirs, and has no cover of them. Returns these people, who may be left with nothing."""
    owned = rows.filter(person__isnull=False)
    had = [(face, person) for face, person in owned.values_list("pk", "person_id")]
    FaceRejection.objects.bulk_create(
        [FaceRejection(face_id=face, person_id=person) for face, person in had], ignore_conflicts=True
    )
    Person.objects.filter(cover__in=[face for face, _ in had]).update(cover=None, cover_chosen=False)
    return {person for _, person in had}


def confirm(library: Library, keys: Collection[UUID]) -> None:
    """The model was right about these."""
    with assigning.holding(library.pk):
        faces = people.find_faces(library, keys)
        if faces.filter(person=None).exists():
            raise ConflictError("One of these faces has no person to confirm. Assign it.", code="unassigned")
        faces.update(assigned_by=By.USER, waiting=True, updated_at=Now())
        settled(library, keys)


def reject(library: Library, keys: Collection[UUID]) -> None:
    """These are not the person they were given to. Others may be found for them."""
    with assigning.holding(library.pk):
        faces = people.find_faces(library, keys)
        leave(library, faces, waiting=True)
        settled(library, keys)


def remove(library: Library, keys: Collection[UUID]) -> None:
    """These are no faces. What a user has drawn goes for good; what a model has found stays out of sight."""
    drawn = Face.objects.filter(library=library, pk__in=set(keys), drawn_by__isnull=False)
    with transaction.atomic():
        # Before the lock, as runs, purges and switches take them: what is drawn goes with its row of the ledger.
        list(lock_originals(drawn))
        assigning.hold(library.pk)
        faces = people.find_faces(library, keys)
        for face in faces.filter(drawn_by__isnull=False).select_related("derivative", "original"):
            if recording.is_drawn(face):
                recording.drawn_rows(face.original, [face]).drop()
                face.delete()
        leave(library, faces, removed=True)
        settled(library, keys)


def lock_originals(faces: QuerySet[Face]) -> QuerySet[Original]:
    """In the order in which everybody locks several."""
    rows = Original.objects.filter(pk__in=faces.values("original")).order_by("pk")
    locked: QuerySet[Original] = rows.select_for_update(no_key=True)
    return locked


def restore(library: Library, keys: Collection[UUID]) -> None:
    """They are faces after all."""
    with assigning.holding(library.pk):
        faces = people.find_faces(library, keys, removed=True)
        kept = list(faces.values_list("pk", flat=True))
        faces.update(removed=False, waiting=True, updated_at=Now())
        settled(library, kept)


def settled(library: Library, keys: Collection[UUID]) -> None:
    """What was proposed for them is answered, and what is like them may know better now."""
    FaceProposal.objects.filter(face__in=keys).delete()
    assigning.assign_soon(library.pk)


def draw(library: Library, original: Original, user: Any, box: Box, second: float | None = None) -> Face:
    """A face that the model did not find; a run makes its small picture. Where a user has removed one, it is back."""
    check_place(original, box, second)
    with transaction.atomic():
        # Always the original first: the run that records faces of it takes the same order.
        Original.objects.select_for_update(no_key=True).get(pk=original.pk)
        # As it is now: who switches faces off has the originals locked, too.
        if not Library.objects.values_list("faces", flat=True).get(pk=library.pk):
            raise ConflictError(
                "Faces are switched off in this library. Switch them on to draw one.", code="switched_off"
            )
        with assigning.holding(library.pk):
            there = beneath(original, box, second)
            if any(not row.removed for row in there):
                raise FaceThereError("There is a face in this place already. Assign that one.")
            if there:
                restore(library, [there[0].pk])
                there[0].refresh_from_db()
                return there[0]
            drawn: Face = Face.objects.create(
                library=library,
                original=original,
                drawn_by=user,
                x=box.x,
                y=box.y,
                width=box.width,
                height=box.height,
                second=second,
                spans=[] if second is None else [[second, second]],
            )
            recording.describe(original, drawn)
    return drawn


def beneath(original: Original, box: Box, second: float | None) -> list[Face]:
    """The faces in this place, the most alike first."""
    rows = Face.objects.filter(original=original).order_by("id")
    overlaps = [
        (box.overlap(Box(row.x, row.y, row.width, row.height)), row)
        for row in rows
        if same_moment(row, second)
    ]
    found = [(overlap, row) for overlap, row in overlaps if overlap >= recording.SAME_BOX]
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def check_place(original: Original, box: Box, second: float | None) -> None:
    if original.kind not in {"image", "video"}:
        raise NoPictureError("Faces can be drawn in pictures and films. This file is neither.")
    if (second is None) != (original.kind == "image"):
        raise RequestError(
            "Say in which second of a film the face is; a picture has none.", code="bad_second"
        )
    if second is not None and not 0 <= second <= (original.duration or second):
        raise RequestError(
            "This second is not one of the film. Send one between its start and its end.", code="bad_second"
        )
    # Asked this way round, what is no number is refused too.
    if not (0 <= box.x < box.x + box.width <= 1 and 0 <= box.y < box.y + box.height <= 1):
        raise RequestError("The box leaves the picture. Send shares of it, from 0 to 1.", code="bad_box")


def same_moment(face: Face, second: float | None) -> bool:
    """Always, in a picture; in a film where the face is to be seen in that second."""
    if second is None or face.second == second:
        return True
    return any(start <= second <= end for start, end in face.spans)
