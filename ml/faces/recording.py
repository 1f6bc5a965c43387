"""From what a run has found to the rows of faces, in the transaction that names its result.

A face that was there before (the same moment, boxes that overlap by half) keeps its row, and with it its person, what
users rejected, and that it is a cover or no face at all. A row that is not found again stays where a user has decided
something about it; its small picture is then made by a run of its own. All others go.

Whose the faces are is found out afterwards (`ml.faces.assigning`): rows without a person are left waiting for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from media import dispatch, ledger, pipeline
from media.derivers.base import Ready
from media.models import Derivative, Original
from media.models.derivative import Status
from ml.faces import people
from ml.faces.assigning import assign_soon, holding
from ml.faces.boxes import Box
from ml.models import Face, FaceRejection, Person
from ml.models.faces import By

DERIVER: Final = "faces"
QUEUE: Final = "face-detection"
DRAWN: Final = "drawn-"
SAME_BOX: Final = 0.5
"""Overlap of boxes."""
SAME_TIME: Final = 0.5
"""Seconds."""
FOUND: Final = (
    *("x", "y", "width", "height", "second", "spans", "landmarks"),
    *("score", "quality", "embedding", "crop"),
)
ALWAYS: Final = ("derivative", "model", "waiting", "updated_at")
UNDER_WAY: Final = (Status.QUEUED, Status.PROCESSING)


def record(original: Original, result: Ready) -> None:
    """What the deriver has learnt, as rows."""
    learnt = result.learnt
    if "drawn" in learnt:
        record_drawn(original, learnt)
    elif Face.objects.filter(original=original).exists():
        # Many rows change whose faces may be on their way to people. A first run has nobody to wait for.
        with holding(original.library_id):
            record_found(original, learnt["faces"], learnt["model"], faces_of(original))
    else:
        record_found(original, learnt["faces"], learnt["model"], [])
    assign_soon(original.library_id)


def record_found(
    original: Original, found: Sequence[dict[str, Any]], model: str, old: Sequence[Face]
) -> None:
    """Everything of a picture or a film, beside the rows that are there."""
    made_by = row_of(original, "")
    known = matches(old, found)
    new = []
    for number, one in enumerate(found):
        face = known.get(number)
        if face is None:
            face = Face(library_id=original.library_id, original=original)
            new.append(face)
        fill(face, {name: one[name] for name in FOUND}, made_by, model)
    if old:
        Face.objects.bulk_update(known.values(), [*FOUND, *ALWAYS])
        matched = {face.pk for face in known.values()}
        settle(original, [face for face in old if face.pk not in matched], made_by, model)
        drawn_rows(original, known.values()).drop()
    Face.objects.bulk_create(new)


def faces_of(original: Original) -> list[Face]:
    """All of them, locked, with what made them."""
    rows = Face.objects.select_for_update(of=("self",)).select_related("derivative")
    return list(rows.filter(original=original).order_by("pk"))


def matches(old: Iterable[Face], found: Sequence[dict[str, Any]]) -> dict[int, Face]:
    """Which row was which of the new faces before: the best pairs first, each once. By the place in `found`."""
    likely = sorted(
        (
            (overlap, -number, face.pk, face)
            for face in old
            for number, one in enumerate(found)
            if (overlap := same(face, one["sightings"])) >= SAME_BOX
        ),
        reverse=True,
    )
    known: dict[int, Face] = {}
    taken: set[UUID] = set()
    for _, number, key, face in likely:
        if key not in taken and -number not in known:
            taken.add(key)
            known[-number] = face
    return known


def same(face: Face, sightings: Iterable[tuple[float | None, Box]]) -> float:
    """The best overlap of the row's box with one of the places where the new face was seen at that moment."""
    box = Box(face.x, face.y, face.width, face.height)
    return max(
        (box.overlap(place) for second, place in sightings if at_once(face.second, second)), default=0.0
    )


