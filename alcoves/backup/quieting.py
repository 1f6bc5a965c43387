"""Waits until nobody writes: runs, uploads, backups, looks, and acts that destroy. What is not begun stays so."""

import time
from collections import Counter
from typing import Any, Final

from django.db import connection
from django.db.models.functions import Now

from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup, Look, Maintenance, State
from alcoves.backup.working import is_dead
from media import workers
from media.admin.many import HANDED
from media.models import Derivative, Upload

QUIET_SECONDS: Final = 600.0


def has_tables() -> bool:
    return table_exists(Maintenance)


def table_exists(model: Any) -> bool:
    connection.close()
    return model._meta.db_table in connection.introspection.table_names()


def wait_until_quiet(coming: str, seconds: float = QUIET_SECONDS) -> None:
    """Until no run holds a lease and no upload writes. What runs now is let to its end."""
    until = time.monotonic() + seconds
    while busy := what_runs(coming):
        if time.monotonic() > until:
            raise BackupError(
                f"Work is still under way ({busy}): wait for it, or stop the workers and the web part."
            )
        time.sleep(1)


def what_runs(coming: str) -> str:
    """A database that came with an earlier try says that the set itself is being made: that is long over."""
    runs = Derivative.objects.filter(status="processing", lease_expires_at__gt=Now()).count()
    uploads = Upload.objects.filter(locked_until__gt=Now()).count()
    backups = Backup.objects.filter(state=State.RUNNING).exclude(holder="").exclude(name=coming)
    making = sum(not is_dead(row) for row in backups) if table_exists(Backup) else 0
    looks = Look.objects.filter(state=State.RUNNING).exclude(holder="")
    looking = sum(not is_dead(row) for row in looks) if table_exists(Look) else 0
    counts = ((runs, "runs"), (uploads, "uploads"), (making, "backups"), (looking, "looks at the blobs"))
    told = [f"{count} {what}" for count, what in counts if count]
    told += [f"{what}, {count} times" if count > 1 else what for what, count in acting().items()]
    return " and ".join(told)


def acting() -> dict[str, int]:
    """Tasks that destroy rows batch by batch, by the words for them; workers tell of them while they are at it."""
    running = [task.task for report in workers.told_now().values() if report.alive for task in report.running]
    return Counter(HANDED[task].lower() for task in running if task in HANDED)
