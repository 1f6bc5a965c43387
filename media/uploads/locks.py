"""One writer at a time on a growing upload, kept in its row: any web process sees it, a dead one's runs out.

Taken and renewed by compare-and-set on the database's clock. A writer that was away too long finds its
lock with somebody else and stops before its next byte.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Q
from django.db.models.functions import Now

from media.models import Upload
from media.uploads.errors import LockedError

LOCK = timedelta(seconds=30)
RENEW_AFTER = 5.0
"""Seconds. Well below LOCK, so that a slow disk does not lose it."""


class Lock:
    """A held lock. `save` writes to the row only while it is ours."""

    def __init__(self, upload_id: UUID) -> None:
        self._upload_id = upload_id
        self._token = uuid4()
        self._renewed = 0.0

    def acquire(self) -> None:
        """LockedError when another writer is at work."""
        free = Q(locked_until__isnull=True) | Q(locked_until__lt=Now())
        rows = Upload.objects.filter(free, pk=self._upload_id)
        if not rows.update(lock_token=self._token, locked_until=Now() + LOCK):
            raise LockedError(
                "Another request is writing to this upload. Wait for it to end, ask for the offset, go on."
            )
        self._renewed = time.monotonic()

    def keep_alive(self) -> None:
        """Called for every block; touches the database only now and then."""
        if time.monotonic() - self._renewed >= RENEW_AFTER:
            self.save()

    def save(self, **fields: Any) -> None:
        """Write fields and renew in one statement. LockedError when the lock has passed to another."""
        mine = Upload.objects.filter(pk=self._upload_id, lock_token=self._token)
        if not mine.update(locked_until=Now() + LOCK, updated_at=Now(), **fields):
            raise LockedError(
                "Another request has gone on with this upload. Ask for the offset and go on from there."
            )
        self._renewed = time.monotonic()

    def release(self) -> None:
        Upload.objects.filter(pk=self._upload_id, lock_token=self._token).update(
            lock_token=None, locked_until=None
        )


@contextmanager
def held(upload_id: UUID) -> Iterator[Lock]:
    """The lock for the time of the block."""
    lock = Lock(upload_id)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()
