"""Asks all checks, a few at a time, each with its limit. One that raises or hangs is told and stops no other."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import connection

from alcoves.doctor.findings import POSTGRES, Check, Finding, Level, failure, note, warning

logger = logging.getLogger(__name__)
AT_ONCE: Final = 4
ORDER: Final = (Level.OK, Level.NOTE, Level.WARNING, Level.FAILURE)


@dataclass(slots=True)
class Answer:
    """What came of one check."""

    check: Check
    findings: list[Finding] = field(default_factory=list)
    milliseconds: int = 0
    kept_at: datetime | None = None
    """Where it was asked earlier."""

    @property
    def level(self) -> Level:
        return max((one.level for one in self.findings), key=ORDER.index, default=Level.OK)


class Asking(threading.Thread):
    """One check in a thread of its own, which nobody waits for when its time is over."""

    def __init__(self, check: Check) -> None:
        super().__init__(name=f"doctor:{check.name}", daemon=True)
        self.check = check
        self.began = time.monotonic()
        self.answer = Answer(check)

    def run(self) -> None:
        try:
            if POSTGRES in self.check.needs:
                limit_statements(self.check.seconds)
            self.answer.findings = list(self.check.ask())
        except Exception as error:
            logger.info("the check %s failed", self.check.name, exc_info=True)
            self.answer.findings = [
                failure(
                    f"It could not be asked ({type(error).__name__}).", "Look at the log, or run it alone."
                )
            ]
        finally:
            self.answer.milliseconds = round((time.monotonic() - self.began) * 1000)
            connection.close()

    @property
    def late(self) -> bool:
        return time.monotonic() - self.began > self.check.seconds

    def given_up(self) -> Answer:
        """The servers that it needs do answer: then it has much to look at, and that is no failure."""
        make = warning if self.check.needs else failure
        told = make(f"No answer within {self.check.seconds:g} seconds.", "Look whether what it asks hangs.")
        return Answer(self.check, [told], round(self.check.seconds * 1000))


def limit_statements(seconds: float) -> None:
    """Of this thread's connection, which ends with it: what nobody waits for any more must not go on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{int(seconds * 1000)}ms"])


def examine(checks: Sequence[Check]) -> list[Answer]:
    """All of them, in their order. First those that others need."""
    needed = {name for check in checks for name in check.needs}
    first = run_all([check for check in checks if check.name in needed])
    failing = {answer.check.name for answer in first if answer.level == Level.FAILURE}
    rest = [check for check in checks if check.name not in needed]
    asked = run_all([check for check in rest if not failing & set(check.needs)])
    skipped = [not_asked(check, failing) for check in rest if failing & set(check.needs)]
    by_name = {answer.check.name: answer for answer in (*first, *asked, *skipped)}
    return [by_name[check.name] for check in checks]


def not_asked(check: Check, failing: Iterable[str]) -> Answer:
    missing = " and ".join(name for name in check.needs if name in failing)
    return Answer(check, [note(f"Not asked, because of {missing}.")])


def run_all(checks: Sequence[Check]) -> list[Answer]:
    waiting, running, ended = list(checks), list[Asking](), list[Answer]()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            running.append(Asking(waiting.pop(0)))
            running[-1].start()
        running[0].join(0.01)
        for asking in list(running):
            if not asking.is_alive() or asking.late:
                ended.append(asking.given_up() if asking.is_alive() else asking.answer)
                running.remove(asking)
    return ended


def worst(answers: Iterable[Answer]) -> Level:
    return max((answer.level for answer in answers), key=ORDER.index, default=Level.OK)
