"""What a process tells when it is scraped: its own numbers, or those of all processes of one folder.

A process that is gone leaves its files behind. Its counts stay true, so they are added to those of all that are gone,
and the files go: a pool that makes a child for every film would leave thousands of them, and each scrape reads all.
"""

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.registry import REGISTRY

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
GONE: Final = "gone"
"""In the place of a pid: those that are not there any more."""
YOUNG: Final = 2
"""Fewer files of the dead than this are left alone."""
lock = threading.Lock()


def render(more: Sequence[Any] = ()) -> bytes:
    """The exposition of this process, or of all processes that share the folder; `more` are collectors beside it."""
    if not os.environ.get(FOLDER):
        return generate_latest(REGISTRY) + expose(more)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped.
    folder = Path(os.environ[FOLDER])
    with alone_in(folder):
        bury(folder)
        return generate_latest(registry) + expose(more)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Among the threads of this process and the processes of this folder: while files are merged nobody reads them."""
    with lock:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)


def expose(collectors: Iterable[Any]) -> bytes:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


def bury(folder: Path) -> int:
    """Add what processes that are gone have counted to one set of files; returns how many files went."""
    dead = [path for path in sorted(folder.glob("*.db")) if is_dead(path)]
    if len(dead) < YOUNG:
        return 0
    by_kind: dict[str, list[Path]] = {}
    for path in dead:
        by_kind.setdefault(path.stem.rpartition("_")[0], []).append(path)
    for kind, paths in by_kind.items():
        if not kind.startswith("gauge_live"):
            merge(kind, paths, folder / f"{kind}_{GONE}.db")
        for path in paths:
            path.unlink(missing_ok=True)
    return len(dead)


def is_dead(path: Path) -> bool:
    """Other processes may share the folder, so it is asked of each; files of other containers are not in it."""
    pid = path.stem.rpartition("_")[2]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def merge(kind: str, paths: Sequence[Path], target: Path) -> None:
    """Counts are added; of gauges the largest or the latest stays, as their mode says."""
    into = cast("Any", MmapedDict)(str(target))
    try:
        for path in paths:
            for key, value, stamp, _ in cast("Any", MmapedDict).read_all_values_from_file(str(path)):
                before, at = into.read_value(key)
                if not kind.startswith("gauge"):
                    into.write_value(key, before + value, 0.0)
                elif kind == "gauge_mostrecent":
                    if stamp > at:
                        into.write_value(key, value, stamp)
                elif value > before:
                    into.write_value(key, value, stamp)
    finally:
        into.close()
