"""Watched folders: a file is taken once its size and its time of change have stood still for a while."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import watchfiles
from watchfiles._rust_notify import WatchfilesRustInternalError

from media.uploads.importing import Found, find, shown, signature, walk

RETRY_SECONDS = 30.0
AGAIN_SECONDS = 5.0
"""Between two tries to watch folders that the kernel's watch breaks off at."""


class Settling:
    """Files that have been seen, each with its state and since when that has not changed."""

    def __init__(self, roots: Sequence[Path], calm: float) -> None:
        self._roots = roots
        self._calm = calm
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        self._given: set[int] = set()
        """Hashes of paths and states that were given out, so that looking again gives only what is new."""

    def note(self, path: Path, now: float) -> None:
        """Something happened at `path`. A folder moved in is searched: its files tell nothing themselves."""
        if path.is_dir():
            for root in self._roots_of(path):
                for found in walk(path):
                    if find(root, found.path) is not None:
                        self._note_file(found.path, now)
        else:
            self._note_file(path, now)

    def look_around(self, now: float) -> None:
        """All that lies under the roots, without what was given out and is as it was."""
        for root in self._roots:
            for found in walk(root):
                try:
                    state = signature(found.path.stat())
                except OSError:
                    continue
                if hash((found.path, state)) not in self._given:
                    self._note_file(found.path, now)

    def put_off(self, path: Path) -> None:
        """Give it out again after a while: the store was away, or somebody is still writing."""
        self._seen.pop(path, None)
        self._note_file(path, time.monotonic() + RETRY_SECONDS)

    def _note_file(self, path: Path, since: float) -> None:
        try:
            state = signature(path.stat())
        except OSError:
            self._seen.pop(path, None)
            return
        before = self._seen.get(path)
        if before is None or before[0] != state:
            self._seen[path] = (state, since)

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
                self._given.add(hash((path, current)))
                yield from filter(None, (find(root, path) for root in self._roots_of(path)[:1]))

    def _roots_of(self, path: Path) -> list[Path]:
        return [root for root in self._roots if path == root or path.is_relative_to(root)]


def watch(
    settling: Settling,
    roots: Sequence[Path],
    *,
    calm: float,
    stop: threading.Event,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Found]:
    """What lies under `roots` now and what comes later, once it is calm. Ends with `stop` or Ctrl-C.

    The kernel's watch stands before the first look around, so nothing falls between the two. `tell` takes a
    sentence for the person who watches.
    """
    for anew, paths in happenings(roots, max(20, int(calm * 500)), stop, tell):
        now = time.monotonic()
        if anew:
            settling.look_around(now)
        for path in paths:
            settling.note(path, now)
        yield from settling.settled(now)


def happenings(
    roots: Sequence[Path], pause: int, stop: threading.Event, tell: Callable[[str], None]
) -> Iterator[tuple[bool, list[Path]]]:
    """Where something happened; True with it where all is to be looked through, because something may be missed.

    watchfiles ends with an error at any name that is not UTF-8, even one that was there before.
    """
    told: set[str] = set()
    while not stop.is_set():
        changes = watchfiles.watch(
            *roots, watch_filter=None, debounce=pause, step=min(pause, 50), rust_timeout=pause,
            yield_on_timeout=True, stop_event=stop, raise_interrupt=False,
        )  # fmt: skip
        anew = True
        try:
            for changed in changes:
                yield anew, [Path(name) for _, name in changed]
                anew = False
            return
        except (WatchfilesRustInternalError, UnicodeEncodeError) as error:
            reason = shown(error)
        if reason not in told:
            told.add(reason)
            tell(
                f"The watch broke off ({reason}). It begins again, and the folders are looked through every "
                f"{AGAIN_SECONDS:g} seconds as long as that goes on. Give files names in UTF-8 to mend it."
            )
        yield True, []
        if interrupted(stop):
            return


def interrupted(stop: threading.Event) -> bool:
    """Waits a little before the next try; True for Ctrl-C meanwhile."""
    try:
        stop.wait(AGAIN_SECONDS)
    except KeyboardInterrupt:
        return True
    return False
