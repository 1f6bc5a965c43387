"""What others must know of a restore that has begun: whether it changes things, and which set it reads."""

from typing import Final

from alcoves.backup import maintenance, restoring

LOOKING: Final = "looking"
"""Its phase while nothing is touched yet."""


def is_changing() -> bool:
    """Also where it was broken off: what is here then is neither the old nor the new."""
    begun = restoring.under_way()
    if begun is not None and begun.phase not in {LOOKING, restoring.DONE}:
        return True
    return maintenance.standing().restoring


def set_name() -> str:
    """The set that it reads; empty where none is under way."""
    begun = restoring.under_way()
    return begun.set if begun is not None and begun.phase != restoring.DONE else ""
