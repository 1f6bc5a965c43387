"""Faces find their people: what `ml.faces.clustering` says, written down under the lock of the library.

Whoever writes faces leaves them `waiting` and calls `assign_soon`: one task for a library then takes all that wait,
a batch at a time. A message that is lost is no loss: beat asks for libraries in which faces wait. Everything that
changes whose a face is takes the lock first (`holding`), and only then rows of faces and people, so that a user who
merges and a worker that assigns never wait for each other in a circle. Originals and rows of the ledger come before the
lock: whoever needs them has them when it asks. That is also why a run does not assign inside the transaction in which
it writes its faces.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final
from uuid import UUID
from zlib import crc32

import redis
from celery import current_app
from django.db import connection, transaction
from kombu.exceptions import OperationalError

from alcoves import locks
from media import dispatch, live
from media.models import uuid7
from ml.faces import lookups
from ml.faces.clustering import Known, Near, Placing, Rules
from ml.models import Face, FaceRejection, Person
from ml.models.faces import By

logger = logging.getLogger(__name__)
TASK: Final = "ml.assign_faces"
QUEUE: Final = "face-detection"
BATCH: Final = 256
LOCK_SPACE: Final = 0xFACE
ON_ITS_WAY: Final = 240
"""Seconds in which one message is thought to be waiting. Beat looks after what is left every five minutes."""

COLUMNS: Final = ("id", "original_id", "person_id", "assigned_by", "quality", "spans")
WRITE: Final = """
UPDATE ml_face SET person_id = given.person, assigned_by = 'model', distance = given.distance, updated_at = now(),
    waiting = waiting AND id <> ALL(%s::uuid[])
