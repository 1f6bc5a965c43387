"""Compares the store with what names it: blobs that nobody names, and rows whose blob is gone.

The register of unnamed blobs covers every crash of ours. It cannot know of a database that was restored from a
backup, nor of whoever else writes to the store; this search does. It goes on from any position, so a task does a
slice and sends itself on. First everything is counted; only then, if it was not suspiciously much, a second way
through enters what it finds in the register. Nothing is deleted here. The image cache, of which nothing can be
lost, comes last: a picture without a row is entered to be swept at once, a row without its picture goes.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Literal
from uuid import UUID

from django.db.models import Prefetch
from django.db.models.functions import Collate
from django.utils import timezone

from alcoves import metrics
from media import audit, blobs, epochs, imagecache
from media.audit import Actor
from media.models import CachedImage, Derivative, Library, Original, SweepHold, UnnamedBlob, Upload
from media.models.blob import FILES
from media.models.cached_image import CACHE
from storage import keys
from storage.base import BlobStat
from storage.errors import BlobNotFoundError, InvalidKeyError
from storage.registry import get_store

logger = logging.getLogger(__name__)
BATCH = 1000
"""Keys compared at once: the memory a search takes."""
SLICE = 50
"""Batches before the search gives its position back: a minute or so, so that other upkeep has its turn."""
SETTLED = blobs.WRITING
"""A younger blob is left alone: no write takes longer, so by then whoever made it has named it or has died."""
GRACE = timedelta(days=7)
"""From being entered to being swept: time to read the log and to bring the right database back."""
ALARM_SHARE, ALARM_LEAST = 5, 50
"""More than one in five, and at least so many: then it is the database that is wrong, not the blobs."""
RESTORED = "restored"
"""Who holds the sweeper after a restore, until an operator decides."""
TOLD = 100
"""Keys and ids that a report keeps."""
IDS_A_LINE, KEYS_A_LINE = 30, 10
"""Longer lines are cut in the logs."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a search stands; all of it fits into a message. `after` is the last key, or library/original, done."""

    phase: Literal["count", "enter", "missing", "cache"] = "count"
    after: str = ""
    looked: int = 0
    orphans: int = 0
    """While counting: found so far. While entering: how many may still be entered."""
    epoch: str = ""
    """Of the database that was counted: what was found of one that a restore has replaced is not entered."""
    trouble: bool = False
    """Whether something was found that an operator has to look at: named blobs that are lost, too many orphans."""


@dataclass(frozen=True, slots=True)
class Named:
    """A blob as a row names it. `output` is empty for the original's own bytes."""

    original: UUID
    output: str
    key: str
    size: int


@dataclass(slots=True)
class Report:
    """What one process has seen."""

    blobs: int = 0
    size: int = 0
    orphans: int = 0
    orphan_size: int = 0
    young: int = 0
    strange: int = 0
    """Files whose names are no keys of ours: nobody of ours wrote them, and the sweeper could not delete them."""
    entered: int = 0
    alarm: str = ""
    """Why nothing was entered."""
    lost_originals: int = 0
    lost_outputs: int = 0
    cached: int = 0
    """In the image cache: pictures without a row, and rows without their picture."""
    examples: list[str] = field(default_factory=list)
    lost: list[Named] = field(default_factory=list)
    """The first of the originals."""


