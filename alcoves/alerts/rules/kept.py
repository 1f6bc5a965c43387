"""A value that costs more than a page may: taken now and then, and kept in this process meanwhile."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """One thread at a time takes it. What fails is not kept."""

    def __init__(self, take: Callable[[], T], seconds: float) -> None:
        self._take, self._seconds = take, seconds
        self._lock = threading.Lock()
        self._value: tuple[float, T] | None = None

    def get(self) -> T:
        with self._lock:
            if self._value is None or time.monotonic() - self._value[0] > self._seconds:
                self._value = time.monotonic(), self._take()
            return self._value[1]

    def forget(self) -> None:
        with self._lock:
            self._value = None
