"""What is wrong now. `check_all` asks every rule; the dashboard, the API and alerts show what it finds, and the doctor
says it in its own words. Nothing else decides what is a trouble.

Rules only read. Servers are asked with a short limit, and workers tell of themselves.
"""

import logging
import time
from collections.abc import Mapping
from typing import Final

from django.db import DatabaseError

from alcoves.alerts.rules import access, blobs, fleet, keeping, machine, servers, work
from alcoves.alerts.rules.base import Rule, Severity, Trouble, page

__all__ = ["RULES", "Severity", "Trouble", "asked", "by_rule", "check", "check_all", "late"]

logger = logging.getLogger(__name__)
MACHINE: Final[Mapping[str, Rule]] = {
    "parts": machine.parts,
    "disks": machine.disks,
    "scratch": machine.scratch,
}
"""These need no database."""
RULES: Final[Mapping[str, Rule]] = {
    **MACHINE,
    "connections": servers.connections,
    "clock": servers.clock,
    "migrations": servers.migrations,
    "beat": fleet.beat,
    "all lanes paused": fleet.paused,
    "lanes": fleet.lanes,
    "workers": fleet.workers,
    "versions": fleet.versions,
    "stuck": work.stuck,
    "waiting": work.waiting,
    "failing": work.failing,
    "missing blobs": blobs.source_missing,
    "set aside": work.quarantined,
    "models": work.downloads,
    "backup": keeping.backups,
    "backup target": keeping.target,
    "backup place": keeping.place,
    "findings": blobs.findings,
    "weak settings": access.weak_settings,
    "ways of alerts": access.broken_ways,
    "letters": access.unsent,
}
POSTGRES: Final = "part:postgres"
NEVER: Final = float("inf")


def check_all(until: float = NEVER) -> list[Trouble]:
    """Everything that is wrong, worst first."""
    found = [trouble for troubles in by_rule(until).values() for trouble in troubles]
    return sorted(found, key=lambda trouble: (trouble.severity != Severity.CRITICAL, trouble.key))


def by_rule(until: float = NEVER) -> dict[str, list[Trouble]]:
    """What each rule that could be asked finds. A rule that fails is a trouble itself and stops no other.

    `until`, of the monotonic clock: rules whose turn comes later are not asked, and say so.
    """
    found = {name: check(name) for name in MACHINE}
    if not any(trouble.key == POSTGRES for trouble in found["parts"]):
        for name in RULES:
            if name not in MACHINE:
                found[name] = check(name) if time.monotonic() < until else [late(name)]
    return found


def could_not_be_asked(name: str, found: list[Trouble]) -> bool:
    """Then what it found before may still be so."""
    return [trouble.key for trouble in found] == [f"rule:{name}"]


def check(name: str) -> list[Trouble]:
    """What one rule of the table finds."""
    return asked(name, RULES[name])


def asked(name: str, rule: Rule) -> list[Trouble]:
    """What a rule finds, or that it cannot be asked."""
    try:
        return list(rule())
    except DatabaseError as error:
        logger.warning("the rule %s could not ask the database: %s", name, error)
        return [unasked(name, "the database did not answer it")]
    except Exception as error:
        logger.exception("the rule %s failed", name)
        return [unasked(name, type(error).__name__)]


def late(name: str) -> Trouble:
    return unasked(name, "the others took too long")


def unasked(name: str, reason: str) -> Trouble:
    sentence = f"The rule for {name} cannot be asked ({reason}). The log says more."
    return Trouble(f"rule:{name}", Severity.WARNING, sentence, page("doctor"))
