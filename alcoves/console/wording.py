"""How long and how much, in words, for the console's own pages."""

from django.template.defaultfilters import filesizeformat

STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


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
