"""What others must know of a restore that has begun: whether it changes things, and which set it reads."""

from alcoves.backup import maintenance, restoring


def is_changing() -> bool:
    """Also where it was broken off: what is here then is neither the old nor the new."""
    return restoring.unfinished() is not None or maintenance.standing().restoring


def set_name() -> str:
    """The set that it reads, or that is looked at for it; empty where none is under way."""
    begun = restoring.under_way()
    return begun.set if begun is not None and begun.phase != restoring.DONE else ""
