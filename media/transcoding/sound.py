"""Arguments of the sound's encoder: every track as AAC stereo, the default one first, with language and name."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

TRACKS: Final = 8
"""Of a film; more are left out, the last ones first."""
FILM_RATE: Final = "128k"
MUSIC_RATE: Final = "192k"
SAMPLE_RATE: Final = 48_000
IN_TIME: Final = "aresample=async=1:min_hard_comp=0.03:first_pts=0"
"""Silence where the sound begins late or has a hole, so that it never runs ahead of the picture."""


def tracks_of(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that are kept, the default one first."""
    tracks = [track for track in facts.get("audio") or () if track.get("channels")]
    chosen = next((track for track in tracks if track.get("default")), None)
    rest = [track for track in tracks if track is not chosen]
    return ([chosen] if chosen else []) + rest[: TRACKS - bool(chosen)]


def maps(tracks: Sequence[Mapping[str, Any]], *, source: int = 0) -> tuple[str, ...]:
    """Which streams of an input, the first one as a rule, become the sound."""
    return tuple(word for track in tracks for word in ("-map", f"{source}:{track['index']}"))


def arguments(
    tracks: Sequence[Mapping[str, Any]], *, rate: str = FILM_RATE, first: str = ""
) -> tuple[str, ...]:
    """AAC stereo for each, and what it is called. `first` are links of the chain before ours, with their comma."""
    if not tracks:
        return ("-an",)
    chain = f"{first}{IN_TIME}"
    encoder = ("-c:a", "aac", "-b:a", rate, "-ac", "2", "-ar", str(SAMPLE_RATE), "-filter:a", chain)
    return (*encoder, *names(tracks))


def copied(tracks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The packets as they are."""
    return ("-c:a", "copy", *names(tracks)) if tracks else ("-an",)


def names(tracks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Language, title and disposition. The first track is the default one, and the only one."""
    words: list[str] = []
    for number, track in enumerate(tracks):
        for tag in ("language", "title"):
            if track.get(tag):
                words += [f"-metadata:s:a:{number}", f"{tag}={track[tag]}"]
        words += [f"-disposition:a:{number}", "0" if number else "default"]
    return tuple(words)