class Scan:
    """One search with its choices. `advance` until it gives None."""

    def __init__(
        self,
        *,
        due: timedelta = GRACE,
        force: bool = False,
        dry_run: bool = False,
        before: datetime | None = None,
    ) -> None:
        self.report = Report()
        self._due = due
        self._force = force
        self._dry_run = dry_run
        self._before = before or timezone.now() - SETTLED

    def advance(self, at: Position) -> Position | None:
        """One slice; the position to go on from."""
        if at.phase == "count":
            return self._count(at)
        if at.phase == "enter":
            return self._enter(at)
        return self._find_missing(at) if at.phase == "missing" else self._compare_cache(at)

    def _count(self, at: Position) -> Position:
        batches = 0
        for batch in islice(batches_after(at.after), SLICE):
            batches += 1
            found = self._orphans_of(batch)
            self._tell(batch, found)
            at = replace(
                at, after=batch[-1].key, looked=at.looked + len(batch), orphans=at.orphans + len(found)
            )
        return at if batches == SLICE else self._judge(at)

    def _judge(self, at: Position) -> Position:
        """Everything is counted: whether to enter it."""
        logger.info("%d blobs looked at, %d of them named by nothing", at.looked, at.orphans)
        if is_alarming(at) and not self._force:
            self.report.alarm = (
                f"{at.orphans} of {at.looked} blobs are named by nothing, which is too much to be true. Nothing was "
                "entered for sweeping. Check that this is the right database and that it is whole; if it is, run "
                "manage.py orphans --force."
            )
            logger.error("%s", self.report.alarm)
            metrics.ORPHANS.labels(outcome="held").inc(at.orphans)
            return Position("missing", trouble=True)
        if at.orphans and not self._dry_run:
            return Position("enter", orphans=at.orphans, epoch=epochs.current())
        return Position("missing")

    def _enter(self, at: Position) -> Position:
        """Never more than were counted: what has become an orphan since then waits for the next search."""
        if at.epoch != epochs.current():
            logger.warning("a backup was restored meanwhile: everything is counted anew")
            return Position()
        batches = 0
        for batch in islice(batches_after(at.after), SLICE):
            batches += 1
            found = [stat.key for stat in self._orphans_of(batch)][: at.orphans]
            UnnamedBlob.objects.enter(found, due=self._due)
            metrics.ORPHANS.labels(outcome="entered").inc(len(found))
            self.report.entered += len(found)
            for start in range(0, len(found), KEYS_A_LINE):
                some = found[start : start + KEYS_A_LINE]
                logger.warning("named by nothing, to be swept in %s: %s", self._due, ", ".join(some))
            at = replace(at, after=batch[-1].key, orphans=at.orphans - len(found))
        return at if batches == SLICE and at.orphans else Position("missing")

    def _orphans_of(self, batch: list[BlobStat]) -> list[BlobStat]:
        old = [stat for stat in batch if stat.modified_at < self._before and is_key(stat.key)]
        unnamed = find_unnamed([stat.key for stat in old])
        return [stat for stat in old if stat.key in unnamed]

    def _tell(self, batch: list[BlobStat], found: list[BlobStat]) -> None:
        report = self.report
        report.blobs += len(batch)
        report.size += sum(stat.size for stat in batch)
        report.young += sum(stat.modified_at >= self._before for stat in batch)
        report.strange += sum(not is_key(stat.key) for stat in batch)
        report.orphans += len(found)
        report.orphan_size += sum(stat.size for stat in found)
        report.examples += [stat.key for stat in found[: TOLD - len(report.examples)]]

    def _find_missing(self, at: Position) -> Position:
        pages = 0
        for listing, page in islice(pages_after(at.after), SLICE):
            pages += 1
            lost = lost_of(listing, page)
            self._tell_lost(lost)
            after = f"{page[-1].library_id}/{page[-1].pk}"
            at = Position("missing", after=after, trouble=at.trouble or bool(lost))
        return at if pages == SLICE else Position("cache", trouble=at.trouble)

    def _compare_cache(self, at: Position) -> Position | None:
        batches = 0
        for batch in islice(batches_after(at.after, CACHE), SLICE):
            batches += 1
            self._settle_cache(batch, at.after, batch[-1].key)
            at = replace(at, after=batch[-1].key)
        if batches == SLICE:
            return at
        self._settle_cache([], at.after, "~")
        metrics.RECONCILIATION.set(0 if at.trouble else 1)
        return None

    def _settle_cache(self, batch: list[BlobStat], after: str, last: str) -> None:
        """One stretch of keys, of which `batch` is all that the store has."""
        old = [stat.key for stat in batch if stat.modified_at < self._before and is_key(stat.key)]
        unknown = set(old).difference(
            CachedImage.objects.filter(key__in=old).values_list("key", flat=True),
            UnnamedBlob.objects.filter(store=CACHE, key__in=old).values_list("key", flat=True),
        )
        there = {stat.key for stat in batch}
        rows = kept_between(after, last).filter(size__gt=0, updated_at__lt=self._before)
        lost = [pk for pk, key in rows.values_list("pk", "key") if key not in there]
        self.report.cached += len(unknown) + len(lost)
        if not self._dry_run and unknown:
            UnnamedBlob.objects.enter(unknown, due=timedelta(0), store=CACHE)
        if not self._dry_run and lost:
            Original.objects.filter(cached_images__in=lost).forget_warmth()
            imagecache.discard(lost)

    def _tell_lost(self, lost: list[Named]) -> None:
        originals = [named for named in lost if not named.output]
        self.report.lost_originals += len(originals)
        self.report.lost_outputs += len(lost) - len(originals)
        self.report.lost += originals[: TOLD - len(self.report.lost)]
        metrics.MISSING.labels(what="original").inc(len(originals))
        metrics.MISSING.labels(what="output").inc(len(lost) - len(originals))
        for what, some in (("originals", originals), ("outputs", [named for named in lost if named.output])):
            for start in range(0, len(some), IDS_A_LINE):
                ids = ", ".join(
                    dict.fromkeys(str(named.original) for named in some[start : start + IDS_A_LINE])
                )
                logger.error("%s missing in the store or of another size, by original: %s", what, ids)


