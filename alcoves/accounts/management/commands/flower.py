"""`manage.py flower`: Flower on loopback, read-only, with our queues and a database that outlives it."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Run Flower on 127.0.0.1; the web part shows it to staff under /flower/."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.DATA_PATH / "run"
        folder.mkdir(parents=True, exist_ok=True)
        # Becomes Flower instead of starting it: signals of the supervisor reach it, and no process is in between.
        os.execv(sys.executable, [sys.executable, *arguments(str(folder / "flower"), settings.FLOWER_PORT)])  # noqa: S606


def arguments(database: str, port: int) -> list[str]:
    """The queues come from our table (`alcoves.flowering`)."""
    return [
        *("-m", "alcoves.flowering", "-A", "alcoves", "flower"),
        *("--address=127.0.0.1", f"--port={port}", "--url_prefix=flower"),
        *("--persistent=true", f"--db={database}", "--state_save_interval=60000"),
        *("--read_only=true", "--max_tasks=10000", "--inspect_timeout=2000", "--logging=warning"),
    ]
