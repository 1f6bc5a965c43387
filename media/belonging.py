"""Pure: which pictures and films are one thing to a person, and which of them stands for the rest.

A burst says so by an identifier, else by its names; the halves of a Live Photo share an identifier; a RAW file and its
JPEG share a place, a name and the moment. `media.stacks` asks here and writes down the answer.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

RAW_TYPES: Final = frozenset(
    f"image/x-{name}"
    for name in (
        *("adobe-dng", "canon-cr2", "canon-cr3", "nikon-nef", "sony-arw", "olympus-orf", "panasonic-rw2"),
        *("fuji-raf", "pentax-pef", "samsung-srw", "hasselblad-3fr", "sigma-x3f"),
    )
)
COMPANIONS: Final = frozenset({"image/jpeg", "image/heic", "image/heif"})
"""What a camera writes beside its RAW. A PNG or a PSD of the same name is somebody's work, not the camera's."""

RAW_SUFFIXES: Final = (
    *("dng", "cr2", "cr3", "nef", "nrw", "arw", "sr2", "srf", "orf", "ori", "rw2", "raw", "rwl"),
    *("raf", "pef", "srw", "3fr", "fff", "x3f"),
)
COMPANION_SUFFIXES: Final = ("jpg", "jpeg", "jpe", "heic", "heif", "hif")

# 00001IMG_00001_BURST20180424184823123_COVER.jpg, DSC_0002_BURST20180424184823123.JPG: a long number names the burst.
# IMG_20180424_184823_BURST001_COVER.jpg: a short one counts its frames, and what comes before names the burst.
LONG_BURST: Final = re.compile(r"_burst(?P<run>\d{8,20})(?!\d)", re.IGNORECASE)
COUNTED_BURST: Final = re.compile(r"^(?P<run>.*\d{6}.*)_burst\d{1,4}(?!\d)", re.IGNORECASE)
COVER: Final = re.compile(r"_cover(?![a-z])", re.IGNORECASE)


def stem_of(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return (stem if dot else name).lower()


@dataclass(frozen=True, slots=True)
class Member:
    """A live file, as far as it matters here. `stack` is where it lies now."""

    id: UUID
    original: UUID
    folder: UUID | None
    name: str
    kind: str
    mime: str
    stack: UUID | None = None
    content_id: str = ""
    burst_id: str = ""
    captured_at: datetime | None = None
    captured_offset: int | None = None
    """Minutes east of UTC; None where `captured_at` is the camera's wall clock as if in UTC."""
    make: str = ""
    model: str = ""

    @property
    def stem(self) -> str:
        return stem_of(self.name)

    @property
    def is_raw(self) -> bool:
        return self.mime in RAW_TYPES

    @property
    def wall_clock(self) -> datetime | None:
        """To the second, as it stood on the camera: one of two readers may not have known the zone."""
        if self.captured_at is None:
            return None
        return self.captured_at.replace(microsecond=0) + timedelta(minutes=self.captured_offset or 0)


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """What the members of one stack share."""

    kind: str
    """One of `media.models.stack.StackKind`."""
    text: str


LONGEST: Final = 255
"""Letters of a mark. Some names grow when they are folded to small letters."""


def place_of(folder: UUID | None, stem: str) -> str:
    kept = stem if len(stem) <= LONGEST else hashlib.sha256(stem.encode()).hexdigest()
    return f"{folder or 'top'}/{kept}"


def mark_of(member: Member) -> Mark | None:
    """What the file alone says: its burst, or its Live Photo. None leaves the question of a pair."""
    if member.kind == "image" and member.burst_id:
        return Mark("burst", member.burst_id.lower())
    if member.kind in {"image", "video"} and member.content_id:
        return Mark("live_photo", member.content_id.lower())
    found = member.kind == "image" and (LONG_BURST.search(member.stem) or COUNTED_BURST.search(member.stem))
    return Mark("burst", place_of(member.folder, found["run"])) if found else None


def pair_mark(member: Member) -> Mark:
    return Mark("raw", place_of(member.folder, member.stem))


def is_pair(one: Member, other: Member) -> bool:
    """Whether one is the camera's RAW and the other its companion, of the same place, name, second and camera."""
    if one.is_raw == other.is_raw or pair_mark(one) != pair_mark(other):
        return False
    companion = other if one.is_raw else one
    if companion.mime not in COMPANIONS or mark_of(one) or mark_of(other):
        return False
    return agree(one.wall_clock, other.wall_clock) and same_camera(one, other)


def agree(one: object, other: object) -> bool:
    """The same, or not known of both."""
    return not one or not other or one == other


def same_camera(one: Member, other: Member) -> bool:
    if one.model and other.model:
        return one.model.strip().lower() == other.model.strip().lower()
    return agree(one.make.strip().lower(), other.make.strip().lower())


def fitting(mark: Mark, members: Collection[Member]) -> list[Member]:
    """Those that still belong: a file may have got another name, or facts that speak against it."""
    if mark.kind != "raw":
        return [member for member in members if mark_of(member) == mark]
    here = [member for member in members if pair_mark(member) == mark]
    return [one for one in here if any(is_pair(one, other) for other in here)]


def leader(kind: str, members: Sequence[Member]) -> Member | None:
    """The one that stands for all; None while they do not make a whole: half a Live Photo, one frame, copies of it."""
    pictures = [member for member in members if member.kind == "image"]
    if kind == "live_photo" and len(pictures) == len(members):
        return None
    if kind == "burst" and len({member.original for member in pictures}) < 2:
        return None
    return min(pictures, key=rank if kind == "burst" else likeness, default=None)


def rank(member: Member) -> tuple[bool, bool, float, str, UUID]:
    """Frames: the one named as the cover, else the earliest; the name decides where clocks do not."""
    taken = member.captured_at.timestamp() if member.captured_at else 0.0
    return (not COVER.search(member.stem), member.captured_at is None, taken, member.stem, member.id)


def likeness(member: Member) -> tuple[bool, bool, str, UUID]:
    """Of several pictures the one that every browser shows."""
    return (member.is_raw, member.mime != "image/jpeg", member.stem, member.id)
