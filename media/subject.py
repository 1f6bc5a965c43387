"""What is known of an Original without opening it. A leaf: planning and derivers speak of it, models make it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["image", "video", "audio", "other"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of an Original without opening it. Pure: planning needs no database."""

    kind: Kind
    mime: str
    """Sniffed from the bytes, never the declared one."""
    size: int
    probe: Mapping[str, Any] | None = None
    """`media.probing` result once the metadata is ready, else None."""
    switches: frozenset[str] = frozenset()
    """Library switches that are on: faces, objects, audio_events, transcripts, sharing."""
    hashed: bool = True
    """False while the SHA-256 of the original is still unknown."""
