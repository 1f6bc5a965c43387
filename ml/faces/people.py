"""What users decide about people and faces. All of it is remembered, and no run of a model changes it.

Each flow holds the lock of the library (`assigning.holding`), so that a decision and a batch of the clustering never
mix. A merge keeps the people that went into another, out of sight, so that it can be undone until they are forgotten.
A flow changes each face once: a second change makes Postgres lock its original and its run again, under the lock.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, UUIDField, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from media.errors import ConflictError, RequestError
from media.intake import one_line
from media.models import Library
from ml.faces import assigning
from ml.models import Face, FaceProposal, FaceRejection, MergeProposal, Person
from ml.models.faces import By

LONGEST_NAME: Final = 200
UNDONE_WITHIN: Final = timedelta(days=30)
"""After so long a merge is for good."""
AT_ONCE: Final = 500
"""Faces or people that one request may name."""


class PersonMissingError(RequestError):
    """No such person in this library."""

    code = "person_not_found"
    http_status = 404


class FaceMissingError(RequestError):
    """No such face in this library."""

    code = "face_not_found"
    http_status = 404


class NotMergedError(ConflictError):
    """There is no merge to undo."""

    code = "not_merged"


def people_of(library: Library) -> QuerySet[Person]:
    found: QuerySet[Person] = Person.objects.filter(library=library, merged_into=None)
    return found


def find_person(library: Library, key: UUID) -> Person:
    """PersonMissingError where there is none, or it went into another one."""
    found = people_of(library).filter(pk=key).first()
    if found is None:
        raise PersonMissingError(
            "There is no such person in this library. They may have been merged into another one. Look again."
        )
    return found


def find_people(library: Library, keys: Collection[UUID]) -> list[Person]:
    """In the order of the keys."""
    found = {row.pk: row for row in people_of(library).filter(pk__in=set(keys))}
    if len(found) != len(set(keys)):
        raise PersonMissingError("One of these people is not in this library any more. Look again.")
    return [found[key] for key in dict.fromkeys(keys)]


def find_faces(library: Library, keys: Collection[UUID], *, removed: bool = False) -> QuerySet[Face]:
    """All of these. FaceMissingError where one is gone or of elsewhere."""
    rows: QuerySet[Face] = Face.objects.filter(library=library, pk__in=set(keys), removed=removed)
    if rows.count() != len(set(keys)):
        raise FaceMissingError("One of these faces is not in this library any more. Look again.")
    return rows


def clean(name: str) -> str:
    """RequestError where nothing of it can be seen."""
    kept = one_line(name, LONGEST_NAME)
    if not kept:
        raise RequestError("A name needs a letter that can be seen. Type one.", code="no_name")
    return kept


def rename(library: Library, key: UUID, name: str) -> None:
    """Two people may have one name. An empty name takes it away."""
    with assigning.holding(library.pk):
        person = find_person(library, key)
        person.name = clean(name) if name else ""
        person.save(update_fields=["name", "updated_at"])
        forget_empty(library.pk, [key])


def hide(library: Library, key: UUID, *, hidden: bool) -> None:
    """Hidden people still get their faces, so that they stay out of sight."""
    with assigning.holding(library.pk):
        person = find_person(library, key)
        person.hidden = hidden
        person.save(update_fields=["hidden", "updated_at"])


def choose_cover(library: Library, key: UUID, face: UUID) -> None:
    """One of the person's own faces stands for them from now on."""
    with assigning.holding(library.pk):
        person = find_person(library, key)
        if not find_faces(library, [face]).filter(person=person).exists():
            raise ConflictError("This face is not one of this person's. Assign it first.", code="not_theirs")
        person.cover_id, person.cover_chosen = face, True
        person.save(update_fields=["cover", "cover_chosen", "updated_at"])


def delete(library: Library, key: UUID) -> None:
    """Nobody, for good: no run makes a person of these faces again. A user may still assign them."""
    with assigning.holding(library.pk):
        person = find_person(library, key)
        faces = Face.objects.filter(person=person)
        faces.update(person=None, assigned_by=By.USER, came_from=None, distance=None, updated_at=Now())
        person.delete()


def merge(library: Library, keys: Collection[UUID]) -> Person:
    """All into the first, who keeps their name, or borrows the first that one of the others has."""
    if len(set(keys)) < 2:
        raise RequestError("It takes two people to merge them. Name both.", code="too_few")
    moment = timezone.now()
    with assigning.holding(library.pk):
        target, *others = find_people(library, keys)
        lender = next((one for one in others if one.name), None)
        if lender is not None and not target.name:
            target.name, lender.lent_name = lender.name, True
            target.save(update_fields=["name", "updated_at"])
        for one in others:
            take_in(target, one)
            one.merged_into, one.merged_at = target, moment
            one.save(update_fields=["merged_into", "merged_at", "lent_name", "updated_at"])
        assigning.assign_soon(library.pk)
    return target


