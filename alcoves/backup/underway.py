"""What others must know of a restore that has begun: whether it changes things, and which set it reads."""

from alcoves.backup import choosing, maintenance, quieting, restoring
from alcoves.backup.errors import BackupError
from media.audit import Actor


def is_changing() -> bool:
    """Also where it was broken off: what is here then is neither the old nor the new."""
    return restoring.unfinished() is not None or maintenance.standing().restoring


def set_name() -> str:
    """The set that it reads, or that is looked at for it; empty where none is under way."""
    begun = restoring.under_way()
    return begun.set if begun is not None and begun.phase != restoring.DONE else ""


def given_up(by: Actor) -> bool:
    """Takes back a restore that was killed before it changed anything. False where there is none, or it goes on."""
    try:
        with choosing.alone():
            begun, told = restoring.unfinished(), maintenance.ask()
            if begun is None or not begun.untouched or not quieting.has_tables():
                return False
            if told.restoring and told.reason not in {restoring.reason_of(begun.set), begun.reason}:
                return False  # Another machine has begun one since.
            restoring.undo(begun, by)
            restoring.place().unlink(missing_ok=True)
            return True
    except BackupError:
        return False