def count_unnamed(tick: Callable[[], None]) -> tuple[int, int]:
    """Blobs that neither an original nor an output names, whatever the register says, and their bytes. Enters none."""
    count = size = 0
    for batch in batches_after(""):
        tick()
        named = blobs.find_named([stat.key for stat in batch])
        lost = [stat.size for stat in batch if is_key(stat.key) and stat.key not in named]
        count, size = count + len(lost), size + sum(lost)
    return count, size


def let_go(by: Actor) -> bool:
    """What a restore has left unnamed may be swept. False where nothing was held for that."""
    with audit.noting("sweep.let_go", by=by) as act:
        act.count, _ = SweepHold.objects.filter(reason=RESTORED).delete()
        act.text = "Let the sweeper go on after a restore: what nothing names may go."
    return bool(act.count)


def is_alarming(at: Position) -> bool:
    return at.orphans >= ALARM_LEAST and at.orphans * ALARM_SHARE > at.looked


def is_key(name: str) -> bool:
    try:
        keys.check(name)
    except InvalidKeyError:
        return False
    return True


def kept_between(after: str, last: str) -> Any:
    """Rows of the image cache by key, in the order of the store, whatever that of the database is."""
    rows: Any = CachedImage.objects.alias(place=Collate("key", "C"))
    return rows.filter(place__gt=after, place__lte=last)


def batches_after(after: str, store: str = FILES) -> Iterator[list[BlobStat]]:
    stats = get_store(store).iterate(after=after)
    while batch := list(islice(stats, BATCH)):
        yield batch


def find_unnamed(wanted: list[str]) -> set[str]:
    """Those that nothing names, in a few queries.

    The register is read before the outputs: a key leaves it only in the transaction that names it, so a key that is
    being named at this moment is seen in one or the other.
    """
    known = (
        UnnamedBlob.objects.filter(store=FILES, key__in=wanted)
        .values_list("key", flat=True)
        .union(
            Original.objects.filter(key__in=wanted).values_list("key", flat=True),
            Upload.objects.filter(key__in=wanted, finished_at__isnull=True).values_list("key", flat=True),
            all=True,
        )
    )
    left = set(wanted)
    left.difference_update(known)
    return left - blobs.named_by_outputs(left)


class Listing:
    """What the store has of one library, read along with its originals: both go in the order of their ids."""

    def __init__(self, library: UUID, after: str) -> None:
        self._prefix = f"{library}/"
        self._stats = get_store(FILES).iterate(self._prefix, after=self._end(after) if after else "")
        self._next = next(self._stats, None)

    def _end(self, original: object) -> str:
        return f"{self._prefix}{original}/~"  # No key has a tilde, and it sorts after all that they have.

    def sizes(self, wanted: set[str], upto: UUID) -> dict[str, int]:
        """Reads on to the end of that original's folder and keeps what is wanted."""
        found = {}
        end = self._end(upto)
        while self._next is not None and self._next.key <= end:
            if self._next.key in wanted:
                found[self._next.key] = self._next.size
            self._next = next(self._stats, None)
        return found


def pages_after(after: str) -> Iterator[tuple[Listing, list[Original]]]:
    """Originals with their derivatives, library by library, beside the store's listing."""
    library, _, original = after.partition("/")
    libraries = Library.objects.filter(pk__gte=library or UUID(int=0)).order_by("pk")
    for key in list(libraries.values_list("pk", flat=True)):
        last = original if str(key) == library else ""
        listing = Listing(key, last)
        rows = with_outputs(library=key)
        page = list(rows.filter(pk__gt=last or UUID(int=0))[:BATCH])
        while page:
            yield listing, page
            page = list(rows.filter(pk__gt=page[-1].pk)[:BATCH])


def with_outputs(**which: Any) -> Any:
    outputs = Derivative.objects.only("original_id", "outputs")
    rows = Original.objects.filter(**which).order_by("pk").only("library_id", "key", "size")
    return rows.prefetch_related(Prefetch("derivatives", queryset=outputs))


def names_of(page: list[Original]) -> Iterator[Named]:
    for original in page:
        yield Named(original.pk, "", original.key, original.size)
        for row in original.derivatives.all():
            for output in row.outputs:
                yield Named(original.pk, output["name"], output["key"], output["size"])


def lost_of(listing: Listing, page: list[Original]) -> list[Named]:
    """Blobs that are not there or of another size. Rows and store are asked once more: both go on changing."""
    named = list(names_of(page))
    sizes = listing.sizes({name.key for name in named}, page[-1].pk)
    suspects = [name for name in named if sizes.get(name.key) != name.size]
    if not suspects:
        return []
    still = set(names_of(list(with_outputs(pk__in={name.original for name in suspects}))))
    return [name for name in suspects if name in still and find_size(name.key) != name.size]


def find_size(key: str) -> int | None:
    try:
        return get_store(FILES).stat(key).size
    except BlobNotFoundError:
        return None
