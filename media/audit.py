"""Writing the audit log. What is destroyed or steered is noted in the same transaction, or it is not done."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, models, transaction
from django.http import HttpRequest
from django.utils import timezone

from media.models.audit import AuditEntry, Via

NAME_LENGTH = 255
KEYS: Final = 100
"""So many keys of rows an entry names; `count` says how many there were."""
PRUNED_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and through which door."""

    via: Via
    user: Any = None
    address: str | None = None
    request_id: str = ""

    @property
    def name(self) -> str:
        return str(self.user) if self.user is not None else str(self.via)


def of(request: HttpRequest, *, via: Via = Via.CONSOLE) -> Actor:
    """Whoever asks for this page, or by this call of the API."""
    user = request.user if request.user.is_authenticated else None
    address = request.META.get("REMOTE_ADDR") or None
    return Actor(via, user, address, getattr(request, "request_id", ""))


COMMAND = Actor(Via.COMMAND)
SYSTEM = Actor(Via.SYSTEM)


def note(
    action: str, *, by: Actor, text: str, target: models.Model | None = None, count: int = 1, **detail: Any
) -> AuditEntry:
    """One entry. Call it inside the transaction of the act; `detail` must be JSON and must hold no secret."""
    if isinstance(keys := detail.get("keys"), list):
        detail["keys"] = keys[:KEYS]
    entry: AuditEntry = AuditEntry.objects.create(
        actor=by.user,
        actor_name=by.name[:254],
        via=by.via,
        action=action,
        target_type=target._meta.label_lower if target is not None else "",
        target_id=str(target.pk) if target is not None else "",
        target_name=str(target)[:NAME_LENGTH] if target is not None else "",
        count=count,
        text=text,
        detail=detail,
        address=by.address,
        request_id=by.request_id,
    )
    return entry


@dataclass(slots=True)
class Noting:
    """What an act fills in while it is done."""

    text: str = ""
    count: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


@contextmanager
def noting(action: str, *, by: Actor, target: models.Model | None = None) -> Iterator[Noting]:
    """The act and its entry in one transaction. Nothing is written where the act was done to nothing.

    Set `count` and `text` of what is yielded before the block ends.
    """
    with transaction.atomic():
        act = Noting()
        yield act
        if act.count:
            note(action, by=by, text=act.text, target=target, count=act.count, **act.detail)


def prune(before: datetime) -> int:
    """Delete the oldest entries whose time is over: the one deletion that the database lets pass. One batch of them.

    Keys begin with the time of their making, so that what is old lies together at the beginning.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL alcoves.prune_audit = 'on'")
        oldest = AuditEntry.objects.order_by("pk").values_list("pk", "created_at")[:PRUNED_AT_ONCE]
        keys = [key for key, made in oldest if made < before]
        gone, _ = AuditEntry.objects.filter(pk__in=keys).delete()
        cursor.execute("SET LOCAL alcoves.prune_audit = 'off'")
    return gone


def prune_old(days: int) -> int:
    """Batch by batch, each with an entry that says so in its transaction. None are too old where days are 0."""
    if not days:
        return 0
    before, total = timezone.now() - timedelta(days=days), 0
    while True:
        with noting("audit.prune", by=SYSTEM) as act:
            act.count = prune(before)
            act.text = f"{act.count} entries of the audit log from before {before:%Y-%m-%d} were deleted."
            act.detail = {"days": days}
        if not act.count:
            return total
        total += act.count
