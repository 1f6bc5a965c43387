"""Typed readers of the environment, and the table of every variable read.

A leaf: settings, the embedded runner and `docs/configuration.md` (through its test) all come here.
`NAME_FILE` names a file that holds the value, so that secrets need not stand in the environment.
A bad value raises `BadVariableError`, which names the variable; the boot stops there.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})

KNOWN: dict[str, str] = {}
"""Every variable this process has asked for, with its type. The configuration page is tested against it."""
SECRETS: set[str] = set()
"""The values of those that are secret, so that the log can leave them out."""


class BadVariableError(Exception):
    """An environment variable has a value we cannot use."""


def raw(name: str) -> str | None:
    """The value of `name`, or the content of the file that `NAME_FILE` names, or None."""
    if (value := os.environ.get(name)) is not None:
        return value
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadVariableError(
            f"{name}_FILE names {path}, which cannot be read: {error.strerror}."
        ) from error


def read(name: str, parse: Callable[[str], T], default: T, *, kind: str) -> T:
    KNOWN[name] = kind
    value = raw(name)
    if value is None or value == "":
        return default
    try:
        return parse(value)
    except ValueError as error:
        raise BadVariableError(f"{name}={value!r} is not usable: expected {kind} ({error}).") from error


def text(name: str, default: str = "") -> str:
    return read(name, str, default, kind="text")


def secret(name: str) -> str:
    """Like text, but its value never appears in an error."""
    KNOWN[name] = "secret"
    value = raw(name) or ""
    if value:
        SECRETS.add(value)
    return value


def boolean(name: str, *, default: bool) -> bool:
    def parse(value: str) -> bool:
        folded = value.strip().lower()
        if folded not in TRUE | FALSE:
            raise ValueError("say true or false")
        return folded in TRUE

    return read(name, parse, default, kind="true or false")


def integer(name: str, default: int, *, low: int | None = None, high: int | None = None) -> int:
    def parse(value: str) -> int:
        return within(int(value), low, high)

    return read(name, parse, default, kind="whole number")


def number(name: str, default: float, *, low: float | None = None, high: float | None = None) -> float:
    def parse(value: str) -> float:
        return within(float(value), low, high)

    return read(name, parse, default, kind="number")


def choice(name: str, options: Iterable[str], default: str) -> str:
    allowed = tuple(options)

    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return value

    return read(name, parse, default, kind="one of " + ", ".join(allowed))


def path(name: str, default: Path) -> Path:
    return read(name, lambda value: Path(value).expanduser().resolve(), default, kind="path")


def words(name: str, default: Iterable[str] = ()) -> list[str]:
    return read(
        name,
        lambda value: [part.strip() for part in value.split(",") if part.strip()],
        list(default),
        kind="list with commas",
    )


def mapping(name: str, default: Mapping[str, int]) -> dict[str, int]:
    """`a=1,b=2` as a dictionary of whole numbers."""

    def parse(value: str) -> dict[str, int]:
        pairs = (part.split("=", 1) for part in value.split(",") if part.strip())
        try:
            return {key.strip(): int(count) for key, count in pairs}
        except (ValueError, TypeError):
            raise ValueError("write name=number, name=number") from None

    return read(name, parse, dict(default), kind="name=number, ...")


N = TypeVar("N", int, float)


def within(value: N, low: N | None, high: N | None) -> N:
    if low is not None and value < low:
        raise ValueError(f"at least {low}")
    if high is not None and value > high:
        raise ValueError(f"at most {high}")
    return value
