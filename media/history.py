"""Writing down how each try of a job ended: one INSERT, in the transaction that ends it where there is one.

`media.runs` tells of tries that ended by themselves, `media.ledger` of those whose worker died. Nothing reads these
rows to decide what is done: they are for people.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection
from django.utils import timezone

from alcoves import prepared
from media.models import Attempt, uuid7

if TYPE_CHECKING:
    from media.ledger import Claim

DETAIL_LENGTH: Final = 8192
LOST_MESSAGE: Final = "The worker died during this run."
PRUNED_AT_ONCE: Final = 5000

# Of the row's original as it is now: a merge may have given the row to another. Where it is gone nothing is kept.
NOTE: Final = """
INSERT INTO media_attempt (id, created_at, updated_at, original_id, derivative_id, deriver, variant, queue, version,
    number, worker, process, queued_at, started_at, finished_at, waited, ran, outcome,
    error_code, error_message, error_detail, metrics)
SELECT %(id)s, clock_timestamp(), clock_timestamp(), o.id, %(derivative)s, %(deriver)s, %(variant)s, %(queue)s,
    %(version)s, %(number)s, %(worker)s, %(process)s, %(queued_at)s,
    clock_timestamp() - %(ran)s::float8 * interval '1 second', clock_timestamp(), %(waited)s, %(ran)s, %(outcome)s,
    %(code)s, %(message)s, %(detail)s, %(metrics)s::jsonb
FROM media_original o
WHERE o.id = COALESCE((SELECT d.original_id FROM media_derivative d WHERE d.id = %(derivative)s), %(original)s)
FOR KEY SHARE OF o
"""


def note(
    claim: "Claim",
    outcome: str,
    told: Mapping[str, str] | None = None,
    *,
    metrics: Mapping[str, Any] | None = None,
) -> None:
    """This try is over. What was `told` of an error: its code, message and detail."""
    said = told or {}
    worker, process = worker_of(claim.owner)
    insert(
        {
            "original": claim.original_id,
            "derivative": claim.id,
            "deriver": claim.deriver,
            "variant": claim.variant,
            "queue": claim.queue,
            "version": claim.version,
            "number": claim.fence,
            "worker": worker,
            "process": process,
            "queued_at": claim.queued_at,
            "waited": round(claim.waited, 3),
            "ran": round(claim.seconds(), 3),
            "outcome": outcome,
            "code": said.get("code", "")[:64],
            "message": without_nul(said.get("message", "")),
            "detail": clean(said.get("detail", "")),
            "metrics": {"bytes_in": claim.subject.size, **(metrics or {})},
        }
    )


def insert(values: dict[str, Any]) -> None:
    with prepared.cursor() as cursor:
        adapted = connection.ops.adapt_json_value(storable(values["metrics"]), None)
        cursor.execute(NOTE, {**values, "id": uuid7(), "metrics": adapted})


def note_lost(rows: list[dict[str, Any]]) -> None:
    """Tries whose workers are gone. Each row has what the ledger knew of it before it was moved."""
    Attempt.objects.bulk_create(lost(row) for row in rows)


def lost(row: Mapping[str, Any]) -> Attempt:
    worker, process = worker_of(row["lease_owner"])
    now = timezone.now()
    queued, started = as_time(row["queued_at"]), as_time(row["started_at"])
    return Attempt(
        original_id=row["original_id"],
        derivative_id=row["id"],
        deriver=row["deriver"],
        variant=row["variant"],
        queue=row["queue"],
        version=row["claimed_version"],
        number=row["fence"],
        worker=worker,
        process=process,
        queued_at=queued,
        started_at=started,
        finished_at=now,
        waited=(started - queued).total_seconds() if queued and started else None,
        outcome="lost",
        error_code="worker_lost",
        error_message=LOST_MESSAGE,
    )


def as_time(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def worker_of(owner: str) -> tuple[str, int | None]:
    """`lane@host:pid` in its two halves."""
    name, _, process = owner.rpartition(":")
    return (name, int(process)) if process.isdigit() else (owner, None)


def clean(detail: str) -> str:
    """The end of it, and nothing that Postgres refuses in a text."""
    return without_nul(detail[-DETAIL_LENGTH:])


def without_nul(text: str) -> str:
    """Postgres refuses it in a text; what programs and files say may have it."""
    return text.replace("\x00", "")


def storable(value: Any) -> Any:
    """The same of what becomes JSON, however deep."""
    if isinstance(value, str):
        return without_nul(value)
    if isinstance(value, Mapping):
        return {storable(key): storable(part) for key, part in value.items()}
    return [storable(part) for part in value] if isinstance(value, (list, tuple)) else value


def prune(days: int, *, batch: int = PRUNED_AT_ONCE) -> int:
    """Forget tries that ended longer ago. In batches that each commit; returns how many went.

    Keys begin with the time of their making, so that what is old lies together at the beginning.
    """
    newest = key_of(timezone.now() - timedelta(days=days))
    gone = 0
    while True:
        oldest = Attempt.objects.filter(pk__lt=newest).order_by("pk").values_list("pk", flat=True)
        keys = list(oldest[:batch])
        if not keys:
            return gone
        gone += Attempt.objects.filter(pk__in=keys).delete()[0]


def key_of(moment: datetime) -> UUID:
    """The lowest UUIDv7 of this millisecond."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