def take_in(target: Person, other: Person) -> None:
    """Faces go over, remember whose they were, and teach; what a user said that they are not goes with them.

    So do the people from whom a user has told them apart.
    """
    before = Coalesce("came_from_id", Value(other.pk), output_field=UUIDField())
    Face.objects.filter(person=other).update(
        person=target, came_from_id=before, waiting=True, updated_at=Now()
    )
    said = FaceRejection.objects.filter(person=other).exclude(face__person=target)
    FaceRejection.objects.bulk_create(
        [FaceRejection(face_id=face, person=target) for face in said.values_list("face_id", flat=True)],
        ignore_conflicts=True,
    )
    FaceRejection.objects.filter(person=target, face__person=target).delete()
    FaceProposal.objects.filter(person=other).delete()
    pairs = MergeProposal.objects.filter(Q(first=other) | Q(second=other))
    for first, second in pairs.filter(declined=True).values_list("first_id", "second_id"):
        keep_apart(target.library_id, target.pk, second if first == other.pk else first)
    pairs.filter(declined=False).delete()


def undo_merge(library: Library, key: UUID) -> list[Person]:
    """Those that went into this person last, together, are people of their own again, with the faces they brought.

    Faces that a user has put elsewhere since stay there. The same merge is not proposed again.
    """
    with assigning.holding(library.pk):
        target = find_person(library, key)
        merged = Person.objects.filter(merged_into=target).order_by("-merged_at", "id")
        last = merged.first()
        if last is None:
            raise NotMergedError("Nobody was merged into this person, or it is too long ago to undo.")
        restored = list(merged.filter(merged_at=last.merged_at))
        for one in restored:
            give_back(target, one)
    return restored


def give_back(target: Person, one: Person) -> None:
    brought = [one.pk, *went_into(one)]
    before = Case(When(came_from=one, then=None), default=F("came_from_id"), output_field=UUIDField())
    theirs = Face.objects.filter(came_from__in=brought, person=target)
    theirs.update(person=one, came_from_id=before, updated_at=Now())
    # Those that a user has put elsewhere since.
    Face.objects.filter(came_from=one).update(came_from=None)
    if one.lent_name and target.name == one.name:
        Person.objects.filter(pk=target.pk).update(name="", updated_at=Now())
    one.merged_into, one.merged_at, one.lent_name = None, None, False
    one.save(update_fields=["merged_into", "merged_at", "lent_name", "updated_at"])
    keep_apart(target.library_id, target.pk, one.pk)


def went_into(person: Person) -> list[UUID]:
    """Those that were merged into this one before, and those before them."""
    found: list[UUID] = []
    level = [person.pk]
    while level:
        rows = Person.objects.filter(merged_into__in=level)
        level = list(rows.values_list("pk", flat=True))
        found += level
    return found


def keep_apart(library_id: UUID, one: UUID, other: UUID) -> None:
    """A user says that they are two: never proposed again, and never merged by a run."""
    if one == other:
        return
    first, second = sorted((one, other))
    MergeProposal.objects.update_or_create(
        first_id=first,
        second_id=second,
        defaults={"library_id": library_id, "declined": True},
        create_defaults={"library_id": library_id, "declined": True, "distance": 0.0},
    )


def forget_empty(library_id: UUID, keys: Collection[UUID] | None = None) -> None:
    """People without a face of whom no user knows: nobody named, hid or made them."""
    rows = Person.objects.filter(
        library=library_id, merged_into=None, name="", hidden=False, made_by_user=False
    )
    if keys is not None:
        rows = rows.filter(pk__in=keys)
    rows.exclude(Exists(Face.objects.filter(person=OuterRef("pk")))).delete()


def forget_merges(library_id: UUID) -> None:
    """Merges that are too old to be undone are for good."""
    old = timezone.now() - UNDONE_WITHIN
    merged = Person.objects.filter(library=library_id, merged_into__isnull=False)
    into = dict(merged.values_list("pk", "merged_into_id"))
    gone = set(merged.filter(merged_at__lt=old).values_list("pk", flat=True))
    for key in gone:
        heir = into[key]
        while heir in gone:
            heir = into[heir]
        # Who took them in may be given back their faces in turn, these with them.
        if heir in into:
            Face.objects.filter(came_from=key).update(came_from=heir)
    Person.objects.filter(pk__in=gone).delete()


def forget_library(library_id: UUID) -> None:
    """All people with their names, and all faces, drawn ones too: faces were switched off."""
    with assigning.holding(library_id):
        Person.objects.filter(library=library_id).delete()
        Face.objects.filter(library=library_id).delete()
