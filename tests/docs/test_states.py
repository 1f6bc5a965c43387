"""docs/states.md against media/ledger.py: every arrow is a function, every move is drawn."""

import inspect
import re

from media import ledger
from media.models.derivative import LOST_CLAIMS_LIMIT, Status
from media.statements import JOIN_FROM
from tests.docs.reading import DOCS, bare, rows

TEXT = (DOCS / "states.md").read_text(encoding="utf-8")
ARROWS = re.findall(r"^    (\S+) --> (\w+): (\w+)$", TEXT, re.MULTILINE)
ONLY_LOOKS = {"held", "in_order", "waiting", "divided", "after", "mark_published", "tell_parent"}
BENEATH = {"end_well"}
"""What two moves share."""
STAY = {"accept", "unaccept", "mark_accepted"}
"""They note something of a row, and leave its state."""


def moves() -> set[str]:
    found = inspect.getmembers(ledger, inspect.isfunction)
    here = {name for name, function in found if function.__module__ == ledger.__name__}
    return here - ONLY_LOOKS - BENEATH - STAY


def test_every_move_of_the_ledger_is_drawn_and_no_other() -> None:
    assert {name for _, _, name in ARROWS} == moves() | {"planned"}


def test_every_state_is_drawn() -> None:
    drawn = {state for source, target, _ in ARROWS for state in (source, target)} - {"[*]"}
    assert drawn == set(Status.values)


def test_every_move_has_its_caller() -> None:
    assert {bare(row[0]) for row in rows("states.md", "The moves")} == moves() | {"planned"}


def test_the_limits_told_are_those_of_the_code() -> None:
    told = {bare(row[0]): row[2] for row in rows("states.md", "Three counters")}
    assert f"makes {JOIN_FROM} percent" in TEXT
    assert told["lost_claims"].startswith(f"{LOST_CLAIMS_LIMIT},")
