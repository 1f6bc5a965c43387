"""The one table of queues: name, weight, lane, time limit, de-duplication window. A leaf.

Weights are importance divided by cost: how much somebody waits for the result, over how long the job
takes. Names and weights are those of the reference. Lanes keep slots apart, because weights alone
starve quick work once every slot is busy with slow work.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Lane: TypeAlias = Literal["interactive", "standard", "heavy", "maintenance"]
LANES: Final[tuple[Lane, ...]] = ("interactive", "standard", "heavy", "maintenance")


@dataclass(frozen=True, slots=True)
class Queue:
    """One named queue. Times in seconds; `dedup` 0 means the database claim alone guards against twins."""

    name: str
    weight: int
    lane: Lane
    time_limit: int
    dedup: int
    carries: str


TWO_MINUTES = 120
TWO_HOURS = 7200

QUEUES: Final[tuple[Queue, ...]] = (
    Queue(
        *("imageproxy", 100, "interactive", 60, TWO_MINUTES),
        "image transforms somebody is waiting for, texts somebody searches for",
    ),
    Queue("metadata", 70, "interactive", 300, 0, "EXIF and ffprobe"),
    Queue(
        "thumbnail", 65, "interactive", 600, 0, "posters, previews, still and moving, films in motion photos"
    ),
    Queue("hash", 60, "interactive", 86400, 0, "SHA-256 of bytes no single process has seen"),
    Queue("default", 50, "interactive", 300, 0, "nothing new; drains what an older build left"),
    Queue("moment-export", 45, "standard", TWO_HOURS, 0, "clips a person asked for"),
    Queue("waveform", 40, "standard", TWO_HOURS, 0, "audio peaks, loudness, sprites, subtitles inside films"),
    Queue("object-detection", 30, "standard", TWO_HOURS, TWO_HOURS, "objects in pictures and frames"),
    Queue("face-detection", 30, "standard", TWO_HOURS, TWO_HOURS, "faces and people"),
    Queue(
        *("audio-detection", 25, "standard", TWO_HOURS, TWO_HOURS),
        "sounds; pictures made ahead, where upkeep is apart",
    ),
    Queue(
        "video-transcode", 10, "heavy", 86400, 0, "playable proxies of videos, and the chunks of long ones"
    ),
    Queue("transcription", 5, "heavy", 86400, TWO_HOURS, "speech to text, the longest of all"),
    Queue("maintenance", 1, "maintenance", 3600, 0, "upkeep, when nothing else waits"),
)

BY_NAME: Final[dict[str, Queue]] = {queue.name: queue for queue in QUEUES}
DRAIN_ONLY: Final = frozenset({"default"})
"""Queues to which nothing new may be routed."""


def in_lanes(lanes: set[Lane], *, apart: bool = False) -> tuple[Queue, ...]:
    """Queues a worker of these lanes consumes. Maintenance goes with any of them: it takes idle slots.

    `apart`: it goes with none, and workers of its own lane alone do it.
    """
    return tuple(
        queue for queue in QUEUES if queue.lane in lanes or (queue.lane == "maintenance" and not apart)
    )
