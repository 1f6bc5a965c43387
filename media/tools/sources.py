"""What a program may read as its input: a file on this machine, or our own loopback server for one in a bucket."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Loopback:
    """A source that `media.tools.ranges` serves by range on 127.0.0.1 for as long as one run lasts."""

    url: str = field(repr=False)
    """Carries the key that lets only this run in."""
    size: int
    read: Callable[[int, int], bytes] = field(repr=False, compare=False)
    """Bytes from a start, so many at most: for code of ours that looks into a header itself."""


Source: TypeAlias = Path | Loopback


def size_of(source: Source) -> int:
    return source.size if isinstance(source, Loopback) else source.stat().st_size


def head_of(source: Source, length: int) -> bytes:
    """The first bytes."""
    if isinstance(source, Loopback):
        return source.read(0, length)
    with source.open("rb") as reader:
        return reader.read(length)
