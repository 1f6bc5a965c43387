"""Rows with known answers, made up in bulk: no bytes, no runs."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from alcoves.queues import BY_NAME
from media import tallies
from media.models import Derivative, File, Library, Original, Tally, tally, uuid7

NOW = datetime.now(UTC)


def originals(
    library: Library, count: int, *, size: int = 1000, mime: str = "image/jpeg", kind: str = "image"
) -> list[Original]:
    rows = [
        Original(library=library, size=size, mime=mime, kind=kind, key=f"made-up/{uuid7()}")
        for _ in range(count)
    ]
    return list(Original.objects.bulk_create(rows))


def files(library: Library, count: int, **about: Any) -> list[File]:
    rows = [
        File(library=library, original=one, name=f"file {number}")
        for number, one in enumerate(originals(library, count, **about))
    ]
    return list(File.objects.bulk_create(rows))


def derivatives(
    of: Iterable[Original],
    deriver: str = "poster",
    *,
    status: str = "ready",
    queue: str = "thumbnail",
    **about: Any,
) -> list[Derivative]:
    assert queue in BY_NAME
    state: dict[str, Any] = {"queued_at": NOW}
    if status == "processing":
        state |= {
            "lease_owner": "all@here",
            "lease_expires_at": NOW + timedelta(hours=1),
            "started_at": NOW - timedelta(seconds=30),
        }
    if status == "failed":
        state |= {
            "error_code": "broken",
            "error_message": "It is broken.",
            "finished_at": NOW,
            "started_at": NOW,
        }
    if status == "ready":
        state |= {"finished_at": NOW, "started_at": NOW - timedelta(seconds=2)}
    rows = [
        Derivative(original=one, deriver=deriver, status=status, queue=queue, **{**state, **about})
        for one in of
    ]
    return list(Derivative.objects.bulk_create(rows))


def ended(deriver: str, outcome: str, number: int, *, hours_ago: float = 0, seconds: float = 1) -> None:
    hour = tallies.hour_of(datetime.now(UTC) - timedelta(hours=hours_ago))
    Tally.objects.create(
        topic=tally.ENDED,
        keys=[hour, deriver, outcome],
        number=number,
        amount=int(number * seconds * 1000),
    )
