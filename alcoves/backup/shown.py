"""Progress of long work on a terminal: a bar with the time left; nothing where nobody looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from alcoves.backup.errors import BackupError
from media.errors import MediaError
from storage.errors import StoreError

KNOWN = (BackupError, StoreError, MediaError)
"""Errors whose text is a sentence for the person at the terminal."""
WORDS = {
    "": "Beginning",
    "snapshot": "Database",
    "database": "Database",
    "blobs": "Blobs",
    "verify": "Reading back",
    "finish": "Finishing",
}


@contextmanager
def bar(*, quiet: bool) -> Iterator[Any]:
    """A function to be given whatever has `phase`, `done_bytes` and `total_bytes`."""
    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task("Beginning", total=None)

        def say(about: Any) -> None:
            total = about.total_bytes or None
            described = WORDS.get(about.phase, about.phase)
            progress.update(task, description=described, completed=about.done_bytes, total=total)

        yield say
