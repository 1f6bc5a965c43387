"""Backups that failed, are damaged, lack blobs, are too old or were never made.

The tables are those of `alcoves.backup`, which stands beside us: they are asked by their names.
"""

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings

from alcoves.alerts.rules import machine, restored
from alcoves.alerts.rules.base import Severity, Trouble, age, ago, page, used_since
from alcoves.wording import counted
from media import live

BACKUPS = "backup.Backup"
CHECKS = "backup.Check"
FINDINGS = "backup.Finding"
DATA: Final = ("data", "store files")
LATEST: Final = {"daily": 30, "weekly": 174}
"""Hours after which one of a schedule should long have been made."""
OVERDUE: Final = 2
"""So many times VERIFY_DAYS without an answer."""


def objects(label: str) -> Any:
    return apps.get_model(label)._default_manager  # noqa: SLF001  Django documents it as public.


def backups() -> Iterator[Trouble]:
    """The last one failed; sets are not whole; the last good one is older than it may be; there is none."""
    yield from restored.unswept()
    ended = objects(BACKUPS).filter(finished_at__isnull=False).order_by("-finished_at")
    last = ended.filter(state__in=("done", "failed", "killed")).first()
    if last is not None and last.state != "done":
        yield Trouble(
            "backup:failed",
            Severity.CRITICAL,
            f"The backup of {age(last.finished_at)} ago failed: {last.error[:300] or last.state} "
            "Mend the cause and make one now.",
            page("backups"),
        )
    good = objects(BACKUPS).sound().first()
    yield from unsound(good)
    hours = allowed()
    if not hours or (good is not None and good.finished_at >= ago(hours=hours)):
        return
    if good is not None:
        sentence = (
            f"The last good backup is {age(good.finished_at)} old. Make one now, and see why none was made."
        )
    elif used_since(ago(hours=hours)):
        sentence = "No backup was ever made of what lies here. Make one, and set up a schedule."
    else:
        return
    yield Trouble("backup:old", Severity.WARNING, sentence, page("backups"))


def allowed() -> int:
    """Hours that the last good one may be old: by the schedule, and never more than operators say. 0: any age."""
    hours = [LATEST.get(live.value("BACKUP_SCHEDULE"), 0), int(live.value("ALERT_BACKUP_HOURS"))]
    return min((one for one in hours if one), default=0)


def unsound(good: Any) -> Iterator[Trouble]:
    """Sets that a restore cannot rely on. One that is older than the last good one is no more than a warning."""
    made = objects(BACKUPS).standing()
    damaged = made.exclude(damaged_at=None).first()
    if damaged is not None:
        # They share a pool: what was not read back since may have the same damage.
        newer = good is not None and good.finished_at > damaged.finished_at
        covered = newer and good.verified_at is not None and good.verified_at >= damaged.damaged_at
        yield Trouble(
            "backup:damaged",
            Severity.WARNING if covered else Severity.CRITICAL,
            f"The backup {damaged.name} is damaged: {damaged.error[:300]} "
            + (
                "A newer one is whole."
                if covered
                else "Verify the newer one, and see to the disk of the target."
                if newer
                else "See to the disk of the target and make one now."
            ),
            page("backups"),
        )
    newest = objects(BACKUPS).carrying().first()
    yield from unverified(newest)
    if newest is not None and newest.missing and newest.damaged_at is None:
        yield Trouble(
            "backup:incomplete",
            Severity.WARNING,
            f"The backup of {age(newest.finished_at)} ago lacks {counted(newest.missing, 'blob')}, which the store "
            "did not have as the database says. Verify the blobs, repair them, and make one again.",
            page("backups"),
        )


def unverified(newest: Any) -> Iterator[Trouble]:
    """Sets are there, and for long nobody has read one of them back."""
    days = int(live.value("VERIFY_DAYS"))
    if newest is None or not days:
        return
    before = ago(days=OVERDUE * days)
    there = objects(BACKUPS).carrying().filter(target=newest.target)
    last = objects(CHECKS).filter(state="done", backup__in=there).order_by("-finished_at").first()
    since = last.finished_at if last is not None else there.last().finished_at
    if since < before:
        when = f"{age(since)} ago" if last is not None else "never"
        yield Trouble(
            "backup:unverified",
            Severity.WARNING,
            f"A backup was read back {when}; that is to be done every {days} days. See why not, and verify one now.",
            page("backups"),
        )


def target() -> Iterator[Trouble]:
    """What the schedule cannot begin has no row that says so."""
    if live.value("BACKUP_SCHEDULE") == "off":
        return
    told: Any = apps.get_app_config("backup")
    if sentence := told.trouble_of_target():
        yield Trouble(
            "backup:target",
            Severity.CRITICAL,
            f"The schedule can make no backup: {sentence} Or choose another BACKUP_TARGET.",
            page("settings"),
        )
    if live.value("BACKUP_BLOBS") == "none":
        yield Trouble(
            "backup:no-files",
            Severity.WARNING,
            "Backups hold the database alone: who loses the stores loses all files. Set BACKUP_BLOBS to originals, "
            "or copy the stores by other means.",
            page("settings"),
        )


def place() -> Iterator[Trouble]:
    """Backups that lie on the disk of what they copy go with it."""
    target = str(live.value("BACKUP_TARGET"))
    named = dict(entry.partition("=")[::2] for entry in settings.BACKUP_TARGETS)
    folder = named.get(target, str(settings.BACKUP_PATH) if target in {"", "local"} else target)
    made = live.value("BACKUP_SCHEDULE") != "off" or objects(BACKUPS).standing().exists()
    if not made or not folder.startswith(("/", "~")):
        return  # A bucket is elsewhere.
    try:
        disks = machine.all_disks.get()
    except TimeoutError:
        return  # The disks tell of it.
    beside = [disk.places for disk in disks if f"backups {target or 'local'}" in disk.places]
    held = [name for places in beside for name in DATA if name in places]
    if held:
        yield Trouble(
            "backup:same-disk",
            Severity.WARNING,
            f"Backups go to {folder}, on the disk of {' and '.join(held)}: whoever loses that disk loses both. "
            "Add a target elsewhere to ALCOVES_BACKUP_TARGETS, and choose it as BACKUP_TARGET.",
            page("settings"),
        )
