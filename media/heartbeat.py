"""Keeps the leases of the runs this process is busy with, and carries their progress to the rows.

One thread a process (a run of a few milliseconds never wakes it); it gives its database connection back
when nothing runs. A run that lost its row is told through `abandoned`, and its body stops at the next check.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection

from alcoves import metrics
from media import ledger
from media.ledger import Claim

logger = logging.getLogger(__name__)
TICK_SECONDS = 1.0


class Pulse:
    """What is known of one run between two ticks. Written by the run, read by the thread."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.percent = 0.0
        self.eta: float | None = None
        self.changed = False
        self.abandoned = threading.Event()
        self.renewed_at = time.monotonic()

    def tell(self, percent: float, eta_seconds: float | None) -> None:
        self.percent, self.eta, self.changed = percent, eta_seconds, True

    def due(self, lease_seconds: float) -> bool:
        """Progress goes out each tick it moved; the lease is renewed four times before it would run out.

        A part asks each tick whether its parent still waits, so that it stops within a second of its cancel.
        """
        return (
            self.changed
            or self.claim.parent is not None
            or time.monotonic() - self.renewed_at >= lease_seconds / 4
        )

    def beat(self, lease_seconds: float) -> None:
        self.changed = False
        try:
            kept = ledger.renew(
                self.claim, lease_seconds=lease_seconds, progress=self.percent, eta_seconds=self.eta
            )
        except DatabaseError as error:
            connection.close()
            metrics.DB_RETRIES.labels(where="lease").inc()
            logger.warning("lease of %s not renewed: %s", self.claim.id, error)
            kept, result = time.monotonic() - self.renewed_at < lease_seconds, "away"
        else:
            self.renewed_at = time.monotonic()
            result = "kept" if kept else "lost"
        metrics.HEARTBEATS.labels(result=result).inc()
        if not kept:
            self.abandoned.set()


class Pacemaker:
    """The thread of this process. Made anew after a fork: threads do not survive one."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.pulses: set[Pulse] = set()
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None

    def watch(self, pulse: Pulse) -> None:
        with self.changed:
            self.pulses.add(pulse)
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self.keep, name="lease-heartbeat", daemon=True)
                self.thread.start()
            elif len(self.pulses) == 1:
                self.changed.notify()

    def forget(self, pulse: Pulse) -> None:
        with self.changed:
            self.pulses.discard(pulse)

    def keep(self) -> None:
        """Tick while something runs, sleep while nothing does."""
        while True:
            with self.changed:
                if not self.pulses:
                    connection.close()
                    self.changed.wait()
            threading.Event().wait(TICK_SECONDS)
            lease = settings.LEASE_SECONDS
            with self.changed:
                pulses = [pulse for pulse in self.pulses if pulse.due(lease) and not pulse.abandoned.is_set()]
            for pulse in pulses:
                pulse.beat(lease)


_pacemaker = Pacemaker()


def pacemaker() -> Pacemaker:
    global _pacemaker  # noqa: PLW0603  One a process, and a fork makes a new process.
    if _pacemaker.pid != os.getpid():
        _pacemaker = Pacemaker()
    return _pacemaker


@contextmanager
def kept(claim: Claim) -> Iterator[Pulse]:
    """Hold the lease of this claim for as long as the block runs."""
    pulse = Pulse(claim)
    keeper = pacemaker()
    keeper.watch(pulse)
    try:
        yield pulse
    finally:
        keeper.forget(pulse)
