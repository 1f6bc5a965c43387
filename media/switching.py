"""Turning the switches of a library: the flag at once, the library behind it batch by batch in the background.

On: rows are planned for all that was taken in before. Off: runs are stopped, rows and their blobs go, and with them
what derivers keep beside them. A Switching row says how far that is. Only what is in it counts, so a message that is
lost or comes twice changes nothing, and turning a switch back in the middle begins anew in the other direction.

No original is passed over. A batch holds its originals locked, as the end of a run does (`media.runs`), and either
reads the switches under that lock: whoever comes second sees what the first has done. A merge of originals locks the
one that goes before the one that stays, and may meet a batch in a ring. Postgres breaks it at one of the two: a batch
begins anew and then sees what the merge has done, and a merge is tried again as runs are.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import redis
from celery import current_app
from django.db import OperationalError as DatabaseError
from django.db import transaction
from django.db.models import Q
from kombu.exceptions import OperationalError
from psycopg.errors import DeadlockDetected

from media import dispatch, ledger, pipeline
from media.derivers.base import Deriver
from media.derivers.registry import all_derivers
from media.errors import ConflictError
from media.models import Derivative, Library, Original, Switching
from media.models.library import FIELD_OF

logger = logging.getLogger(__name__)
TASK: Final = "media.follow_switch"
QUEUE: Final = "maintenance"
BATCH: Final = 100
"""Originals that one transaction holds."""
SLICE: Final = 30.0
"""Seconds of one message: other upkeep has its turn after it."""
SILENT: Final = 60.0
"""Seconds without a step after which a message is taken for lost."""
TRIES: Final = 5
"""Of one batch that others meet in a ring of locks. After that it waits for the next message."""
NOT_MADE: Final = Q(status="not_needed", facts__reason="not_accepted") | Q(
    status="failed", error_code="cancelled"
)
"""Rows that are there and wait for nothing, because the switch was off while they were looked at."""


class LossError(ConflictError):
    """Switching off deletes something, and nobody has confirmed that. `losses`: what, by switch and by kind."""

    code = "confirm_deletion"

    def __init__(self, losses: Mapping[str, Mapping[str, int]]) -> None:
        told = "; ".join(f"{switch.replace('_', ' ')}: {counted(kinds)}" for switch, kinds in losses.items())
        super().__init__(
            f"Switching this off deletes what was made ({told}). Send it again with `confirm` to do so."
        )
        self.losses = losses


def counted(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())


def derivers_of(switch: str) -> list[Deriver]:
    """What is made only while it is on; none for switches of another sort (sharing)."""
    return [deriver for deriver in all_derivers() if deriver.switch == switch]


def rows_of(switch: str) -> Any:
    return Derivative.objects.filter(deriver__in=[deriver.name for deriver in derivers_of(switch)])


def turn(library: Library, wanted: Mapping[str, bool], *, confirmed: bool = False) -> None:
    """Set these switches, in the row and in `library`. LossError where that deletes something nobody has confirmed."""
    with transaction.atomic():
        held = Library.objects.select_for_update(no_key=True).filter(pk=library.pk).first()
        if held is None:
            raise ConflictError("This library was deleted meanwhile.", code="library_gone")
        on = held.switches()
        turned = {name: value for name, value in wanted.items() if (name in on) != value}
        off = [name for name, value in turned.items() if not value]
        if not confirmed and (losses := losses_of(held, off)):
            raise LossError(losses)
        for name, value in turned.items():
            setattr(held, FIELD_OF[name], value)
        held.save(update_fields=[*(FIELD_OF[name] for name in turned), "updated_at"])
        keys = [begin(held, name, on=value) for name, value in turned.items() if derivers_of(name)]
        for name in off:
            ledger.cancel(rows_of(name).filter(original__library=held, status="processing"))
        transaction.on_commit(partial(send, keys))
    for field in FIELD_OF.values():
        setattr(library, field, getattr(held, field))


def losses_of(library: Library, switches: Iterable[str]) -> dict[str, dict[str, int]]:
    """What there is to lose by each of these switches: results, and what derivers have written down. No zeros."""
    found = {switch: holdings_of(library, switch) for switch in switches}
    return {switch: kinds for switch, kinds in found.items() if kinds}


def holdings_of(library: Library, switch: str) -> dict[str, int]:
    results = rows_of(switch).filter(original__library=library, ready_version__gt=0).count()
    kinds = {"results": results}
    for deriver in derivers_of(switch):
        kinds |= deriver.holdings(library.pk)
    return {kind: number for kind, number in kinds.items() if number}


def begin(library: Library, switch: str, *, on: bool) -> UUID:
    """From the first original on, whatever was under way in the other direction."""
    total = Original.objects.filter(library=library).count()
    row, _ = Switching.objects.update_or_create(
        library=library, switch=switch, defaults={"on": on, "after": None, "done": 0, "total": total}
    )
    key: UUID = row.pk
    return key


def send(keys: Iterable[UUID]) -> None:
    """A message for each. Those that cannot be sent are sent by `resume`."""
    try:
        with current_app.producer_pool.acquire(block=True, timeout=5) as producer:
            for key in keys:
                current_app.send_task(
                    TASK, args=(str(key),), queue=QUEUE, producer=producer, ignore_result=True, retry=False
                )
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("what follows a switch waits for the broker, which is away: %s", error)


def resume() -> int:
    """Send again for those that have not moved for a while; returns how many."""
    silent = Switching.objects.filter(updated_at__lt=ledger.after(-SILENT))
    keys = list(silent.values_list("pk", flat=True))
    send(keys)
    return len(keys)


def follow(key: UUID) -> bool:
    """Batches until the library has followed or the slice is over; True where there is more to do."""
    until = time.monotonic() + SLICE
    while step_surely(key):
        if time.monotonic() > until:
            return True
    return False


def step_surely(key: UUID) -> bool:
    """`step`, from its beginning where Postgres has chosen it to break a ring of locks. It has changed nothing then."""
    for _ in range(TRIES - 1):
        try:
            return step(key)
        except DatabaseError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
            logger.info("a batch of switch %s met another in a ring of locks and begins anew", key)
    return step(key)


def step(key: UUID) -> bool:
    """One batch. False where it was the last, another message is at it, or there is nothing to follow any more."""
    with transaction.atomic():
        row = Switching.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=key).first()
        if row is None:
            return False
        originals = Original.objects.filter(library=row.library_id).order_by("id")
        ahead = originals.filter(id__gt=row.after) if row.after else originals
        batch = list(ahead.select_for_update(no_key=True)[:BATCH])
        if not batch:
            finish(row)
            return False
        if row.on:
            plan(row, batch)
        else:
            rows_of(row.switch).filter(original__in=batch).drop()
        row.after, row.done = batch[-1].pk, row.done + len(batch)
        row.save(update_fields=["after", "done", "updated_at"])
        return True


def plan(row: Switching, batch: Sequence[Original]) -> None:
    """Rows for what is made from now on, and a new try of those that were turned away while it was off."""
    switches = Library.objects.get(pk=row.library_id).switches()
    derivers = derivers_of(row.switch)
    pairs = [(original, pipeline.plan(original.subject(switches), derivers)) for original in batch]
    pipeline.create_all(pairs)
    planned = Q(pk=None)
    for deriver in derivers:
        keys = [original.pk for original, kinds in pairs if deriver.name in {one.deriver for one in kinds}]
        planned |= Q(deriver=deriver.name, variant="", original__in=keys)
    ledger.request_again(Derivative.objects.filter(planned & NOT_MADE))
    silent = Derivative.objects.filter(planned, status="queued", published_at__isnull=True)
    dispatch.publish_after_commit(silent.wanted())


def finish(row: Switching) -> None:
    """The library has followed."""
    if not row.on:
        for deriver in derivers_of(row.switch):
            deriver.forget(row.library_id)
    row.delete()
    logger.info("library %s has followed: %s %s", row.library_id, row.switch, "on" if row.on else "off")
