"""Numbers in sentences that people read: "1 file is", "1,200 files are", "2 h 5 min"."""

from typing import Final

from django.template.defaultfilters import filesizeformat

OTHERS: Final = {"library": "libraries", "person": "people"}
"""What does not take an s."""
STEPS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
"""Seconds, and what so many are called; the longest first."""


def plural(noun: str) -> str:
    return OTHERS.get(noun, f"{noun}s")


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def are(number: int) -> str:
    return "is" if number == 1 else "are"


def were(number: int) -> str:
    return "was" if number == 1 else "were"


def spoken(seconds: float | None) -> str:
    """Like `2 h 5 min`: the two largest steps."""
    if seconds is None:
        return "-"
    left = max(0, round(seconds))
    said: list[tuple[int, str]] = []
    for size, unit in STEPS:
        count, left = divmod(left, size)
        if count or said:
            said.append((count, unit))
    words = [f"{count} {unit}" for count, unit in said[:2] if count]
    return " ".join(words) or "0 s"


def sized(count: int) -> str:
    return str(filesizeformat(count)) if count else "-"
