"""Compares the blobs with what names them: missing, of another size, with other bytes (deep), named by nobody.

Rows go along with the listing of the store, a page at a time, so a look goes on from any place. What is found is a
`Finding`; one that is well again is closed by the next look. Repair is in `alcoves.backup.mending`.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone

from alcoves.accounts import avatars
from alcoves.accounts.avatars import AVATARS
from alcoves.accounts.models import User
from alcoves.backup import extent, mending, naming
from alcoves.backup.errors import BackupError
from alcoves.backup.models import CACHED, FACES, NAMED, STRAYS, UNNAMED, Finding, Look, State
from alcoves.backup.working import Effort, claim, fail
from media import live, orphans
from media.models import Derivative, Library, Original
from media.models.blob import FILES
from storage.base import CHUNK_SIZE
from storage.errors import BlobNotFoundError, StoreError, UnreadableError
from storage.registry import get_store

logger = logging.getLogger(__name__)
PAGE: Final = 200
BUSY: Final = "Somebody looks at the blobs already. Wait for the end of that, or see it in the console."
MOST_ORPHANS: Final = 10_000
"""More are counted and not listed."""
PAUSE: Final = threading.Event()
FACE: Final = ("avatar_key", "avatar_size", "avatar_sha256")
Say = Callable[[Look], None]


@dataclass(frozen=True, slots=True)
class Named:
    """A blob as a row names it."""

    what: str
    store: str
    key: str
    size: int
    sha256: str = ""
    library: UUID | None = None
    original: UUID | None = None
    derivative: UUID | None = None


class Pace:
    """Reads no faster than so many bytes a second on the whole."""

    def __init__(self, megabytes: int) -> None:
        self._limit = megabytes * 1_000_000
        self._began = time.monotonic()
        self._read = 0

    def passed(self, count: int) -> None:
        self._read += count
        ahead = self._read / self._limit - (time.monotonic() - self._began)
        if ahead > 0:
            PAUSE.wait(min(ahead, 1.0))


def look(row: Look, *, seconds: float | None = None, say: Say | None = None) -> bool:
    """Goes on with a look, for so long at most. Whether it has ended."""
    row = claim(row, BUSY)
    try:
        looking = Looking(row, seconds, say)
        with looking.living():
            return looking.go_on()
    except (BackupError, StoreError) as error:
        fail(row, str(error))
        raise BackupError(str(error)) from error
    except Exception as error:
        fail(row, f"It broke off ({type(error).__name__}). The log says more; start it again.")
        raise


class Looking(Effort[Look]):
    """One slice of a look."""

    def __init__(self, row: Look, seconds: float | None, say: Say | None) -> None:
        super().__init__(row, seconds)
        self.say = say
        self.pace = Pace(int(live.value("VERIFY_MB_PER_SECOND")))

    def ticked(self) -> None:
        if self.say is not None:
            self.say(self.row)

    def kept(self) -> tuple[str, ...]:
        return (*super().kept(), "looked", "found", "repaired", "total", "whole", "alarm")

    def go_on(self) -> bool:
        steps = {NAMED: self.look_at_named, FACES: self.look_at_avatars, UNNAMED: self.look_for_orphans}
        steps |= {STRAYS: self.look_for_strays, CACHED: self.look_at_cache}
        self.row.phase = self.row.phase or NAMED
        if not self.row.total:
            self.row.total, self.row.total_bytes = extent.of(self.row)
        while True:
            following = steps[self.row.phase]()
            if following is None:
                self.end(State.DONE, position={})
                return True
            if following == self.row.phase:
                # The part of a night is over: it waits for the next one.
                self.keep(holder="", state=State.QUEUED)
                return False
            self.row.phase, self.row.position = following, {}
            self.tick(at_once=True)

    def look_at_named(self) -> str | None:
        after = str(self.row.position.get("after", ""))
        for listing, page in pages_after(after, self.row.library, self.row.since):
            self.judge(page, listing.sizes({named.key for named in page}, last_of(page)))
            self.row.position = {"after": f"{page[-1].library}/{page[-1].original}"}
            self.tick()
            if self.over:
                return NAMED
        return None if self.row.partial else FACES

    def look_at_avatars(self) -> str:
        """A page of people at a time; each picture is asked for by its own key."""
        people = User.objects.exclude(avatar_key="").order_by("pk")
        while True:
            after = self.row.position.get("after")
            page = list((people.filter(pk__gt=after) if after else people).only(*FACE)[:PAGE])
            if not page:
                return UNNAMED
            self.judge([name_of(user) for user in page], {})
            self.row.position = {"after": str(page[-1].pk)}
            self.tick()
            if self.over:
                return FACES

    def judge(self, page: list[Named], sizes: dict[str, int]) -> None:
        """One page: what is wrong is written down, what is well again is closed."""
        wrong: dict[str, dict[str, Any]] = {}
        for named in page:
            self.row.looked += 1
            self.tick()
            trouble = self.trouble_of(named, sizes.get(named.key))
            if trouble is not None:
                wrong[named.key] = {**trouble, **about(named)}
        if wrong:
            gone = no_longer_named([named for named in page if named.key in wrong])
            wrong = {key: value for key, value in wrong.items() if key not in gone}
        found = write_down(wrong)
        self.row.found += len(found)
        close(page[0].store, [named.key for named in page if named.key not in wrong], deep=self.row.deep)
        if self.row.repair:
            self.row.repaired += sum(mending.mend(one) for one in found if one.state == Finding.State.OPEN)

    def trouble_of(self, named: Named, size: int | None) -> dict[str, Any] | None:
        try:
            return self.compared(named, size)
        except UnreadableError as error:
            # It is there, and nobody gets its bytes: as good as other bytes.
            told = {"kind": Finding.Kind.ALTERED, "size_found": size, "text": str(error)}
            return {**told, "by_reading": True} if self.row.deep else told

    def compared(self, named: Named, size: int | None) -> dict[str, Any] | None:
        if size is None or (named.size >= 0 and size != named.size):
            size = orphans_size(named)  # Asked once more: it may have been written since the listing.
        if size is None:
            return {"kind": Finding.Kind.MISSING}
        if named.size >= 0 and size != named.size:
            return {"kind": Finding.Kind.ALTERED, "size_found": size}
        if not self.row.deep:
            return None
        digest = self.digest_of(named)
        if digest is None:
            return {"kind": Finding.Kind.MISSING}
        if named.sha256 and digest != named.sha256:
            told = {"kind": Finding.Kind.ALTERED, "size_found": size, "sha256_found": digest}
            return {**told, "by_reading": True}
        if named.store == AVATARS and not named.sha256:
            avatars.learn(named.key, size, digest)
        return None

    def digest_of(self, named: Named) -> str | None:
        digest = hashlib.sha256()
        try:
            with get_store(named.store).open(named.key) as file:
                while block := file.read(CHUNK_SIZE):
                    digest.update(block)
                    self.row.done_bytes += len(block)
                    self.pace.passed(len(block))
                    self.tick()
        except BlobNotFoundError:
            return None
        return digest.hexdigest()

    def look_for_orphans(self) -> str:
        return self.look_for(FILES, "blob", mending.ALARM) or STRAYS

    def look_for_strays(self) -> str:
        """After these everything was seen that is named, and everything that lies in the stores."""
        if again := self.look_for(AVATARS, "avatar", mending.ALARM_OF_FACES):
            return again
        mending.close_unnamed()
        self.row.whole = True
        if self.row.repair and not self.row.alarm:
            self.row.repaired += mending.enter_orphans()
        return CACHED

    def look_for(self, store: str, what: str, alarm: str) -> str | None:
        """As the search of each week (`media.orphans`): old blobs that nothing names, unless they are too many.

        The phase to go on with, while it is not over. An alarm counts from the page on that gave it.
        """
        position = self.row.position
        looked, found = int(position.get("looked", 0)), int(position.get("found", 0))
        before = str(position.get("alarm", self.row.alarm))
        settled = timezone.now() - orphans.SETTLED
        for batch in orphans.batches_after(str(position.get("after", "")), store):
            old = [stat for stat in batch if stat.modified_at < settled and orphans.is_key(stat.key)]
            unnamed = naming.find_unnamed(store, [stat.key for stat in old])
            looked, found = looked + len(batch), found + len(unnamed)
            wrong = {
                stat.key: {"kind": "orphaned", "what": what, "store": store, "size_found": stat.size}
                for stat in old
                if stat.key in unnamed and found <= MOST_ORPHANS
            }
            self.row.found += len(write_down(wrong))
            alarming = orphans.is_alarming(orphans.Position(looked=looked, orphans=found))
            said = f"{found} of {looked} {alarm}" if alarming else ""
            self.row.alarm = f"{before} {said}".strip()
            self.row.position = {"after": batch[-1].key, "looked": looked, "found": found, "alarm": before}
            self.tick()
            if self.over:
                return self.row.phase
        close_named_again(store)
        return None

    def look_at_cache(self) -> None:
        """Pictures without a row, rows without their picture: nothing of it can be lost."""
        scan = orphans.Scan(dry_run=not self.row.repair)
        at: orphans.Position | None = orphans.Position("cache")
        while at is not None:
            at = scan.advance(at)
            self.tick()
        if self.row.repair:
            self.row.repaired += scan.report.cached

    def end(self, state: str, error: str = "", **more: Any) -> None:
        super().end(state, error or self.row.alarm, **more)


def about(named: Named) -> dict[str, Any]:
    return {
        "what": named.what,
        "store": named.store,
        "library": named.library,
        "original": named.original,
        "derivative": named.derivative,
        "size_expected": named.size if named.size >= 0 else None,
        "sha256_expected": named.sha256,
    }


def orphans_size(named: Named) -> int | None:
    try:
        return get_store(named.store).stat(named.key).size
    except BlobNotFoundError:
        return None


def last_of(page: list[Named]) -> UUID:
    assert page[-1].original is not None  # noqa: S101  Pages are made of originals.
    return page[-1].original


def pages_after(
    after: str, only: UUID | None, since: datetime | None
) -> Iterator[tuple[orphans.Listing, list[Named]]]:
    """Originals with their outputs, library by library, beside the store's listing."""
    library, _, original = after.partition("/")
    libraries = Library.objects.filter(pk__gte=library or UUID(int=0)).order_by("pk")
    if only is not None:
        libraries = libraries.filter(pk=only)
    for key in list(libraries.values_list("pk", flat=True)):
        last = original if str(key) == library else ""
        listing = orphans.Listing(key, last)
        rows = originals_of(key, since)
        while page := list(rows.filter(pk__gt=last or UUID(int=0))[:PAGE]):
            last = str(page[-1].pk)
            yield listing, [named for one in page for named in names_of(one)]


