"""One run of one derivative, from the claim to the named result. All failure handling lives here, once."""

import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from celery import current_task
from django.conf import settings
from django.db import transaction

from alcoves import logs, metrics, tracing
from media import (
    blobs,
    dispatch,
    failures,
    heartbeat,
    history,
    ledger,
    live,
    parts,
    pipeline,
    scratch,
    stacks,
)
from media.derivers.base import Deriver, Divided, FinishedPart, NotNeeded, Ready, Result, takes
from media.derivers.registry import get_deriver
from media.errors import (
    InfrastructureError,
    MediaError,
    PermanentError,
    RunAbandonedError,
    WaitingError,
)
from media.heartbeat import Pulse
from media.ledger import Claim
from media.models import Derivative, Library, Original, UnnamedBlob
from media.models.blob import FILES
from media.scratch import Room
from media.statements import ENDED_WELL, JOIN_FROM, LOCK_ORIGINAL
from media.tools.ranges import RangeServer
from media.tools.sources import Source
from media.transcoding import timeouts
from storage.base import CHUNK_SIZE
from storage.errors import BlobNotFoundError
from storage.registry import get_store

logger = logging.getLogger(__name__)
LONGEST_DELAY = 3600.0
LONGEST_DEFERRAL = 30.0
NOT_ACCEPTED = "not_accepted"


def owner() -> str:
    """Who holds a lease: `lane@host:pid`. Celery names its workers by lane and host."""
    task: Any = current_task
    name = task.request.hostname if task else None
    return f"{name or f'alcoves@{socket.gethostname()}'}:{os.getpid()}"


class RunContext:
    """What a deriver sees of its run; implements `media.derivers.base.Context`."""

    def __init__(self, claim: Claim, pulse: Pulse, room: Room) -> None:
        self.subject = claim.subject
        self.variant = claim.variant
        self.parameters = claim.parameters
        self._claim = claim
        self._pulse = pulse
        self._room = room
        self._ranges: RangeServer | None = None
        self._given: Path | None = None

    @cached_property
    def parts(self) -> Sequence[FinishedPart]:
        return parts.find_finished(self._claim)

    @cached_property
    def scratch(self) -> Path:
        """Made when first asked for: a run that only reads needs none."""
        path = scratch_path(self._claim)
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def source_path(self) -> Path:
        """The store's own file where there is one, else one copy in scratch, made when first asked for."""
        path = self._on_this_machine()
        if path is not None:
            return path
        store = get_store(FILES)
        copy = self.scratch / "source"
        if not copy.exists():
            self._room.need(self.subject.size)
            with store.open(self._claim.key) as source, copy.open("wb") as target:
                while block := source.read(CHUNK_SIZE):
                    self.check()
                    target.write(block)
        return copy

    def source_input(self) -> Source:
        """The store's own file, or an address of this machine that reads from the store by range until the run ends."""
        path = self._on_this_machine()
        if path is not None:
            return path
        if self._ranges is None:
            self._ranges = RangeServer(self.open_source, get_store(FILES).stat(self._claim.key).size)
        return self._ranges.source

    def _on_this_machine(self) -> Path | None:
        self._given = get_store(FILES).local_path(self._claim.key)
        return self._given

    @contextmanager
    def believing_the_store(self) -> Iterator[None]:
        """Ends the server of the source. What the store failed to send is not laid to the file, and not passed over."""
        try:
            yield
        except RunAbandonedError:
            raise
        except Exception as error:
            if trouble := self._ranges and self._ranges.trouble():
                raise trouble from error
            if self._given is not None and not self._given.exists():
                raise BlobNotFoundError("The original went away while it was read.") from error
            raise
        else:
            if trouble := self._ranges and self._ranges.trouble():
                raise trouble
        finally:
            if self._ranges is not None:
                self._ranges.close()

    def open_source(self, start: int = 0, end: int | None = None) -> AbstractContextManager[BinaryIO]:
        return get_store(FILES).open(self._claim.key, start=start, end=end)

    def progress(self, percent: float, eta_seconds: float | None = None) -> None:
        if self._claim.joins:
            percent = JOIN_FROM + percent * (100 - JOIN_FROM) / 100
        self._pulse.tell(percent, eta_seconds)

    def abandoned(self) -> bool:
        return self._pulse.abandoned.is_set()

    def check(self) -> None:
        if self.abandoned():
            raise RunAbandonedError("This run was cancelled or taken over.")


def run(derivative_id: UUID) -> None:
    """Claim, make, name. Returns quietly when there is nothing to claim."""
    with tracing.span("claim"):
        claim = ledger.claim(derivative_id, owner=owner(), lease_seconds=settings.LEASE_SECONDS)
    if claim is None:
        return
    with logs.about(
        derivative=claim.id, deriver=claim.deriver, original=claim.original_id, library=claim.library_id
    ):
        run_claimed(claim)


