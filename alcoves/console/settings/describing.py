"""What holds, and where it comes from: for the page, the API and the command."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alcoves import env
from alcoves.console.settings.changing import find, lack
from alcoves.settings.live import TABLE, Live
from media import live


@dataclass(frozen=True, slots=True)
class Told:
    """One setting as it is now. `problem`: why what the database has is not used, or of what holds cannot be."""

    row: Live
    value: Any
    source: str
    problem: str = ""

    @property
    def underlying(self) -> Any:
        """What a reset goes back to."""
        return live.given(self.row.name)


def everything() -> list[Told]:
    """By the table, in one query, past the cache: what operators look at is what is there."""
    texts = live.stored()
    return [describe(row, texts) for row in TABLE]


def one(name: str) -> Told:
    """UnknownSettingError for a name that is none."""
    return describe(find(name), live.stored())


def describe(row: Live, texts: Mapping[str, str]) -> Told:
    problem = ""
    if row.name in texts:
        try:
            held = live.decoded(row.name, texts[row.name])
            return Told(row, held, "database", lack(row, held))
        except ValueError as error:
            problem = f"What the database has is not used: {error}"
    value = live.given(row.name)
    named = bool(row.env and env.raw(row.env))
    return Told(
        row, value, "environment" if named or value != row.default else "default", problem or lack(row, value)
    )


def as_json(told: Told, *, secrets: bool = False) -> dict[str, Any]:
    row = told.row

    def shown(value: Any) -> Any:
        return value if secrets else row.shown(value)

    return {
        "name": row.name,
        "group": row.group,
        "type": {bool: "boolean", int: "integer", float: "number", str: "string"}[row.kind],
        "value": shown(told.value),
        "default": shown(row.default),
        "environment": shown(told.underlying),
        "source": told.source,
        "help": row.help,
        "unit": row.unit,
        "low": row.low,
        "high": row.high,
        "options": list(row.options),
        "variable": row.env,
        "secret": row.secret,
        "problem": told.problem,
    }
