"""What is wrong now. `check_all` asks every rule; the dashboard, the API and alerts show what it finds.

Rules only read. Servers are asked with a short limit, and workers tell of themselves.
"""

import logging
from collections.abc import Mapping
from typing import Final

from django.db import DatabaseError

from alcoves.alerts.rules import fleet, keeping, machine, servers, work
from alcoves.alerts.rules.base import Rule, Severity, Trouble, page

__all__ = ["RULES", "Severity", "Trouble", "by_rule", "check", "check_all"]

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
    "stuck": work.stuck,
    "waiting": work.waiting,
    "failing": work.failing,
    "missing blobs": work.missing_blobs,
    "set aside": work.quarantined,
    "models": work.downloads,
    "backup": keeping.backups,
    "backup place": keeping.place,
    "findings": keeping.findings,
}
POSTGRES: Final = "part:postgres"


def check_all() -> list[Trouble]:
    """Everything that is wrong, worst first."""
    found = [trouble for troubles in by_rule().values() for trouble in troubles]
    return sorted(found, key=lambda trouble: (trouble.severity != Severity.CRITICAL, trouble.key))


def by_rule() -> dict[str, list[Trouble]]:
    """What each rule that could be asked finds. A rule that fails is a trouble itself and stops no other."""
    found = {name: check(name) for name in MACHINE}
    if not any(trouble.key == POSTGRES for trouble in found["parts"]):
        found |= {name: check(name) for name in RULES if name not in MACHINE}
    return found


def could_not_be_asked(name: str, found: list[Trouble]) -> bool:
    """Then what it found before may still be so."""
    return [trouble.key for trouble in found] == [f"rule:{name}"]


def check(name: str) -> list[Trouble]:
    """What one rule finds."""
    try:
        return list(RULES[name]())
    except DatabaseError as error:
        logger.warning("the rule %s could not ask the database: %s", name, error)
        reason = "the database did not answer it"
    except Exception as error:
        logger.exception("the rule %s failed", name)
        reason = type(error).__name__
    sentence = f"The rule for {name} cannot be asked ({reason}). The log says more."
    return [Trouble(f"rule:{name}", Severity.WARNING, sentence, page("doctor"))]
