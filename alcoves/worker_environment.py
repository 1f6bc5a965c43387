"""What a worker process needs in its environment before Celery and Prometheus are imported. Standard library only."""

import contextlib
import os
import shutil
from pathlib import Path

from alcoves import env

PROJECT = Path(__file__).resolve().parents[1]


def prepare() -> None:
    """SIGTERM means: let running tasks end for a while, then give them back. Metrics of children are files."""
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    os.environ.setdefault("VIPS_CONCURRENCY", "1")
    # Celery would load the whole web part for Django's checks, in each lane, and tell nobody what they found.
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
    folder = env.path("ALCOVES_DATA_PATH", PROJECT / "var") / "metrics"
    forget_dead(folder)
    own = folder / str(os.getpid())
    own.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(own)


def forget_dead(folder: Path) -> None:
    """Metric files of workers that are gone."""
    for left in folder.glob("[0-9]*"):
        with contextlib.suppress(PermissionError):
            try:
                os.kill(int(left.name), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)
