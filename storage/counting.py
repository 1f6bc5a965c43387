"""Stores that count: operations by result and time, bytes written and bytes read. `storage.registry` makes them.

A class of stores gets one that counts above it, so that whoever asks for a LocalStore finds one. What a store asks of
itself on the way (a copy that looks at its source first) is not counted again. Files that programs read by their path
are read past the store.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache, wraps
from types import TracebackType
from typing import Any, BinaryIO, Final, cast

from alcoves import metrics, tracing
from storage.errors import StoreError

PLAIN: Final = ("stat", "delete", "copy", "begin", "finish", "abort", "check", "sweep_staging")
inside = threading.local()


@lru_cache(maxsize=64)
def counting(backend: Any) -> Any:
    """The same class, counted. Its driver is the module it comes from: local, s3, memory."""
    driver = backend.__module__.rpartition(".")[2]
    made: dict[str, Any] = {name: plain(backend, name, driver) for name in PLAIN if hasattr(backend, name)}
    made |= {
        "put": putting(backend, driver),
        "append": appending(backend, driver),
        "open": opening(backend, driver),
    }
    return type(backend.__name__, (backend,), {**made, "__module__": backend.__module__})


@contextmanager
def timed(store: str, driver: str, operation: str) -> Iterator[bool]:
    """False inside of another operation of the same thread: that one is counted."""
    if getattr(inside, "busy", False):
        yield False
        return
    inside.busy, result, began = True, "error", time.perf_counter()
    try:
        with tracing.span(f"storage.{operation}", {"alcoves.store": store, "alcoves.driver": driver}):
            yield True
        result = "ok"
    except StoreError as error:
        result = error.code
        raise
    finally:
        inside.busy = False
        labels = (store, driver, operation, result)
        metrics.STORE_OPERATIONS.labels(*labels).inc()
        metrics.STORE_SECONDS.labels(*labels).observe(time.perf_counter() - began)


def plain(backend: Any, operation: str, driver: str) -> Callable[..., Any]:
    @wraps(getattr(backend, operation))
    def call(self: Any, *args: Any, **options: Any) -> Any:
        with timed(self.name, driver, operation):
            return getattr(backend, operation)(self, *args, **options)

    return call


def putting(backend: Any, driver: str) -> Callable[..., Any]:
    @wraps(backend.put)
    def put(self: Any, *args: Any, **options: Any) -> Any:
        with timed(self.name, driver, "put") as outermost:
            stat = backend.put(self, *args, **options)
        if outermost:
            metrics.STORE_WRITTEN.labels(self.name, driver).inc(stat.size)
        return stat

    return put


def appending(backend: Any, driver: str) -> Callable[..., Any]:
    @wraps(backend.append)
    def append(self: Any, *args: Any, **options: Any) -> Any:
        with timed(self.name, driver, "append") as outermost:
            state, kept = backend.append(self, *args, **options)
        if outermost:
            metrics.STORE_WRITTEN.labels(self.name, driver).inc(kept)
        return state, kept

    return append


def opening(backend: Any, driver: str) -> Callable[..., Any]:
    @wraps(backend.open)
    def open_(self: Any, *args: Any, **options: Any) -> Any:
        with timed(self.name, driver, "open"):
            opened = backend.open(self, *args, **options)
        return Opened(opened, metrics.STORE_READ.labels(self.name, driver))

    return open_


class Opened:
    """What a store has opened; what was read of it is counted when it is closed."""

    def __init__(self, opened: AbstractContextManager[BinaryIO], counter: Any) -> None:
        self._opened, self._counter = opened, counter
        self._reader: Reader | None = None

    def __enter__(self) -> BinaryIO:
        self._reader = Reader(self._opened.__enter__())
        return cast("BinaryIO", self._reader)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._reader is not None:
            self._counter.inc(self._reader.count)
        return self._opened.__exit__(kind, error, trace)


class Reader:
    """Counts what goes through `read`; everything else is the file's own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.count += len(block)
        return block

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[bytes]:
        for line in self._file:
            self.count += len(line)
            yield line
