"""The models that are loaded: one for all who use it, counted, freed when it is idle or its file was replaced.

A model is known by its path and by when and how large its file was made: a file that is replaced is a new model, and
whoever is using the old one goes on with it. Nothing in use is ever freed.
"""

import ctypes
import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

Key: TypeAlias = tuple[str, str, int, int]
"""Kind, path, time of change in ns, bytes."""
LIBC: Final = ctypes.CDLL(None)


@dataclass(slots=True)
class Place:
    """One model, loaded by the first who wants it while the others wait."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    model: Any = None
    users: int = 0
    used: float = 0.0


class Shelf:
    """All models of this process."""

    def __init__(self, idle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.idle_seconds = idle_seconds
        self.clock = clock
        self.places: dict[Key, Place] = {}
        self.guard = threading.Lock()

    @contextmanager
    def using(self, kind: str, path: Path, load: Callable[[Path], Any]) -> Iterator[Any]:
        """The model for one run. What `load` raises passes through, and the next one tries anew. OSError: no file."""
        key = key_of(kind, path)
        with self.guard:
            place = self.places.setdefault(key, Place())
            place.users += 1
        try:
            with place.guard:
                if place.model is None:
                    place.model = load(path)
            yield place.model
        finally:
            with self.guard:
                place.users -= 1
                place.used = self.clock()
            self.free(lambda one, held: one == key and (held.model is None or not is_there(one)))

    def sweep(self) -> None:
        """Called now and then: what is idle goes, and what was replaced."""
        latest = self.clock() - self.idle_seconds
        self.free(lambda one, held: held.used <= latest or not is_there(one))

    def free(self, unwanted: Callable[[Key, Place], bool]) -> None:
        with self.guard:
            going = [key for key, place in self.places.items() if not place.users and unwanted(key, place)]
            held = [self.places.pop(key).model for key in going]
        if any(model is not None for model in held):
            held.clear()
            give_back()

    def names(self) -> list[str]:
        """Paths of what is loaded, the oldest first."""
        with self.guard:
            return [key[1] for key, place in self.places.items() if place.model is not None]


def key_of(kind: str, path: Path) -> Key:
    found = path.stat()
    return (kind, str(path), found.st_mtime_ns, found.st_size)


def is_there(key: Key) -> bool:
    """Whether its file is still the same."""
    try:
        return key_of(key[0], Path(key[1])) == key
    except OSError:
        return False


def give_back() -> None:
    """Memory of what was freed goes back to the system: glibc keeps it else."""
    gc.collect()
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)
