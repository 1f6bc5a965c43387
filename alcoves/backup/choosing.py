"""Before a restore touches anything: whether it may begin, that it is the only one, and that its set stays."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import DatabaseError

from alcoves.backup import database
from alcoves.backup.errors import BackupError
from alcoves.backup.examining import Opened, installation, occupied
from alcoves.backup.restoring import DONE, LOOKING, Progress, keep, kept, lock, now, place, unfinished
from media import epochs
from media.audit import Actor

BUSY: Final = "A restore is under way already: wait for its end."


def is_meant(epoch: str, name: str) -> bool:
    """Whether a message that asks for this may still be done: no other restore has come since, on any machine.

    The one that it began itself, and that broke off, is gone on with.
    """
    begun = unfinished()
    if begun is not None:
        return begun.set == name
    try:
        return epochs.current() == epoch
    except DatabaseError:
        return False  # Somebody's database without tables is not the one that was asked about.


@contextmanager
def alone() -> Iterator[None]:
    """One restore at a time, here and into this database; both locks end with the process, however it ends."""
    path = lock()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(BUSY) from None
        with database.alone() as is_alone:
            if not is_alone:
                raise BackupError(BUSY)
            yield


def allow(of: Opened, over: str) -> None:
    """Refuses to overwrite what is not empty, unless its name was typed, or this very restore was begun."""
    begun = unfinished()
    if begun is not None:
        if (begun.set, begun.target) != (of.head.name, of.target.address):
            raise BackupError(
                f"The restore of {begun.set} was not finished: go on with it, or delete {place()} if you mean to "
                "restore another set."
            )
        return
    if over == installation():
        return
    there = occupied()
    if there and over:
        raise BackupError(f"This installation is named {installation()}, not {over}. Nothing was changed.")
    if there:
        raise BackupError(
            f"This installation is not empty: it has {there}. To overwrite it, give --over {installation()}."
        )


@contextmanager
def chosen(of: Opened, over: str, by: Actor, *, with_losses: bool = False) -> Iterator[bool]:
    """One at a time, from the look at the set to the end: it is said before the look, so the set stays where it is.

    What does not come to a restore leaves nothing behind. Yields whether losses are accepted, now or when it was begun.
    """
    with alone():
        allow(of, over)
        before, begun = kept(), unfinished()
        if begun is None:
            keep(
                Progress(
                    of.head.name,
                    of.target.address,
                    phase=LOOKING,
                    began_at=now(),
                    by=by.name,
                    with_losses=with_losses,
                )
            )
        try:
            yield with_losses or (begun is not None and begun.with_losses)
        finally:
            after = kept()
            if after is not None and after.phase == LOOKING:
                place().unlink()
                if before is not None and before.phase == DONE:
                    keep(before)
