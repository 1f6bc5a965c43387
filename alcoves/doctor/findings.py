"""What a check says: how it is, in a sentence, and what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from alcoves.alerts.rules import Severity, Trouble

POSTGRES: Final = "Postgres"
"""The check that those need which ask the database."""


class Level(StrEnum):
    """How it is. A note is worth knowing, and nothing has to be done."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` is what to do, where something is to be done."""

    level: Level
    sentence: str
    advice: str = ""


Asked: TypeAlias = Callable[[], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question. Without an answer in `seconds` it is told and left alone. One that is `heavy` writes, or starts
    programs: the page asks it only when somebody says so.
    """

    name: str
    group: str
    ask: Asked
    needs: tuple[str, ...] = ()
    """Names of checks of servers; where one of them fails this one is not asked."""
    seconds: float = 2.0
    heavy: bool = False


def told(trouble: Trouble) -> Finding:
    """What a rule of alerts has found, as the doctor says it: its last sentence is what to do."""
    sentence, _, advice = trouble.sentence.rpartition(". ")
    make = failure if trouble.severity == Severity.CRITICAL else warning
    return make(f"{sentence}." if sentence else trouble.sentence, advice)


def ok(sentence: str) -> Finding:
    return Finding(Level.OK, sentence)


def note(sentence: str, advice: str = "") -> Finding:
    return Finding(Level.NOTE, sentence, advice)


def warning(sentence: str, advice: str) -> Finding:
    return Finding(Level.WARNING, sentence, advice)


def failure(sentence: str, advice: str) -> Finding:
    return Finding(Level.FAILURE, sentence, advice)
