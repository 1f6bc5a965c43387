"""What the registry says of a model. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Pipeline: TypeAlias = Literal["faces", "objects", "sounds", "speech", "search"]
PIPELINES: Final[tuple[Pipeline, ...]] = ("faces", "objects", "sounds", "speech", "search")

MEGABYTE: Final = 1_000_000
SMALLEST: Final = MEGABYTE
"""Bytes under which a download is no model."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    `role` is what the pipeline knows it by ('detector', 'recogniser', 'model', 'labels', 'visual', 'textual',
    'vocabulary', 'vad'), `name` what it is called on this machine, `path` where it lies under the pipeline's mirror.
    """

    role: str
    name: str
    path: str
    size: int | None = None
    """Bytes, where they are known exactly; else only `minimum_size` is checked."""
    sha256: str | None = None
    """Where it is known. Else the digest of the first good download is kept, and later ones have to have it too."""
    minimum_size: int = SMALLEST
    origin: str = ""
    """The address where it is published; asked where the operator has named no mirror."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model. `id` is unique in its pipeline and never changes: rows name it as what made them."""

    id: str
    pipeline: Pipeline
    title: str
    files: tuple[ModelFile, ...]
    licence: str
    """Id in `ml.registry.licences`."""
    contract: str
    """How it is fed and read: 'scrfd+arcface', 'yolo26', 'audioset', 'whisper', 'clip', 'siglip'."""
    accuracy: str = ""
    """For people: '0.471 mAP on AudioSet', '2.7 % WER (clean)'."""
    speed: str = ""
    """For people, as it was measured elsewhere: '50 times real time'."""
    disk_bytes: int = 0
    memory_bytes: int | None = None
    """At its peak, beside the programs themselves. None: nobody has told, and it is not guessed."""
    available: bool = True
    """Whether its files lie on the mirror. What is not may be looked at, and not chosen."""
    default: bool = False
    """Exactly one of each pipeline."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the contract: input side, sample rate, length of the embedding, languages ..."""
    note: str = ""

    def file(self, role: str) -> ModelFile:
        """KeyError where it has none of this role."""
        for one in self.files:
            if one.role == role:
                return one
        raise KeyError(role)