def run_claimed(claim: Claim) -> None:
    """One attempt, and what it says of itself."""
    if not claim.joins:
        metrics.QUEUE_WAIT.labels(queue=claim.queue).observe(claim.waited)
    began = time.monotonic()
    outcome = "abandoned"
    try:
        outcome = attempt(claim)
    except RunAbandonedError:
        logger.info("%s %s: given up, another run or a person took it over", claim.deriver, claim.id)
        history.note(claim, "abandoned", why_abandoned(claim))
    except (SystemExit, KeyboardInterrupt):
        outcome = "released"
        with transaction.atomic():
            ledger.release(claim)
            history.note(claim, outcome)
        raise
    finally:
        metrics.JOBS.labels(deriver=claim.deriver, outcome=outcome).inc()
        metrics.JOB_SECONDS.labels(deriver=claim.deriver).observe(time.monotonic() - began)
    if outcome in ENDED_WELL:
        metrics.WORKER_JOBS.labels(owner().rpartition(":")[0]).inc()
    if claim.parent is not None and outcome in ENDED_WELL:
        join(claim.parent, claim.queue)


def why_abandoned(claim: Claim) -> dict[str, str]:
    """What has become of the row, for the history of this try."""
    row = Derivative.objects.select_related("original").filter(pk=claim.id).first()
    if row is None:
        return {"code": "gone", "message": "What it was made for was deleted meanwhile."}
    if row.original.held_at is not None:
        return {"code": "set_aside", "message": "The file was set aside by the operators."}
    if row.error_code == "cancelled":
        return {"code": "cancelled", "message": "Somebody cancelled it."}
    if row.requested_version != claim.version:
        return {"code": "asked_anew", "message": "It was asked for anew meanwhile."}
    return {"code": "taken_over", "message": "Another run has taken it over."}


def join(parent: UUID, queue: str) -> None:
    """The last part goes on with the join: its message stands behind all that others have queued meanwhile."""
    if Derivative.objects.filter(pk=parent, queue=queue, status="queued").exists():
        run(parent)


def attempt(claim: Claim) -> str:
    """One try, and what its failure means for the row. Returns the outcome's name."""
    try:
        deriver = get_deriver(claim.deriver)
        return finish(deriver, claim, make(deriver, claim))
    except RunAbandonedError:
        raise
    except Exception as error:  # noqa: BLE001  Whatever a deriver raises ends on its row, never in the worker.
        return settle(claim, failures.understood(error))


def make(deriver: Deriver, claim: Claim) -> tuple[Result, list[dict[str, Any]]]:
    """Run the deriver in a folder of its own and store what it made under new keys."""
    if not takes(deriver, claim.subject):
        return NotNeeded(NOT_ACCEPTED), []
    try:
        with (
            scratch.reserved(scratch_path(claim), deriver.scratch_bytes(claim.subject)) as room,
            heartbeat.kept(claim) as pulse,
        ):
            context = RunContext(claim, pulse, room)
            with context.believing_the_store(), timeouts.under(ffmpeg_limits()), derive_span(claim):
                result = deriver.derive(context)
            context.check()
            with tracing.span("store"):
                return result, store_outputs(claim, result)
    finally:
        shutil.rmtree(scratch_path(claim), ignore_errors=True)


def derive_span(claim: Claim) -> AbstractContextManager[Any]:
    """The step of the trace that is the deriver's own; it says what was made of which row."""
    ids = {"alcoves.derivative": str(claim.id), "alcoves.original": str(claim.original_id)}
    about = {"alcoves.deriver": claim.deriver, "alcoves.variant": claim.variant, **ids}
    return tracing.span("derive", about)


def ffmpeg_limits() -> timeouts.Limits:
    """Of one run: a change counts from the next."""
    return timeouts.Limits(
        multiplier=live.value("FFMPEG_TIMEOUT_MULTIPLIER"),
        shortest=live.value("FFMPEG_TIMEOUT_MINIMUM"),
        longest=live.value("FFMPEG_TIMEOUT_MAXIMUM"),
    )


def scratch_path(claim: Claim) -> Path:
    """The folder of this claim alone."""
    return Path(settings.SCRATCH_PATH) / f"{claim.id}-{claim.fence}"


def store_outputs(claim: Claim, result: Result) -> list[dict[str, Any]]:
    """What a run has made, under keys of its own."""
    if not isinstance(result, Ready) or not result.outputs:
        return []
    run_name = f"{claim.id.hex}-{claim.fence}"
    return blobs.store_outputs(claim.library_id, claim.original_id, claim.deriver, run_name, result.outputs)


def finish(deriver: Deriver, claim: Claim, made: tuple[Result, list[dict[str, Any]]]) -> str:
    """Name the result in one transaction: new outputs in, old ones out, what the original learnt, what comes next."""
    result, outputs = made
    with tracing.span("finish"), transaction.atomic():
        # Always the original first, then the row: the purge locks in the same order.
        original = next(iter(Original.objects.raw(LOCK_ORIGINAL, [claim.original_id])), None)
        if original is None:
            raise RunAbandonedError("The original was deleted meanwhile.")
        outcome = conclude(deriver, claim, original, result, outputs)
        history.note(claim, outcome, metrics=measured(claim, outputs))
    return outcome


