"""Which files lie in one stack, kept true while files come, learn what they are, and are renamed, trashed or purged.

Whatever may change that does it inside `rearranging`. Each file writes only where it lies itself; the row of the stack
is where two runs that know nothing of each other meet. Locks are always taken in one order: originals, names, files,
stacks. The lock of a name (folder and stem) stands for files that do not exist yet: a RAW file and its JPEG may come at
the same moment.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID
from zlib import crc32

from django.db import connection, transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from media import belonging
from media.belonging import Mark, Member
from media.errors import RequestError
from media.models import File, Stack

BUCKETS: Final = 256
"""Locks for all names: so many that strangers seldom wait for each other, so few that Postgres has room for them."""
LOCK_SPACE: Final = 0x57AC
Place = tuple[UUID | None, str]
"""Folder and name of a file."""

COLUMNS: Final = {
    "id": "id",
    "original": "original_id",
    "folder": "folder_id",
    "name": "name",
    "kind": "original__kind",
    "mime": "original__mime",
    "stack": "stack_id",
    "content_id": "original__content_id",
    "burst_id": "original__burst_id",
    "captured_at": "original__captured_at",
    "captured_offset": "original__captured_offset",
    "make": "original__camera_make",
    "model": "original__camera_model",
}


class NotInStackError(RequestError):
    """Somebody wants a file to stand for a stack it is not in."""

    code = "not_in_stack"
    http_status = 409


@contextmanager
def rearranging(library_id: UUID, keys: Collection[UUID], *, to: Iterable[Place] = ()) -> Iterator[None]:
    """Hold what the change inside may touch, let it happen, put every file where it belongs now. In a transaction.

    `to` names places that files of `keys` are about to go to.
    """
    before = hold(library_id, keys, to)
    yield
    arrange(library_id, keys, before)


def hold(library_id: UUID, keys: Collection[UUID], to: Iterable[Place] = ()) -> set[UUID]:
    """Lock the names of these files; the stacks they lie in. Who renames one of them waits, or has been waited for."""
    held: set[int] = set()
    places = list(to)
    while True:
        rows = list(File.objects.filter(pk__in=keys).values_list("folder_id", "name", "stack_id"))
        wanted = {
            bucket(library_id, place) for place in [*places, *((folder, name) for folder, name, _ in rows)]
        }
        if wanted <= held:
            lying: set[UUID | None] = {stack for _, _, stack in rows}
            return {stack for stack in lying if stack is not None}
        with connection.cursor() as cursor:
            ordered = sorted(wanted - held)
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, bucket) FROM unnest(%s::int[]) AS bucket",
                [LOCK_SPACE, ordered],
            )
        held |= wanted


def bucket(library_id: UUID, place: Place) -> int:
    folder, name = place
    text = f"{library_id}/{belonging.place_of(folder, belonging.stem_of(name))}"
    return crc32(text.encode()) % BUCKETS


def join(library_id: UUID, keys: Collection[UUID]) -> None:
    """New files find their stacks by what is known so far, in the transaction of their birth."""
    arrange(library_id, keys, hold(library_id, keys))


def arrange(library_id: UUID, keys: Collection[UUID], before: Collection[UUID] = ()) -> None:
    """Put these files and their partners into the stacks they belong to, then see who stands for each stack."""
    members = {member.id: member for member in members_of(live_files(library_id).filter(pk__in=keys))}
    beside = partners(library_id, members.values())
    wanted = wanted_marks(members.values(), beside)
    members |= {member.id: member for member in beside if member.id in wanted}
    touched = {member.stack for member in members.values() if member.stack is not None} | set(before)
    marks = {mark for mark in wanted.values() if mark is not None}
    if not touched and not marks:
        return
    stacks = locked_stacks(library_id, marks, touched)
    for key, mark in sorted(wanted.items()):
        stack = stacks[mark] if mark is not None else None
        if members[key].stack != (stack.pk if stack is not None else None):
            File.objects.filter(pk=key).update(stack=stack)
    refresh(stacks.values())


def live_files(library_id: UUID) -> QuerySet[File]:
    found: QuerySet[File] = File.objects.live().filter(
        library=library_id, original__kind__in=("image", "video")
    )
    return found


def members_of(files: QuerySet[File]) -> list[Member]:
    return [Member(**dict(zip(COLUMNS, row, strict=True))) for row in files.values_list(*COLUMNS.values())]


def wanted_marks(members: Collection[Member], beside: Collection[Member]) -> dict[UUID, Mark | None]:
    """For each file, and for those beside it that a pair draws in, the mark of its stack; None: it stands alone."""
    wanted = {member.id: belonging.mark_of(member) for member in members}
    for member in members:
        for other in beside:
            if belonging.is_pair(member, other):
                wanted[member.id] = wanted[other.id] = belonging.pair_mark(member)
    return wanted


def may_pair(member: Member) -> bool:
    return belonging.mark_of(member) is None and (member.is_raw or member.mime in belonging.COMPANIONS)


def partners(library_id: UUID, members: Collection[Member]) -> list[Member]:
    """Live files beside these with the same name and the other kind of suffix: looked up by the index of names."""
    names: dict[UUID | None, set[str]] = {}
    for member in filter(may_pair, members):
        suffixes = belonging.COMPANION_SUFFIXES if member.is_raw else belonging.RAW_SUFFIXES
        names.setdefault(member.folder, set()).update(f"{member.stem}.{suffix}" for suffix in suffixes)
    if not names:
        return []
    beside = Q()
    for folder, wanted in names.items():
        folded = [Lower(Value(name)) for name in sorted(wanted)]
        beside |= Q(folder=folder, sort_name__in=folded)
    return members_of(live_files(library_id).alias(sort_name=Lower("name")).filter(beside))


def locked_stacks(library_id: UUID, marks: Collection[Mark], touched: Collection[UUID]) -> dict[Mark, Stack]:
    """The stacks of these marks, made where there are none, and those of these keys; locked, in one order."""
    ordered = sorted(marks)
    named = Q(pk__in=touched)
    for mark in ordered:
        named |= Q(kind=mark.kind, mark=mark.text)
    while True:
        rows = Stack.objects.filter(library=library_id).filter(named).order_by("kind", "mark")
        found = {Mark(row.kind, row.mark): row for row in rows.select_for_update(no_key=True)}
        missing = [mark for mark in ordered if mark not in found]
        if not missing:
            return found
        Stack.objects.bulk_create(
            [Stack(library_id=library_id, kind=mark.kind, mark=mark.text) for mark in missing],
            ignore_conflicts=True,  # Another run makes the same one: ours waits for it, and then finds it.
        )


def refresh(stacks: Iterable[Stack]) -> None:
    """See who lies in these locked stacks and who stands for each; what nobody lies in is deleted."""
    rows = {stack.pk: stack for stack in stacks}
    inside: dict[UUID | None, list[Member]] = defaultdict(list)
    for member in members_of(File.objects.live().filter(stack__in=list(rows))):
        inside[member.stack].append(member)
    for key, stack in rows.items():
        settle(stack, inside[key])
    empty = Stack.objects.filter(pk__in=rows.keys(), count=0).exclude(members__isnull=False)
    empty.delete()


def settle(stack: Stack, members: list[Member]) -> None:
    """Who does not belong any more leaves; who stands for the rest is what a person chose, else what the kind says."""
    mark = Mark(stack.kind, stack.mark)
    staying = belonging.fitting(mark, members)
    leaving = {member.id for member in members} - {member.id for member in staying}
    if leaving:
        File.objects.filter(pk__in=leaving).update(stack=None)
    first = None if stack.apart else belonging.leader(mark.kind, staying)
    primary = first.id if first else None
    if primary and stack.chosen_id in {member.id for member in staying}:
        primary = stack.chosen_id
    if (stack.primary_id, stack.count) != (primary, len(staying)):
        stack.primary_id, stack.count = primary, len(staying)
        stack.save(update_fields=["primary", "count", "updated_at"])


def choose(stack: Stack, key: UUID) -> None:
    """This file stands for the stack from now on; one that was taken apart is together again."""
    with deciding(stack) as row:
        if not File.objects.live().filter(stack=row, pk=key).exists():
            raise NotInStackError("This file does not lie in this stack. Choose one of its members.")
        row.chosen_id, row.apart = key, False
        row.save(update_fields=["chosen", "apart", "updated_at"])


def take_apart(stack: Stack) -> None:
    """Every member stands alone, now and after every later look at the files."""
    with deciding(stack) as row:
        row.apart = True
        row.save(update_fields=["apart", "updated_at"])


@contextmanager
def deciding(stack: Stack) -> Iterator[Stack]:
    """The stack, locked, for what a person decides; then who stands for it is seen anew."""
    with transaction.atomic():
        keys = list(File.objects.filter(stack=stack).values_list("pk", flat=True))
        hold(stack.library_id, keys)
        row = Stack.objects.select_for_update(no_key=True).filter(pk=stack.pk).first()
        if row is None:
            raise NotInStackError("This stack is gone: its files were renamed, moved or deleted. Look again.")
        yield row
        refresh([row])
