"""One setting that operators change while Alcoves runs, and what its values must be."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

TRUE: Final = frozenset({"true", "yes", "on", "1"})
FALSE: Final = frozenset({"false", "no", "off", "0"})
KINDS: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
HIDDEN: Final = "********"
"""Shown in place of a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One setting. `kind` is the type of its value; limits are inclusive; `unit` is shown beside the field."""

    name: str
    group: str
    kind: type
    help: str
    default: Any
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()
    unit: str = ""
    env: str = ""
    """The variable that gives its default, if there is one."""
    secret: bool = False
    """Shown as asterisks, and told in no entry of the audit log."""
    url: bool = False
    """A text that is empty or an address that begins with http:// or https://."""
    longest: int = 500
    """Characters of a text."""
    names: str = ""
    """A function, by its dotted name, that gives a sentence where there is not what a value names; else nothing."""

    def checked(self, value: Any) -> Any:
        """The value as it is kept; ValueError, whose text is a sentence, for any other. Nothing is made to fit."""
        if self.kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
        if type(value) is not self.kind or not self.fits(value):
            shown = "What was given" if self.secret else json.dumps(value, default=str)[:80]
            raise ValueError(f"{self.name} must be {self.rule()}. {shown} is not.")
        return value

    def fits(self, value: Any) -> bool:
        if isinstance(value, bool):
            return True
        if isinstance(value, str):
            right = value in self.options if self.options else len(value) <= self.longest
            return right and value.isprintable() and (not self.url or is_address(value))
        return (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
        )

    def parsed(self, text: str) -> Any:
        """What a form or a command line gives, checked."""
        return self.checked(self.read(text))

    def read(self, text: str) -> Any:
        """As its kind, or as it is, which `checked` then refuses."""
        told = text.strip()
        if self.kind is bool and told.lower() in TRUE | FALSE:
            return told.lower() in TRUE
        if self.kind is int and re.fullmatch(r"[+-]?[0-9]{1,30}", told):
            return int(told)
        if self.kind is float and re.fullmatch(
            r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", told
        ):
            return float(told)
        return told if self.kind is str else text

    def rule(self) -> str:
        """What a value must be, as the end of a sentence."""
        if self.options:
            return "one of " + ", ".join(option or "an empty text" for option in self.options)
        if self.url:
            return "an address that begins with https:// or http://, or empty"
        if self.kind is str:
            return f"a text of one line of at most {self.longest} characters"
        unit = f" ({self.unit})" if self.unit else ""
        return f"{KINDS[self.kind]}{self.span()}{unit}"

    def span(self) -> str:
        low, high = (self.written(limit) for limit in (self.low, self.high))
        if low and high:
            return f" from {low} to {high}"
        return f" of at least {low}" if low else f" of at most {high}" if high else ""

    def written(self, number: float | None) -> str:
        """As people would write it; of many bytes also how much that is."""
        if number is None:
            return ""
        plain = str(int(number)) if float(number).is_integer() else str(number)
        return f"{plain} ({size_of(number)})" if self.unit == "bytes" and number >= 1024 else plain

    def told(self, value: Any) -> str:
        """A value in a sentence; secrets hidden."""
        shown = self.shown(value)
        if isinstance(shown, bool):
            return "on" if shown else "off"
        return self.written(shown) if isinstance(shown, (int, float)) else shown or "empty"

    def shown(self, value: Any) -> Any:
        """For people who need not know a secret; an empty one is no secret."""
        return HIDDEN if self.secret and value else value


def size_of(number: float) -> str:
    power = min(5, int(math.log2(number)) // 10)
    return f"{number / 1024**power:.4g} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB')[power]}"


def is_address(text: str) -> bool:
    return not text or re.fullmatch(r"https?://[^\s/?#]+\S*", text) is not None
