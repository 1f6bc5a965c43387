"""What a program may read as its input: a file on this machine, or our own loopback server for one in a bucket."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Loopback:
    """A source that `media.tools.ranges` serves by range on 127.0.0.1 for as long as one run lasts."""

    url: str = field(repr=False)
    """Carries the key that lets only this run in."""
    size: int


Source: TypeAlias = Path | Loopback
