"""A file as a store gives it: from one byte on."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def reader_of(path: Path) -> Callable[..., BinaryIO]:
    """For `media.tools.ranges.RangeServer`."""

    def opened(start: int = 0, end: int | None = None) -> BinaryIO:
        reader = path.open("rb")
        reader.seek(start)
        return reader

    return opened
