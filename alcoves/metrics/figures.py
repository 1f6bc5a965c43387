"""What is asked of the database, Redis and the workers when somebody scrapes: names and labels. `alcoves.figures`
works them out.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Family:
    """One gauge of the exposition."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


FILES: Final = Family(
    "alcoves_files",
    "Files: live, trashed, or held by operators.",
    ("state",),
)
DERIVATIVES: Final = Family("alcoves_derivatives", "Derivatives by status.", ("deriver", "status"))
JOBS_ACTIVE: Final = Family("alcoves_jobs_active", "Runs under way.", ("queue",))
QUEUE_SIZE: Final = Family("alcoves_queue_size", "Messages that wait in Redis.", ("queue",))
QUEUE_OLDEST: Final = Family(
    "alcoves_queue_oldest_age_seconds",
    "How long the oldest of those that may run now has waited.",
    ("queue",),
)
QUEUE_TASKS: Final = Family(
    "alcoves_queue_tasks",
    "Rows of the ledger: due, paused (due but for an order), delayed (to be tried later), asleep (in the trash or set "
    "aside), processing, divided (waiting for their parts). Of a queue in which over 1000 wait, due and paused are no "
    "less than the truth, and delayed and asleep no more.",
    ("queue", "state"),
)
WORKERS: Final = Family("alcoves_workers", "Workers that are known, by status.", ("status",))
WORKER_AGE: Final = Family(
    "alcoves_worker_heartbeat_age_seconds", "Since a worker was last heard of.", ("worker_name",)
)
DB_CONNECTIONS: Final = Family(
    "alcoves_db_connections_active", "Connections to our database, by what they do.", ("state",)
)
STORAGE_BYTES: Final = Family(
    "alcoves_storage_bytes",
    "Bytes of originals by kind, and of derivatives, for the largest libraries; the others together.",
    ("library", "kind"),
)
BACKUPS: Final = Family("alcoves_backups", "Backups that are known, by their state.", ("state",))
BACKUP_SUCCESS: Final = Family(
    "alcoves_backup_last_success_timestamp_seconds", "When the last backup ended well."
)
BACKUP_EXPECTED: Final = Family(
    "alcoves_backup_expected_age_seconds",
    "So old the last good backup may be, by the schedule and ALERT_BACKUP_HOURS. 0: no backup is needed.",
)
DISK_FREE: Final = Family(
    "alcoves_disk_free_bytes", "Room on the disk of a place that we write to.", ("place",)
)
DISK_SIZE: Final = Family(
    "alcoves_disk_size_bytes",
    "How large the disk of a place is. Places on one disk say the same.",
    ("place",),
)
SCRAPE_UP: Final = Family(
    "alcoves_scrape_up", "Whether a worker answered when it was asked for its metrics.", ("worker",)
)

FAMILIES: Final = (
    FILES,
    DERIVATIVES,
    JOBS_ACTIVE,
    QUEUE_SIZE,
    QUEUE_OLDEST,
    QUEUE_TASKS,
    WORKERS,
    WORKER_AGE,
    DB_CONNECTIONS,
    STORAGE_BYTES,
    BACKUPS,
    BACKUP_SUCCESS,
    BACKUP_EXPECTED,
    DISK_FREE,
    DISK_SIZE,
    SCRAPE_UP,
)
