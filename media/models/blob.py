"""Blobs that no row names: written and not yet named, or named no longer. The sweeper removes them when due.

A key is entered here *before* its first byte is written, and leaves in the same transaction that names
it. So a crash at any point leaves either a named blob or an entry that will be swept. What comes from outside
that order (a database restored from a backup, a stranger in the bucket) is found by `media.orphans`.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from media import live
from media.models.base import Row

FILES = "files"
"""The store in which originals and derivatives lie."""
LINKS_DIE = timedelta(days=8)
"""By then no presigned link, nor a PUT that began in its last moment, can bring a blob back. A test holds it together
with media.uploads.expiry.LONGEST and media.uploads.presigned.LAST_PUT."""


class UnnamedBlobQuerySet(models.QuerySet["UnnamedBlob"]):
    """The register itself."""

    def register(self, keys: Iterable[str], *, due: timedelta, store: str = FILES) -> None:
        """Enter keys that are about to be written or have just lost their name; `due` from now."""
        self.bulk_create(
            [UnnamedBlob(store=store, key=key, due_at=Now() + due) for key in keys],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["due_at"],
        )

    def enter(self, keys: Iterable[str], *, due: timedelta, store: str = FILES) -> None:
        """As `register`, but a key that is entered already keeps its time."""
        self.bulk_create(
            [UnnamedBlob(store=store, key=key, due_at=Now() + due) for key in keys], ignore_conflicts=True
        )

    def retire(self, keys: Iterable[str], *, store: str = FILES) -> None:
        """Keys that have just lost their name: kept a little while for readers in mid-stream, then swept."""
        self.register(keys, due=timedelta(seconds=live.value("SWEEP_GRACE_SECONDS")), store=store)

    def due(self) -> "UnnamedBlobQuerySet":
        return self.filter(due_at__lt=Now())


class UnnamedBlob(Row):
    """One key to delete at `due_at`, unless it is named before; until `watched_until` it may be written once more."""

    store = models.CharField(max_length=32)
    key = models.CharField(max_length=512, unique=True)
    due_at = models.DateTimeField()
    watched_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="deleted at due_at, and once more then: a link to it may still be alive",
    )

    objects: ClassVar[Any] = UnnamedBlobQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["due_at"], name="unnamed_blob_due"),)

    def __str__(self) -> str:
        return f"{self.store}:{self.key}"
