"""SHA-256 states of uploads that this process has seen from their first byte, kept between two requests.

Only a saving: after a restart, or in another process, it is missing and the `hash` queue reads the bytes.
"""

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

MOST = 512
"""States kept; each is a few hundred bytes."""

_states: "OrderedDict[tuple[UUID, int], Digest]" = OrderedDict()
_lock = threading.Lock()


def get(upload_id: UUID, offset: int) -> "Digest | None":
    """A state of one's own for the bytes up to `offset`, or None when this process has not seen them all."""
    if offset == 0:
        return hashlib.sha256()
    with _lock:
        found = _states.get((upload_id, offset))
        return found.copy() if found is not None else None


def keep(upload_id: UUID, offset: int, state: "Digest") -> None:
    with _lock:
        _states[upload_id, offset] = state.copy()
        _states.move_to_end((upload_id, offset))
        while len(_states) > MOST:
            _states.popitem(last=False)


def drop(upload_id: UUID, offset: int) -> None:
    with _lock:
        _states.pop((upload_id, offset), None)


def forget() -> None:
    """All of it, as a restart does."""
    with _lock:
        _states.clear()
