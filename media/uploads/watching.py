"""Watched folders: a file is taken once its size and its time of change have stood still for a while."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import watchfiles

from media.uploads.importing import Found, find, signature, walk

RETRY_SECONDS = 30.0


class Settling:
    """Files that have been seen, each with its state and since when that has not changed."""

    def __init__(self, roots: Sequence[Path], calm: float) -> None:
        self._roots = roots
        self._calm = calm
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}

    def note(self, path: Path, now: float) -> None:
        """Something happened at `path`. A folder moved in is searched: its files tell nothing themselves."""
        if path.is_dir():
            for root in self._roots_of(path):
                for found in walk(path):
                    if find(root, found.path) is not None:
                        self._note_file(found.path, now)
        else:
            self._note_file(path, now)

    def put_off(self, path: Path) -> None:
        """Give it out again after a while: the store was away, or somebody is still writing."""
        self._note_file(path, time.monotonic() + RETRY_SECONDS)

    def _note_file(self, path: Path, since: float) -> None:
        try:
            self._seen[path] = (signature(path.stat()), since)
        except OSError:
            self._seen.pop(path, None)

    def settled(self, now: float) -> Iterator[Found]:
        """Those that have been calm for long enough. Each is given out once for each change."""
        for path, (before, since) in list(self._seen.items()):
            try:
                current = signature(path.stat())
            except OSError:
                del self._seen[path]
                continue
            if current != before:
                self._seen[path] = (current, now)
            elif now - since >= self._calm:
                del self._seen[path]
                yield from filter(None, (find(root, path) for root in self._roots_of(path)[:1]))

    def _roots_of(self, path: Path) -> list[Path]:
        return [root for root in self._roots if path == root or path.is_relative_to(root)]


def watch(
    settling: Settling, roots: Sequence[Path], *, calm: float, stop: threading.Event
) -> Iterator[Found]:
    """What lies under `roots` now and what comes later, once it is calm. Ends with `stop` or Ctrl-C.

    The kernel's watch stands before the first look around, so nothing falls between the two.
    """
    pause = max(20, int(calm * 500))
    changes = watchfiles.watch(
        *roots, watch_filter=None, debounce=pause, step=min(pause, 50), rust_timeout=pause,
        yield_on_timeout=True, stop_event=stop, raise_interrupt=False,
    )  # fmt: skip
    first = True
    for changed in changes:
        now = time.monotonic()
        paths = [Path(name) for _, name in changed]
        for path in [*roots, *paths] if first else paths:
            settling.note(path, now)
        first = False
        yield from settling.settled(now)
