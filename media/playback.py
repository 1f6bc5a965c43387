"""From which bytes a player may play a file: the original, and the proxy where one was made. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from media.models import Derivative, File
from media.models.derivative import GIVEN
from media.transcoding import browsers, codecs

ORIGINAL: Final = "original"
PROXY: Final = "proxy"
KINDS: Final = [(ORIGINAL, "Original"), (PROXY, "Proxy")]
PROXY_OUTPUTS: Final = ("proxy.mp4", "proxy.m4a")
PLAYED: Final = frozenset({"video", "audio"})
SPOKEN: Final = "transcript"
"""The deriver that writes down what is said. Nothing is known of it here but what its rows tell."""
CAPTIONS: Final = "transcript.vtt"
KEPT: Final = "kept"
"""In the facts of such a row: which other corrections of its track these are, kept beside those that stand."""


@dataclass(frozen=True, slots=True)
class PlaybackSource:
    """One choice of the player. `type` is what its `canPlayType` wants to know."""

    kind: str
    type: str
    mime: str
    width: int | None
    height: int | None
    duration: float | None
    size: int
    bit_rate: int | None
    video_codec: str | None
    audio_codec: str | None
    reason: str | None
    """A code of what stands against playing it in every browser; None where nothing does."""
    known: bool = True
    """False until its headers were read."""

    @property
    def playable(self) -> bool:
        return self.known and self.reason is None

    @property
    def label(self) -> str:
        """`Original, 1920 x 1080`; `Proxy`."""
        size = f", {self.width} x {self.height}" if self.width and self.height else ""
        return f"{self.kind.capitalize()}{size}"


def sources_of(file: File) -> list[PlaybackSource]:
    """The original first. Empty for what is no film and no recording. Needs the file as `find_file` loads it."""
    if file.original.kind not in PLAYED:
        return []
    row = find_row(file, PROXY)
    made = proxy_output(row)
    return [original_source(file), *([proxy_source(row.facts, made)] if row is not None and made else [])]


def default_of(sources: list[PlaybackSource]) -> str | None:
    """The original where browsers play it, else the proxy where there is one."""
    playable = [source for source in sources if source.playable]
    chosen = [*playable, *sources][:1]
    return chosen[0].kind if chosen else None


def find_row(file: File, deriver: str) -> Derivative | None:
    rows: list[Derivative] = list(file.original.derivatives.all())
    return next((row for row in rows if row.deriver == deriver and row.variant == ""), None)


def captions_of(file: File) -> list[Derivative]:
    """What is said in each track that somebody speaks in, by the index of the track; as people have corrected it.

    Corrections that were kept beside those of the track come after them.
    """
    rows: list[Derivative] = [row for row in file.original.derivatives.all() if row.deriver == SPOKEN]
    by_track = {
        (row.facts.get("track", 0), row.facts.get(KEPT, "")): row
        for row in sorted(rows, key=lambda row: row.variant.startswith(GIVEN))
        if row.output(CAPTIONS) is not None
    }
    return [row for _, row in sorted(by_track.items()) if row.facts.get("segments")]


def proxy_output(row: Derivative | None) -> dict[str, Any] | None:
    """What is served now: an older proxy stays while a newer one is made."""
    found = (row.output(name) for name in PROXY_OUTPUTS) if row is not None else ()
    return next((output for output in found if output is not None), None)


def original_source(file: File) -> PlaybackSource:
    original, facts = file.original, file.original.probe or {}
    return PlaybackSource(
        kind=ORIGINAL,
        type=codecs.type_of(original.mime, facts),
        mime=original.mime,
        width=original.width,
        height=original.height,
        duration=original.duration,
        size=original.size,
        bit_rate=facts.get("bit_rate"),
        video_codec=(facts.get("video") or {}).get("codec"),
        audio_codec=codecs.sound_codec(facts) or None,
        reason=browsers.playable(facts, original.mime) if facts else None,
        known=bool(facts),
    )


def proxy_source(facts: Mapping[str, Any], output: Mapping[str, Any]) -> PlaybackSource:
    return PlaybackSource(
        kind=PROXY,
        type=facts.get("type") or output["content_type"],
        mime=output["content_type"],
        width=facts.get("width"),
        height=facts.get("height"),
        duration=facts.get("duration"),
        size=output["size"],
        bit_rate=facts.get("bit_rate"),
        video_codec=facts.get("video_codec"),
        audio_codec=facts.get("audio_codec"),
        reason=None,
    )
