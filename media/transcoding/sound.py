"""The sound of a film: every track as AAC stereo, the default one first, with language and name.

    graphs.write(target, *sound.encoded(film, tracks), options=sound.arguments(tracks))
    graphs.write(target, *sound.packets(film, tracks), options=sound.copied(tracks))

The second takes the packets as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from media.tools import graphs

TRACKS: Final = 8
"""Of a film; more are left out, the last ones first."""
FILM_RATE: Final = "128k"
MUSIC_RATE: Final = "192k"
SAMPLE_RATE: Final = 48_000
IN_TIME: Final = "aresample=async=1:min_hard_comp=0.03"
"""Silence where the sound has a hole, so that it never runs ahead of the picture. One that begins late does so in the
proxy: filled up from zero it would be filled again wherever the chain begins anew, as between stereo and 5.1."""


def tracks_of(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that are kept, the default one first."""
    tracks = [track for track in facts.get("audio") or () if track.get("channels")]
    chosen = next((track for track in tracks if track.get("default")), None)
    rest = [track for track in tracks if track is not chosen]
    return ([chosen] if chosen else []) + rest[: TRACKS - bool(chosen)]


def packets(opened: graphs.Input, tracks: Sequence[Mapping[str, Any]]) -> list[graphs.Track]:
    """The streams of an input that become the sound, as they are."""
    return [opened.track(track["index"]) for track in tracks]


def encoded(
    opened: graphs.Input, tracks: Sequence[Mapping[str, Any]], *, first: str = ""
) -> list[graphs.Track]:
    """The same, in time. `first` are links of the chain before ours, with their comma."""
    return [track.chain(f"{first}{IN_TIME}") for track in packets(opened, tracks)]


def arguments(tracks: Sequence[Mapping[str, Any]], *, rate: str = FILM_RATE) -> tuple[str, ...]:
    """AAC stereo for each, and what it is called."""
    if not tracks:
        return ("-an",)
    encoder = ("-c:a", "aac", "-b:a", rate, "-ac", "2", "-ar", str(SAMPLE_RATE))
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
