"""Settings as a file: JSON with a version. It holds what the database has, not what the environment says."""

import json
from dataclasses import dataclass
from typing import Any, Final

from alcoves.console.settings import changing
from alcoves.console.settings.changing import BadSettingError, Change
from alcoves.console.settings.describing import everything
from alcoves.settings.live.row import HIDDEN
from media import audit

FORMAT: Final = "alcoves-settings"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Imported:
    """What was, or would be, changed; and the secrets that the file only hides."""

    changes: list[Change]
    hidden: list[str]


def written(*, secrets: bool = False, all_of_them: bool = False) -> str:
    """`all_of_them`: those of the environment and the defaults too."""
    values = {
        told.row.name: told.value if secrets else told.row.shown(told.value)
        for told in everything()
        if all_of_them or told.source == "database"
    }
    return json.dumps(
        {"format": FORMAT, "version": VERSION, "settings": values}, indent=2, ensure_ascii=False
    )


def taken_in(text: str, *, by: audit.Actor, dry_run: bool = False) -> Imported:
    """All or none. Settings that the file does not name stay as they are."""
    values = values_of(text)
    hidden = [name for name, value in values.items() if value == HIDDEN and changing.find(name).secret]
    wanted = {name: value for name, value in values.items() if name not in hidden}
    changes = changing.plan(wanted) if dry_run else changing.change(wanted, by=by)
    return Imported(changes, hidden)


def values_of(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadSettingError(
            f"This is no JSON: {error}. Give a file that settings export has written."
        ) from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadSettingError("This file holds no settings. Give one that settings export has written.")
    if found.get("version") != VERSION:
        raise BadSettingError(
            f"This file is of version {found.get('version')}; this Alcoves reads {VERSION}."
        )
    if not isinstance(found.get("settings"), dict):
        raise BadSettingError("This file holds no settings. Give one that settings export has written.")
    return dict(found["settings"])
