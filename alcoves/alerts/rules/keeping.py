"""Backups that failed, are too old or were never made; blobs that a look at the store missed.

The tables are those of `alcoves.backup`, which stands beside us: they are asked by their names.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Count

from alcoves.alerts.rules.base import Severity, Trouble, age, ago, rows
from media import live
from media.models import Original

BACKUPS = "backup.Backup"
FINDINGS = "backup.Finding"


def objects(label: str) -> Any:
    return apps.get_model(label)._default_manager  # noqa: SLF001  Django documents it as public.


def backups() -> Iterator[Trouble]:
    """The last one failed; the last good one is older than it may be; there is none."""
    ended = objects(BACKUPS).filter(finished_at__isnull=False).order_by("-finished_at")
    last = ended.filter(state__in=("done", "failed", "killed")).first()
    if last is not None and last.state != "done":
        yield Trouble(
            "backup:failed",
            Severity.CRITICAL,
            f"The backup of {age(last.finished_at)} ago failed: {last.error[:300] or last.state} "
            "Mend the cause and make one now.",
            rows(BACKUPS),
        )
    hours = live.value("ALERT_BACKUP_HOURS")
    good = ended.filter(state="done").first()
    if not hours or (good is not None and good.finished_at >= ago(hours=hours)):
        return
    if good is not None:
        sentence = (
            f"The last good backup is {age(good.finished_at)} old. Make one now, and see why none was made."
        )
    elif Original.objects.filter(created_at__lt=ago(hours=hours)).exists():
        sentence = "No backup was ever made of what lies here. Make one, and set up a schedule."
    else:
        return
    yield Trouble("backup:old", Severity.WARNING, sentence, rows(BACKUPS))


def findings() -> Iterator[Trouble]:
    """What verification found and nobody has mended."""
    bad = objects(FINDINGS).filter(state="open", kind__in=("missing", "altered"))
    for row in bad.order_by().values("kind", "what").annotate(count=Count("pk")):
        original = row["what"] == "original"
        what, were = (f"{row['what']}s", "are") if row["count"] != 1 else (row["what"], "is")
        yield Trouble(
            f"blobs:{row['kind']}:{row['what']}",
            Severity.CRITICAL if original else Severity.WARNING,
            f"{row['count']} {what} {were} {row['kind']} in the store. "
            + ("Put them back from a backup." if original else "Repair makes them again."),
            rows(FINDINGS, state="open", kind=row["kind"]),
        )