FROM unnest(%s::uuid[], %s::uuid[], %s::float8[]) AS given(face, person, distance)
WHERE id = given.face AND assigned_by <> 'user'
"""
"""All at once: each change of a row is entered in the index of embeddings anew, which is what costs."""


def rules() -> Rules:
    """As the operator wants them."""
    return Rules(
        max_distance=live.value("FACE_MAX_DISTANCE"),
        min_faces=live.value("FACE_MIN_FACES"),
        neighbours=live.value("FACE_NEIGHBOURS"),
    )


@contextmanager
def holding(library_id: UUID) -> Iterator[None]:
    """A transaction in which nobody else changes whose the faces of this library are."""
    with transaction.atomic():
        hold(library_id)
        yield


def hold(library_id: UUID) -> None:
    """Until the transaction ends. Whoever has it may take it again."""
    with connection.cursor() as cursor:
        number = crc32(library_id.bytes) - 2**31
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, number])


def hold_before_it_goes(instance: Face, **_: Any) -> None:
    """Faces also go with their file, or with the run that found them: that takes people's covers away, too.

    Django tells it before anything of the deletion is done.
    """
    hold(instance.library_id)


def assign_soon(library_id: UUID) -> None:
    """After commit a worker looks at the faces of this library that wait. What runs record faces with calls this."""
    transaction.on_commit(partial(publish, library_id))


def publish(library_id: UUID, *, force: bool = False) -> None:
    """Unless a message for this library is on its way: it takes these faces, too. `force` sends it all the same."""
    client = dispatch.redis_client()
    try:
        token = locks.acquire(client, twin_of(library_id), ON_ITS_WAY, force=force)
        if token is None:
            return
        try:
            current_app.send_task(TASK, args=(str(library_id),), queue=QUEUE, ignore_result=True)
        except BaseException:
            locks.release(client, twin_of(library_id), token)
            raise
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning(
            "faces of %s wait until they are asked for: the broker is away (%s)", library_id, error
        )


def take(library_id: UUID) -> None:
    """The message has arrived: who writes faces from now on sends the next one."""
    with suppress(redis.RedisError, OSError):
        locks.forget(dispatch.redis_client(), twin_of(library_id))


def twin_of(library_id: UUID) -> str:
    return f"{TASK}:{library_id}"


def waiting(library_id: UUID) -> Any:
    """Faces that the clustering is to look at."""
    return Face.objects.filter(library=library_id, waiting=True, removed=False, embedding__isnull=False)


def find_waiting_libraries() -> list[UUID]:
    """Those in which faces wait, for whatever reason."""
    rows = Face.objects.filter(waiting=True, removed=False, embedding__isnull=False)
    return list(rows.order_by().values_list("library_id", flat=True).distinct())


def assign_waiting(library_id: UUID) -> bool:
    """One batch of those that wait, the oldest first. True where more are left."""
    with holding(library_id):
        keys = list(waiting(library_id).order_by("id").values_list("pk", flat=True)[: BATCH + 1])
        place(library_id, keys[:BATCH])
    return len(keys) > BATCH


def assign(library_id: UUID, faces: Collection[UUID]) -> None:
    """These, now, in the order of their keys: one batch. Not for a transaction that has already written faces."""
    with holding(library_id):
        keys = waiting(library_id).filter(pk__in=faces).order_by("id").values_list("pk", flat=True)
        place(library_id, list(keys))


def place(library_id: UUID, keys: Sequence[UUID]) -> None:
    """Under the lock. Vectors of each model stay among themselves."""
    by_model: dict[str, list[UUID]] = defaultdict(list)
    for key, model in Face.objects.filter(pk__in=keys).order_by("id").values_list("pk", "model"):
        by_model[model].append(key)
    for _, same in sorted(by_model.items()):
        gallery = StoredGallery(library_id)
        Placing(gallery, rules()).place(same)
        gallery.write(same)
    Face.objects.filter(pk__in=keys, waiting=True).update(waiting=False)


class StoredGallery:
    """`ml.faces.clustering.Gallery` over the rows of a library. Reads in batches; `write` at the end of the work."""

    def __init__(self, library_id: UUID, count: int | None = None) -> None:
        self._library = library_id
        self._count = count or live.value("FACE_NEIGHBOURS")
        self._known: dict[UUID, Known] = {}
        self._near: dict[UUID, list[Near]] = {}
        self._beside: dict[UUID, list[Known]] = {}
        self._moved: dict[UUID, tuple[UUID, float | None]] = {}
        self._created: dict[UUID, None] = {}

    def prepare(self, faces: Collection[UUID]) -> None:
        missing = [key for key in faces if key not in self._near]
        if not missing:
            return
        for key, near in lookups.around(self._library, missing, self._count).items():
            self._near[key] = [(one.face, one.distance) for one in near]
        self._know([*missing, *(other for key in missing for other, _ in self._near[key])])
        self._know_beside(self._known[key].original for key in missing)

    def face(self, key: UUID) -> Known:
        if key not in self._known:
            self._know([key])
        return self._known[key]

    def near(self, key: UUID, count: int) -> Sequence[Near]:
        self.prepare([key])
        return self._near[key][:count]

    def beside(self, key: UUID) -> Sequence[Known]:
        original = self.face(key).original
        self._know_beside([original])
        return [one for one in self._beside[original] if one.id != key]

    def put(self, face: Known, person: UUID, distance: float | None) -> None:
        self._moved[face.id] = (person, distance)

    def create(self) -> UUID:
        key = uuid7()
        self._created[key] = None
        return key

    def merge(self, person: UUID, into: UUID) -> None:
        del self._created[person]
        for key, (owner, distance) in self._moved.items():
            if owner == person:
                self._moved[key] = (into, distance)

    def write(self, looked_at: Sequence[UUID]) -> None:
        """New people, and whose the faces are now. Those that were looked at wait no more."""
        Person.objects.bulk_create([Person(pk=key, library_id=self._library) for key in self._created])
        if self._moved:
            people, distances = zip(*self._moved.values(), strict=True)
            with connection.cursor() as cursor:
                cursor.execute(WRITE, [list(looked_at), list(self._moved), list(people), list(distances)])

    def _know(self, keys: Collection[UUID]) -> None:
        wanted = {key for key in keys if key not in self._known}
        if wanted:
            self._read(Face.objects.filter(pk__in=wanted))

    def _know_beside(self, originals: Any) -> None:
        wanted = {original for original in originals if original not in self._beside}
        if not wanted:
            return
        self._beside |= {original: [] for original in wanted}
        for key in self._read(Face.objects.filter(original__in=wanted, removed=False)):
            known = self._known[key]
            self._beside[known.original].append(known)

    def _read(self, rows: Any) -> list[UUID]:
        """Each face once, however it was come upon: what is changed on it is seen everywhere."""
        found = list(rows.order_by("id").values_list(*COLUMNS))
        new = [row for row in found if row[0] not in self._known]
        refused: dict[UUID, set[UUID]] = defaultdict(set)
        said = FaceRejection.objects.filter(face__in=[row[0] for row in new])
        for face, person in said.values_list("face_id", "person_id"):
            refused[face].add(person)
        for key, original, person, by, quality, spans in new:
            self._known[key] = Known(
                key, original, person, by == By.USER, quality, spans, frozenset(refused[key])
            )
        return [row[0] for row in found]
