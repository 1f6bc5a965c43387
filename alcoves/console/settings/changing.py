"""Changing settings: checked, written, noted in the audit log and told to all processes; all or none."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from constance.codecs import dumps
from constance.models import Constance
from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from alcoves.settings.live import Live
from media import audit, bulletin, live
from media.errors import RequestError

RESET: Final = object()
"""In place of a value: back to what the environment or the default says."""
ADVISORY_LOCK: Final = 0x5E771265
"""Changes follow one another, so that each entry of the log tells what was really there before."""


class BadSettingError(RequestError):
    """A value that a setting cannot have."""

    code = "bad_setting"


class UnknownSettingError(RequestError):
    """A name that is in no row of the table."""

    code = "unknown_setting"
    http_status = 404


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one setting. The values are those that hold."""

    row: Live
    old: Any
    new: Any
    reset: bool

    def __str__(self) -> str:
        old, new = self.row.told(self.old), self.row.told(self.new)
        return f"{self.row.name}: {old} to {new}{', by reset' if self.reset else ''}"


def find(name: str) -> Live:
    """The row of a name. UnknownSettingError, which says what else may be meant."""
    row: Live | None = settings.LIVE_SETTINGS.get(name)
    if row is not None:
        return row
    near = difflib.get_close_matches(name.upper(), settings.LIVE_SETTINGS, n=1)
    hint = f" Do you mean {near[0]}?" if near else " manage.py settings list tells all."
    raise UnknownSettingError(f"There is no setting {name[:80]}.{hint}")


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """All of them as they will be kept. BadSettingError with a sentence for each that cannot be."""
    good, bad = {}, []
    for name, value in values.items():
        row = find(name)
        try:
            good[name] = value if value is RESET else named(row, row.checked(value))
        except ValueError as error:
            bad.append(str(error))
    if bad:
        raise BadSettingError(" ".join(bad))
    return good


def named(row: Live, value: Any) -> Any:
    """The value, where what it names is there."""
    if sentence := lack(row, value):
        raise ValueError(f"{row.name} cannot be {row.told(value)}. {sentence}")
    return value


def lack(row: Live, value: Any) -> str:
    """Why what a value names cannot be used; empty for most."""
    return str(import_string(row.names)(value)) if row.names else ""


def plan(values: Mapping[str, Any]) -> list[Change]:
    """What `change` would do now. Checks; writes nothing."""
    return planned(checked(values), live.stored())


def planned(good: Mapping[str, Any], texts: Mapping[str, str]) -> list[Change]:
    """What differs from the database: a value that it has already is no change, and no more is a reset of nothing."""
    changes = []
    for name, value in good.items():
        reset, row = value is RESET, find(name)
        if (name in texts) if reset else (texts.get(name) != dumps(value)):
            new = live.given(name) if reset else value
            changes.append(Change(row, holding(name, texts), new, reset))
    return changes


def holding(name: str, texts: Mapping[str, str]) -> Any:
    """The value that holds while the database has these texts."""
    try:
        return live.decoded(name, texts[name])
    except (KeyError, ValueError):
        return live.given(name)


def change(values: Mapping[str, Any], *, by: audit.Actor) -> list[Change]:
    """Sets or resets. All processes use what is new as soon as the transaction is committed."""
    good = checked(values)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
            changes = planned(good, live.stored())
            for one in changes:
                write(one)
            if changes:
                note(changes, by)
            transaction.on_commit(announce)
    finally:
        live.forget()
    return changes


def write(one: Change) -> None:
    rows = Constance._default_manager  # noqa: SLF001  Documented by Django.
    if one.reset:
        rows.filter(key=one.row.name).delete()
    else:
        rows.update_or_create(key=one.row.name, defaults={"value": dumps(one.new)})


def note(changes: list[Change], by: audit.Actor) -> None:
    names = ", ".join(one.row.name for one in changes)
    text = str(changes[0]) if len(changes) == 1 else f"{len(changes)} settings were changed: {names}"
    detail = {
        one.row.name: {"old": one.row.shown(one.old), "new": one.row.shown(one.new), "reset": one.reset}
        for one in changes
    }
    audit.note("settings.change", by=by, text=text, count=len(changes), changes=detail)


def announce() -> None:
    """To this process and all others; where Redis is away they find out within a minute."""
    live.forget()
    bulletin.post(live.TOPIC)