def at_once(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return abs(first - second) <= SAME_TIME


def fill(face: Face, values: dict[str, Any], made_by: Derivative, model: str) -> None:
    for name, value in values.items():
        setattr(face, name, value)
    face.derivative = made_by
    # Of another model it has a vector of another kind: faces that were passed over may find their person by it now.
    face.waiting = (face.person_id is None and face.assigned_by == By.NOBODY) or face.model != model
    face.model = model
    face.updated_at = timezone.now()


def settle(original: Original, lost: Sequence[Face], made_by: Derivative, model: str) -> None:
    """Rows that were not found again: those of users stay, with a small picture of their own."""
    decided = decided_of(lost)
    gone = [face for face in lost if face.pk not in decided]
    Face.objects.filter(pk__in=[face.pk for face in gone]).delete()
    people.forget_empty(original.library_id, {face.person_id for face in gone if face.person_id is not None})
    kept = [face for face in lost if face.pk in decided]
    # The name of the picture that they had is that of another face now.
    Face.objects.filter(pk__in=[face.pk for face in kept], derivative=made_by).update(crop="")
    for face in kept:
        if not face.removed and (not is_drawn(face) or face.model != model):
            describe(original, face)


def decided_of(faces: Iterable[Face]) -> set[UUID]:
    """Those about which a user has decided something: drawn, named, rejected, removed, or chosen as a cover."""
    rows = list(faces)
    keys = [face.pk for face in rows]
    own = {face.pk for face in rows if face.assigned_by == By.USER or face.removed or is_drawn(face)}
    # A model has found it since, and another one may not: it was seen by a user all the same.
    own |= {face.pk for face in rows if face.drawn_by_id is not None}
    own |= set(FaceRejection.objects.filter(face__in=keys).values_list("face_id", flat=True))
    own |= set(Person.objects.filter(cover__in=keys, cover_chosen=True).values_list("cover_id", flat=True))
    return own


def is_drawn(face: Face) -> bool:
    """Whether a user has drawn it, or it has a run of its own. It goes only where a user deletes it."""
    return face.derivative is None or face.derivative.variant.startswith(DRAWN)


def record_drawn(original: Original, learnt: Mapping[str, Any]) -> None:
    """One face with a run of its own; nothing where a user has deleted it meanwhile.

    Not under the lock of people: it changes nobody's face. Who removes a drawn one locks the original first, too.
    """
    rows = Face.objects.select_for_update(of=("self",))
    face = rows.filter(pk=learnt["drawn"], original=original).first()
    if face is None:
        return
    values = {name: learnt[name] for name in FOUND if name in learnt}
    fill(face, values, row_of(original, variant_of(face)), learnt["model"])
    face.save(update_fields=[*values, *ALWAYS])


def describe(original: Original, face: Face) -> Derivative:
    """Have the small picture and, if the models can, the embedding of one box made: what was drawn or moved by a user.

    Inside a transaction, with the original locked. Asked for anew where the box has changed meanwhile.
    """
    wanted = {
        "face": str(face.pk),
        **{name: getattr(face, name) for name in ("x", "y", "width", "height", "second")},
    }
    planned = pipeline.Planned(DERIVER, QUEUE, variant_of(face), wanted)
    rows = drawn_rows(original, [face])
    row: Derivative | None = rows.first()
    if row is None:
        pipeline.create_rows(original, [planned])
    elif row.status not in UNDER_WAY or row.parameters != wanted:
        ledger.request_again(rows, parameters=wanted)
    found: Derivative = rows.get()
    dispatch.publish_after_commit([found])
    return found


def drawn_rows(original: Original, faces: Iterable[Face]) -> Any:
    """The runs that these faces have of their own."""
    variants = [variant_of(face) for face in faces]
    return Derivative.objects.filter(original=original, deriver=DERIVER, variant__in=variants)


def variant_of(face: Face) -> str:
    return f"{DRAWN}{face.pk}"


def row_of(original: Original, variant: str) -> Derivative:
    rows = Derivative.objects.only("pk")
    row: Derivative = rows.get(original=original, deriver=DERIVER, variant=variant)
    return row


def holdings(library_id: UUID) -> dict[str, int]:
    """What is lost when faces are switched off."""
    return {
        "faces": Face.objects.filter(library=library_id).count(),
        "people": Person.objects.filter(library=library_id, merged_into=None).count(),
    }
