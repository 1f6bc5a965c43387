"""What is known of an Original without opening it. A leaf: planning and derivers speak of it, models make it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

Kind: TypeAlias = Literal["image", "video", "audio", "other"]
DOCUMENTS: Final = frozenset({"application/pdf"})
"""Kind `other`, and still something to look at: the first page."""


def is_picture(kind: str, mime: str) -> bool:
    """Whether the bytes themselves can be shown as a picture: images, and documents by their first page."""
    return kind == "image" or mime in DOCUMENTS


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
    """Library switches that are on: faces, objects, audio_events, transcripts, semantic, sharing."""
    hashed: bool = True
    """False while the SHA-256 of the original is still unknown."""
    library: UUID | None = None
    """Whose members may have said more of it: which language is spoken."""

    @property
    def is_picture(self) -> bool:
        return is_picture(self.kind, self.mime)
