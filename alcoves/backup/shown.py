"""Progress of long work on a terminal: a bar with the time left; nothing where nobody looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from alcoves.backup.errors import BackupError
from alcoves.backup.models import CACHED, FACES, NAMED, STRAYS, UNNAMED
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
    NAMED: "What is named",
    FACES: "Avatars",
    UNNAMED: "What nothing names",
    STRAYS: "Avatars of nobody",
    CACHED: "Image cache",
}


@contextmanager
def bar(*, quiet: bool, of_bytes: bool = True) -> Iterator[Any]:
    """A function to be given whatever has a `phase` and a `progress`, or `done_bytes` and `total_bytes`."""
    console = Console(stderr=True, quiet=quiet)
    amount: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *(amount if of_bytes else (MofNCompleteColumn(),)),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task("Beginning", total=None)

        def say(about: Any) -> None:
            described = WORDS.get(about.phase, about.phase)
            done, total = getattr(about, "progress", None) or (about.done_bytes, about.total_bytes)
            progress.update(task, description=described, completed=done, total=total or None)

        yield say