def conclude(
    deriver: Deriver, claim: Claim, original: Original, result: Result, outputs: list[dict[str, Any]]
) -> str:
    """What the result means for the row, for its parts or its parent, and for the original."""
    if isinstance(result, Divided):
        parts.divide(claim, result)
        return "divided"
    if turned_on_meanwhile(deriver, original, result):
        ledger.release(claim)
        return "released"
    if isinstance(result, NotNeeded):
        old = ledger.finish_not_needed(claim, result.reason)
    else:
        made_by = {"deriver": deriver.name, "version": deriver.version, **result.made_with}
        old = ledger.finish_ready(claim, outputs=outputs, facts=result.facts, made_by=made_by)
        blobs.name(output["key"] for output in outputs)
        learn(deriver, original, result)
    retire(old)
    if claim.joins:
        parts.remove(Derivative.objects.filter(parent=claim.id))
    if claim.parent is not None:
        parts.follow_up(claim.parent)
    if deriver.replans:
        # Of this moment, not of the claim: with the original locked, so that no turn of a switch passes it over.
        dispatch.publish_after_commit(pipeline.plan_original(original, switches_of(original)))
    return "not_needed" if isinstance(result, NotNeeded) else "ready"


def measured(claim: Claim, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """For the history: how much came out, and how long the film or recording plays."""
    duration = (claim.subject.probe or {}).get("duration")
    made = {"bytes_out": sum(output["size"] for output in outputs)} if outputs else {}
    return {**made, "media_seconds": duration} if duration else made


def switches_of(original: Original) -> frozenset[str]:
    """As they are now."""
    library: Library = Library.objects.get(pk=original.library_id)
    return library.switches()


def turned_on_meanwhile(deriver: Deriver, original: Original, result: Result) -> bool:
    """Whether the run turned the file away by a switch that is on now: `media.switching` may have passed it by."""
    turned_away = isinstance(result, NotNeeded) and result.reason == NOT_ACCEPTED and deriver.switch
    return bool(turned_away) and takes(deriver, original.subject(switches_of(original)))


def learn(deriver: Deriver, original: Original, result: Ready) -> None:
    """What the result says of the original; files of which it says who they belong with find their stacks."""
    if not deriver.regroups:
        deriver.record(original, result)
        return
    library, keys = original.library_id, list(original.files.values_list("pk", flat=True))
    if deriver.replans:
        with stacks.rearranging(library, keys):
            deriver.record(original, result)
    else:
        # A merge locks the twin original, which comes before names in the order of locks.
        with beginning_anew_where_it_goes(original):
            deriver.record(original, result)
        stacks.join(library, keys)


@contextmanager
def beginning_anew_where_it_goes(original: Original) -> Iterator[None]:
    """Runs whose row a merge gives to another original read bytes that are swept soon: they start over with its."""
    key, theirs = original.pk, list(original.derivatives.values_list("pk", flat=True))
    yield
    moved = Derivative.objects.filter(pk__in=theirs, status="processing").exclude(original=key)
    running = list(moved)
    if ledger.request_again(moved):
        dispatch.publish_after_commit(running)


def retire(outputs: list[dict[str, Any]]) -> None:
    """Outputs that lost their name stay a little while for readers in mid-stream."""
    if outputs:
        UnnamedBlob.objects.retire(output["key"] for output in outputs)


def settle(claim: Claim, error: MediaError) -> str:
    """The policy: permanent ends it, infrastructure waits for free, everything else costs an attempt."""
    told = {"code": error.code, "message": error.message, "detail": history.clean(error.detail)}
    with transaction.atomic():
        outcome = move_on(claim, error, told)
        history.note(claim, outcome, why_abandoned(claim) if outcome == "abandoned" else told)
    return outcome


def move_on(claim: Claim, error: MediaError, told: dict[str, str]) -> str:
    """The row's move after this error, by the name of its outcome."""
    if isinstance(error, InfrastructureError):
        # Not doubled: the house is mended from one moment to the next, and then every row is due again soon.
        soon = min(LONGEST_DEFERRAL, live.value("RETRY_SECONDS"))
        delay = error.retry_after if isinstance(error, WaitingError) else soon
        kept = ledger.try_later(claim, delay_seconds=delay, burn=False, **told)
        logger.warning("%s %s deferred: %s", claim.deriver, claim.id, error.message)
        return "deferred" if kept else "abandoned"
    attempts = live.value("MAX_RETRIES") + 1
    if isinstance(error, PermanentError) or claim.attempts + 1 >= attempts:
        kept = parts.fail(claim, claim.parent, **told) if claim.parent else ledger.fail(claim, **told)
        logger.info("%s %s failed: %s (%s)", claim.deriver, claim.id, error.message, error.code)
        return "failed" if kept else "abandoned"
    kept = ledger.try_later(claim, delay_seconds=backoff(claim.attempts), burn=True, **told)
    return "retried" if kept else "abandoned"


def backoff(earlier: int) -> float:
    """Doubling from RETRY_SECONDS, never over an hour."""
    return float(min(LONGEST_DELAY, live.value("RETRY_SECONDS") * 2 ** min(earlier, 12)))
