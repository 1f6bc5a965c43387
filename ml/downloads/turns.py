"""One download at a time in the whole installation: a lock in Redis that a thread keeps while we are at it.

It spares the line and the mirror. That no two processes write one file is the lock of the file itself
(`ml.downloads.part`), which also holds where Redis was emptied.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis

from alcoves import locks
from media.dispatch import redis_client
from media.errors import InfrastructureError

logger = logging.getLogger(__name__)
NAME: Final = "models:download"
SECONDS: Final = 30
"""How long a turn outlives a process that was killed."""
RENEWED_EVERY: Final = 5.0


class Turn:
    """Ours until `lost` is set."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.lost = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="download-turn", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        """A question that is not answered (Redis restarts) is asked again before the time is over."""
        missed = 0.0
        while not self._over.wait(RENEWED_EVERY):
            with locks.Renewal(client(), NAME, self.token, SECONDS) as renewal:
                missed = 0.0 if renewal.held else missed + RENEWED_EVERY
            if missed >= SECONDS / 2:
                self.lost.set()
                return


@contextmanager
def taken() -> Iterator[Turn | None]:
    """None where somebody else is downloading. InfrastructureError where Redis is away."""
    try:
        token = locks.acquire(client(), NAME, SECONDS)
    except redis.RedisError as error:
        raise InfrastructureError(
            "Redis is away, so it is not known who downloads. Try again soon."
        ) from error
    if token is None:
        yield None
        return
    turn = Turn(token)
    try:
        yield turn
    finally:
        turn.end()
        try:
            locks.release(client(), NAME, token)
        except redis.RedisError as error:
            logger.warning("the turn to download runs out by itself: %s", error)


def client() -> Any:
    return redis_client()
