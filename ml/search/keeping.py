"""Which of several copies is the best to keep, and why. Pure: a suggestion, nothing is deleted by it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from media.belonging import RAW_TYPES

CLOSE: Final = 0.02
"""Share by which two numbers of pixels may differ and still count as the same: editors crop a line."""
LOSSLESS: Final = frozenset({"image/png", "image/tiff", "image/heic", "image/heif", "image/avif"})
"""With what keeps more than JPEG at the same size."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A live file, as far as it matters here."""

    file_id: UUID
    mime: str
    pixels: int
    size: int
    facts: int
    """How much it says of itself: when, where, with what, rated, described."""
    added_at: datetime


def format_rank(mime: str) -> int:
    if mime in RAW_TYPES:
        return 2
    return 1 if mime in LOSSLESS else 0


CRITERIA: Final[tuple[tuple[str, Callable[[Copy], Any]], ...]] = (
    ("resolution", lambda copy: copy.pixels),
    ("metadata", lambda copy: copy.facts),
    ("format", lambda copy: format_rank(copy.mime)),
    ("size", lambda copy: copy.size),
    ("age", lambda copy: -copy.added_at.timestamp()),
)
"""In the order in which they decide; the greater value wins."""


def suggest(copies: Sequence[Copy]) -> tuple[UUID, str]:
    """The file to keep, and the criterion that decided: the one that left it alone, else age."""
    left = list(copies)
    for name, value in CRITERIA:
        best = max(value(copy) for copy in left)
        least = best * (1 - CLOSE) if name == "resolution" else best
        left = [copy for copy in left if value(copy) >= least]
        if len(left) == 1:
            return left[0].file_id, name
    return min(copy.file_id for copy in left), CRITERIA[-1][0]