def originals_of(library: UUID, since: datetime | None) -> Any:
    outputs = Derivative.objects.only("original_id", "outputs")
    rows = Original.objects.filter(library=library).order_by("pk").only("library_id", "key", "size", "sha256")
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    return rows.prefetch_related(Prefetch("derivatives", queryset=outputs))


def name_of(user: User) -> Named:
    size = -1 if user.avatar_size is None else user.avatar_size
    return Named("avatar", AVATARS, user.avatar_key, size, user.avatar_sha256)


def names_of(original: Any) -> Iterator[Named]:
    ids = {"library": original.library_id, "original": original.pk}
    yield Named("original", FILES, original.key, original.size, original.sha256 or "", **ids)
    for row in original.derivatives.all():
        for one in row.outputs:
            sha256 = one.get("sha256") or ""
            yield Named("output", FILES, one["key"], one["size"], sha256, **ids, derivative=row.pk)


def no_longer_named(suspects: list[Named]) -> set[str]:
    """Those that their row has let go of since it was read: a new run, a purge, another picture."""
    owners = {named.original for named in suspects if named.original is not None}
    rows = Original.objects.filter(pk__in=owners).only("library_id", "key", "size", "sha256")
    rows = rows.prefetch_related(
        Prefetch("derivatives", queryset=Derivative.objects.only("original_id", "outputs"))
    )
    still = {named.key for row in rows for named in names_of(row)}
    still |= avatars.find_named(named.key for named in suspects if named.store == AVATARS)
    return {named.key for named in suspects if named.key not in still}


