"""One round: look what is wrong, keep it, write letters, deliver them. One process at a time (an advisory lock)."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

from alcoves.alerts import delivering, letters, noting, pulses, rules
from alcoves.alerts.rules import Trouble, work
from alcoves.alerts.rules.kept import limited

logger = logging.getLogger(__name__)
LOCK: Final = 0x416C6572
STATEMENT_SECONDS: Final = 10
ROUND_SECONDS: Final = 45
"""Rules whose turn comes later are not asked this time; what they found before stays."""


def check() -> bool:
    """False where another process is at it. Delivering needs no lock: letters are leased."""
    with alone() as free:
        if free:
            pulses.beat(pulses.CHECK)
            pulses.remember(pulses.PROGRESS, work.progress())
            noting.note(found())
            noting.forget()
            letters.write_all()
    if free:
        delivering.deliver_due()
    return free


def found() -> dict[str, list[Trouble]]:
    with limited(STATEMENT_SECONDS):
        return rules.by_rule(time.monotonic() + ROUND_SECONDS)


@contextmanager
def alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        free = bool(cursor.fetchone()[0])
    try:
        yield free
    finally:
        if free:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
