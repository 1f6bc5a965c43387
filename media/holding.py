"""Files that operators set aside: not worked on, and not shown by any door until they are released.

It is the bytes that are set aside, so all files of them in the library are. What runs stops, what is queued waits, and
pictures of them leave the cache at once: the front answers those without a query. docs/console.md says what cannot be
taken back.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from alcoves.wording import counted, were
from media import audit, dispatch, imagecache, ledger
from media.audit import Actor
from media.errors import RequestError
from media.models import Derivative, Original

MOST: Final = 1000
"""Originals at once."""
LONGEST_REASON: Final = 500


def hold(keys: Sequence[UUID], by: Actor, reason: str) -> int:
    """Set these originals aside; returns how many were not before."""
    reason = reason.strip()[:LONGEST_REASON]
    if not reason:
        raise RequestError(
            "Say why it is set aside, so that others know when to release it.", code="no_reason"
        )
    require_few(keys)
    with audit.noting("files.hold", by=by, target=only(keys)) as act:
        found = locked(keys, held=False)
        Original.objects.filter(pk__in=found).update(held_at=Now(), held_reason=reason, held_by=by.user)
        ledger.put_back(Derivative.objects.filter(original__in=found))
        act.count = len(found)
        act.text = f"{counted(act.count, 'original')} {were(act.count)} set aside: {reason}"
        act.detail = {"keys": [str(key) for key in found[:100]]}
        transaction.on_commit(partial(imagecache.drop_held, found))
    return act.count


def release(keys: Sequence[UUID], by: Actor) -> int:
    """They are worked on and shown again; returns how many were set aside."""
    require_few(keys)
    with audit.noting("files.release", by=by, target=only(keys)) as act:
        found = locked(keys, held=True)
        Original.objects.filter(pk__in=found).update(held_at=None, held_reason="", held_by=None)
        Original.objects.filter(pk__in=found).forget_warmth()
        waiting = Derivative.objects.filter(original__in=found, status="queued")
        waiting.update(published_at=None)
        dispatch.publish_after_commit(ledger.waiting().filter(original__in=found))
        act.count = len(found)
        act.text = f"{counted(act.count, 'original')} {were(act.count)} released."
        act.detail = {"keys": [str(key) for key in found[:100]]}
    return act.count


def locked(keys: Sequence[UUID], *, held: bool) -> list[UUID]:
    """As the end of a run locks them, and in one order."""
    rows = Original.objects.filter(pk__in=keys, held_at__isnull=not held).order_by("pk")
    return list(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def only(keys: Sequence[UUID]) -> Original | None:
    """The target of the entry, where it is one."""
    found: Original | None = Original.objects.filter(pk=keys[0]).first() if len(keys) == 1 else None
    return found


def require_few(keys: Sequence[UUID]) -> None:
    if len(keys) > MOST:
        raise RequestError(f"At most {MOST:,} at once. Choose fewer.", code="too_many")