def write_down(wrong: dict[str, dict[str, Any]]) -> list[Finding]:
    """A finding for each key; one that is open already is brought up to date, one under repair stays so.

    Ignored ones stay so too, and what reading found is known until somebody has read it again.
    """
    found = []
    known = Finding.objects.filter(key__in=wrong)
    ignored = set(known.filter(state=Finding.State.IGNORED).values_list("key", flat=True))
    asked = set(known.filter(state=Finding.State.REPAIRING).values_list("key", flat=True))
    for key, values in wrong.items():
        if key in ignored:
            continue
        left_out = {"store", "text"} if key in asked else {"store"}
        rest = {name: value for name, value in values.items() if name not in left_out}
        with transaction.atomic():
            row, _ = Finding.objects.unmended().update_or_create(
                store=values["store"], key=key, defaults={**rest, "seen_at": timezone.now()}
            )
        found.append(row)
    return found


def close(store: str, keys: list[str], *, deep: bool) -> None:
    """What is as it should be again. Who did not read says nothing of what only reading finds."""
    well = Finding.objects.unmended().filter(store=store, key__in=keys)
    now = timezone.now()
    (well if deep else well.filter(by_reading=False)).update(
        state=Finding.State.REPAIRED, repaired_at=now, text="It was well when it was looked at again."
    )


def close_named_again(store: str) -> None:
    """Orphans that have gone or have a name now."""
    rows = Finding.objects.filter(kind=Finding.Kind.ORPHANED, state="open", store=store).order_by("pk")
    for batch in batches(list(rows.values_list("key", flat=True)[:MOST_ORPHANS])):
        close(store, list(set(batch) - naming.find_unnamed(store, batch)), deep=False)


def batches(keys: list[str], size: int = 1000) -> Iterator[list[str]]:
    rest = iter(keys)
    while some := list(islice(rest, size)):
        yield some
