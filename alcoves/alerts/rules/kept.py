"""Values that cost more than a page may: taken now and then and kept in this process, or given up after a while."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from django.db import Error, connection

T = TypeVar("T")


class Timely(Generic[T]):
    """Takes a value in a thread, for so long at most: a disk of the network may hang for ever.

    Who comes meanwhile waits for the same answer. While it hangs nobody asks again, or waits a second time.
    """

    def __init__(self, take: Callable[[], T], seconds: float) -> None:
        self._take, self.seconds = take, seconds
        self._lock = threading.Lock()
        self._asking: Asking[T] | None = None

    def get(self) -> T:
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                self._asking = Asking(self._take)
                self._asking.start()
            asking = self._asking
        asking.join(max(0.0, asking.began + self.seconds - time.monotonic()))
        if asking.is_alive():
            raise TimeoutError(errno.ETIMEDOUT, f"no answer within {self.seconds:g} seconds")
        return asking.outcome()


class Asking(threading.Thread, Generic[T]):
    """One question."""

    def __init__(self, take: Callable[[], T]) -> None:
        super().__init__(name="disks", daemon=True)
        self._ask = take
        self.began = time.monotonic()
        self._values: list[T] = []
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._values.append(self._ask())
        except Exception as error:  # noqa: BLE001  Raised again by who waits.
            self._error = error

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._values[0]


class Kept(Generic[T]):
    """One thread at a time takes it. What fails is not kept."""

    def __init__(self, take: Callable[[], T], seconds: float) -> None:
        self._take, self.seconds = take, seconds
        self._lock = threading.Lock()
        self._value: tuple[float, T] | None = None

    def get(self) -> T:
        with self._lock:
            if self._value is None or time.monotonic() - self._value[0] > self.seconds:
                self._value = time.monotonic(), self._take()
            return self._value[1]

    def forget(self) -> None:
        with self._lock:
            self._value = None


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """No statement of the block takes longer. The connection is used by others after it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{int(seconds * 1000)}ms"])
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout")
        except Error:
            # Broken, or in a transaction that failed: nobody shall find it with our limit.
            if not connection.in_atomic_block:
                with suppress(Error):
                    connection.close()
