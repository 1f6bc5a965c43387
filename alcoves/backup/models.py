"""What is known of backups, of looks at the blobs, of what was found, and whether it is time for maintenance."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from alcoves.wording import are, counted
from media import live
from media.models.base import Row
from media.models.plain import words_of

NONE, ORIGINALS, ALL = "none", "originals", "all"
BLOBS: Final = (NONE, ORIGINALS, ALL)
"""Which bytes a set carries: none, what cannot be made again, or everything that was made of it as well."""

AHEAD: Final = timedelta(days=1)
"""Clocks of machines may differ so much, and no more."""


class State(models.TextChoices):
    """Where a backup or a look at the blobs is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    KILLED = "killed"
    STOPPED = "stopped"


class Work(Row):
    """Work of hours in steps: whoever does a step says that it lives, and keeps where it stands."""

    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    phase = models.CharField(max_length=16, blank=True, default="")
    position = models.JSONField(default=dict, blank=True)
    done_bytes = models.BigIntegerField(default=0)
    total_bytes = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    alive_at = models.DateTimeField(null=True, blank=True)
    holder = models.CharField(max_length=64, blank=True, default="", help_text="the process that does it now")
    error = models.TextField(blank=True, default="")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        abstract = True

    @property
    def progress(self) -> tuple[int, int]:
        """What is done, and all that there is to do. 0: it is not known yet."""
        return self.done_bytes, self.total_bytes

    @property
    def percent(self) -> int:
        if self.state == State.DONE:
            return 100
        done, total = self.progress
        return min(99, 100 * done // total) if total else 0

    @property
    def seconds_left(self) -> float | None:
        """By the pace so far; None where it is not known."""
        done, total = self.progress
        if self.state != State.RUNNING or not self.started_at or not done or not total:
            return None
        return (timezone.now() - self.started_at).total_seconds() * max(0, total - done) / done

    @property
    def is_under_way(self) -> bool:
        return self.state in {State.QUEUED, State.RUNNING}


class Backups(models.QuerySet["Backup"]):
    """Sets, and which of them can be relied on."""

    def standing(self) -> Self:
        """Made to the end and not removed since, the newest first."""
        made = self.filter(state=State.DONE, finished_at__isnull=False, pruned_at=None)
        return made.order_by("-finished_at")

    def carrying(self) -> Self:
        """Of these, those that carry blobs; where no blobs are wanted, all of them."""
        # What a clock that was ahead has made must not be the newest for years.
        made = self.standing().filter(finished_at__lte=timezone.now() + AHEAD)
        return made if live.value("BACKUP_BLOBS") == NONE else made.exclude(blobs=NONE)

    def sound(self) -> Self:
        """Of these, those that lack no blob, and in which no check found damage."""
        return self.carrying().filter(missing=0, damaged_at=None)


class Backup(Work):
    """One set in one target."""

    name = models.CharField(max_length=40, unique=True, help_text="the folder under sets/")
    target = models.CharField(max_length=255)
    blobs = models.CharField(max_length=16, default=ORIGINALS)
    encrypted = models.BooleanField(default=False)
    scheduled = models.BooleanField(default=False)
    size = models.BigIntegerField(default=0, help_text="bytes of its parts, without blobs")
    files = models.BigIntegerField(default=0, help_text="blobs that its manifest names")
    files_size = models.BigIntegerField(default=0)
    sent = models.BigIntegerField(default=0, help_text="blobs that the target did not have yet")
    sent_size = models.BigIntegerField(default=0)
    missing = models.BigIntegerField(default=0, help_text="blobs that were not in the store")
    verified_at = models.DateTimeField(null=True, blank=True, help_text="when all of it was last read back")
    damaged_at = models.DateTimeField(null=True, blank=True, help_text="when a check found it damaged")
    pruned_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = Backups.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["state", "-started_at"], name="backup_by_state"),
            models.Index(fields=["state", "-id"], name="backup_list_by_state"),
            models.Index(fields=["blobs", "-id"], name="backup_list_by_blobs"),
            models.Index(fields=["scheduled", "-id"], name="backup_list_by_scheduled"),
            words_of("name", name="backup_words"),
        )
        constraints = (
            models.UniqueConstraint(fields=["state"], condition=Q(state="running"), name="one_backup_runs"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="backup_state_known"),
            models.CheckConstraint(condition=Q(blobs__in=BLOBS), name="backup_blobs_known"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def lack(self) -> str:
        """A sentence about blobs that are not in it; empty where it has all."""
        if not self.missing:
            return ""
        return (
            f"{counted(self.missing, 'blob')} {are(self.missing)} not in it: missing in the store, or altered there. "
            "Run manage.py verify."
        )


class Check(Work):
    """One verification of one set: every part and every blob of it is read back and compared."""

    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="checks")
    scheduled = models.BooleanField(default=False)
    looked = models.BigIntegerField(default=0, help_text="blobs looked at")
    missing = models.BigIntegerField(default=0, help_text="blobs that are not in the pool")
    damaged = models.BigIntegerField(default=0, help_text="blobs with other bytes")
    examples = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name = "check of a backup"
        verbose_name_plural = "checks of backups"
        indexes = (
            models.Index(fields=["state", "-id"], name="check_by_state"),
            models.Index(fields=["scheduled", "-id"], name="check_by_scheduled"),
        )
        constraints = (
            models.UniqueConstraint(fields=["state"], condition=Q(state="running"), name="one_check_runs"),
            models.UniqueConstraint(
                fields=["backup"], condition=Q(state__in=("queued", "running")), name="one_check_of_a_backup"
            ),
        )

    def __str__(self) -> str:
        return f"check of {self.backup.name}"


class SpoiledManager(models.Manager["Spoiled"]):
    """By target: one pool serves all sets of it."""

    def found(self, target: str, digests: Iterable[str]) -> None:
        rows = [Spoiled(target=target, digest=digest) for digest in digests]
        self.bulk_create(rows, ignore_conflicts=True)

    def of(self, target: str) -> set[str]:
        return set(self.filter(target=target).values_list("digest", flat=True))


class Spoiled(models.Model):
    """A blob that a check found in the pool with wrong bytes, or not at all. It stays until it was sent again."""

    target = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    found_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[Any] = SpoiledManager()

    class Meta:
        verbose_name = "spoiled blob"
        constraints = (models.UniqueConstraint(fields=["target", "digest"], name="spoiled_once"),)

    def __str__(self) -> str:
        return f"{self.digest} in {self.target}"


NAMED, FACES, UNNAMED, STRAYS, CACHED = "named", "avatars", "orphans", "stray avatars", "cache"
"""What a look goes through, in this order: what rows name, avatars, what nothing names, and the image cache."""


class Looks(models.QuerySet["Look"]):
    """Looks, and which of them say something of everything."""

    def whole(self) -> Self:
        """Made to the end, through all that is named and all that lies in the stores; the newest first."""
        return self.filter(state=State.DONE, whole=True, finished_at__isnull=False).order_by("-finished_at")

    def verified(self) -> Self:
        """Of these, those that have read every byte."""
        return self.whole().filter(deep=True)


class Look(Work):
    """One look at the blobs: once through a library, or the nightly one, which goes on where it stopped."""

    nightly = models.BooleanField(default=False)
    deep = models.BooleanField(default=False)
    repair = models.BooleanField(default=False)
    library = models.UUIDField(null=True, blank=True, help_text="only this one")
    since = models.DateTimeField(null=True, blank=True, help_text="only what came since then")
    whole = models.BooleanField(default=False, help_text="all that is named and all that lies in the stores")
    alarm = models.TextField(blank=True, default="", help_text="why no orphan that it found is deleted")
    total = models.BigIntegerField(default=0, help_text="blobs that rows name")
    looked = models.BigIntegerField(default=0)
    found = models.BigIntegerField(default=0)
    repaired = models.BigIntegerField(default=0)

    objects: ClassVar[Any] = Looks.as_manager()

    class Meta:
        verbose_name = "look at blobs"
        verbose_name_plural = "looks at blobs"
        indexes = (
            models.Index(fields=["state", "-id"], name="look_by_state"),
            models.Index(fields=["nightly", "-id"], name="look_by_nightly"),
            models.Index(fields=["deep", "-id"], name="look_by_deep"),
        )
        constraints = (
            models.UniqueConstraint(fields=["state"], condition=Q(state="running"), name="one_look_runs"),
        )

    def __str__(self) -> str:
        return f"look of {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def partial(self) -> bool:
        return self.library is not None or self.since is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes where they are read; else blobs: once those that are named, and once more those that lie there."""
        if self.deep:
            return self.done_bytes, self.total_bytes
        if self.partial:
            return self.looked, self.total
        lie = int(self.position.get("looked", 0)) if self.phase == UNNAMED else 0
        return self.looked + (self.total if self.phase in (STRAYS, CACHED) else lie), 2 * self.total


UNMENDED: Final = Q(state__in=("open", "repairing"))


class Findings(models.QuerySet["Finding"]):
    """What was found, and whether it is mended."""

    def unmended(self) -> Self:
        """Also those under repair: asked for is not done."""
        return self.filter(state__in=(Finding.State.OPEN, Finding.State.REPAIRING))


class Finding(Row):
    """A blob that is not as the rows say, or that no row names."""

    class Kind(models.TextChoices):
        MISSING = "missing"
        ALTERED = "altered"
        ORPHANED = "orphaned"

    class What(models.TextChoices):
        ORIGINAL = "original"
        OUTPUT = "output"
        AVATAR = "avatar"
        BLOB = "blob"

    class State(models.TextChoices):
        OPEN = "open"
        REPAIRING = "repairing"
        REPAIRED = "repaired"
        IGNORED = "ignored"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    what = models.CharField(max_length=16, choices=What.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    store = models.CharField(max_length=32)
    key = models.CharField(max_length=512)
    library = models.UUIDField(null=True, blank=True)
    original = models.UUIDField(null=True, blank=True, db_index=True)
    derivative = models.UUIDField(null=True, blank=True, db_index=True)
    size_expected = models.BigIntegerField(null=True, blank=True)
    size_found = models.BigIntegerField(null=True, blank=True)
    sha256_expected = models.CharField(max_length=64, blank=True, default="")
    sha256_found = models.CharField(max_length=64, blank=True, default="")
    text = models.TextField(blank=True, default="", help_text="what became of a repair")
    by_reading = models.BooleanField(
        default=False, help_text="only a look that reads the bytes sees that it is well"
    )
    seen_at = models.DateTimeField(help_text="when it was last so")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="since when it is being repaired")
    repaired_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = Findings.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["state", "kind", "-id"], name="finding_by_state"),
            models.Index(fields=["state", "-id"], name="finding_list_by_state"),
            models.Index(
                fields=["kind", "what", "state"],
                condition=UNMENDED,
                name="finding_unmended_by_kind",
            ),
            models.Index(fields=["-id"], condition=UNMENDED, name="finding_list_of_unmended"),
            models.Index(fields=["kind", "-id"], condition=UNMENDED, name="finding_unmended_list_by_kind"),
            models.Index(fields=["kind", "-id"], name="finding_list_by_kind"),
            models.Index(fields=["what", "-id"], name="finding_list_by_what"),
            models.Index(fields=["store", "-id"], name="finding_list_by_store"),
            words_of("key", name="finding_words"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["store", "key"],
                condition=UNMENDED,
                name="finding_open_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.what} {self.key}"


class MaintenanceManager(models.Manager["Maintenance"]):
    """One row."""

    def the_row(self) -> "Maintenance":
        row, _ = self.get_or_create(pk=1)
        return row


class Maintenance(models.Model):
    """Whether people are shut out and work rests. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    on = models.BooleanField(default=False)
    reason = models.CharField(max_length=500, blank=True, default="")
    since = models.DateTimeField(db_default=Now())
    by = models.CharField(max_length=254, blank=True, default="")

    objects: ClassVar[Any] = MaintenanceManager()

    class Meta:
        verbose_name_plural = "maintenance"
        constraints = (models.CheckConstraint(condition=Q(id=1), name="maintenance_is_one_row"),)

    def __str__(self) -> str:
        return "on" if self.on else "off"


class InstallationManager(models.Manager["Installation"]):
    """One row."""

    def name_here(self) -> str:
        row, _ = self.get_or_create(pk=1)
        return str(row.key)

    def renew(self) -> None:
        """This is another one from now on: a copy of that whose database came here."""
        self.update_or_create(pk=1, defaults={"key": uuid.uuid4()})


class Installation(models.Model):
    """Which one this is of those that send to one target. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    key = models.UUIDField(default=uuid.uuid4)

    objects: ClassVar[Any] = InstallationManager()

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="installation_is_one_row"),)

    def __str__(self) -> str:
        return str(self.key)
