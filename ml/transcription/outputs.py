"""The files of a transcript, and what its row tells of it; the same whether a model or a person has written it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from media.derivers.base import Output
from media.playback import CAPTIONS, SPOKEN
from ml.transcription import captions
from ml.transcription.segments import Segment, as_json

DERIVER: Final = SPOKEN
TRACK: Final = "track-"
"""How the variant of another track than the default one begins; its index follows."""
SUBRIP: Final = "transcript.srt"
PLAIN: Final = "transcript.txt"
WHOLE: Final = "transcript.json"
TYPES: Final = {
    CAPTIONS: "text/vtt; charset=utf-8",
    SUBRIP: "application/x-subrip; charset=utf-8",
    PLAIN: "text/plain; charset=utf-8",
    WHOLE: "application/json",
}
"""By the name of the output."""


def variant_of(track: int, default: int | None) -> str:
    """Of the row that a model writes for this track."""
    return "" if track == default else f"{TRACK}{track}"


def facts_of(track: Mapping[str, Any], found: Sequence[Segment], language: str) -> dict[str, Any]:
    """What a player's menu and lists say of a transcript."""
    return {
        "track": track["index"],
        "title": track.get("title"),
        "language": language,
        "segments": len(found),
        "words": sum(len(segment.words) or len(segment.text.split()) for segment in found),
    }


def written(folder: Path, found: Sequence[Segment], language: str) -> tuple[Output, ...]:
    """All forms of it, in this folder."""
    whole = {"language": language, "segments": [as_json(segment) for segment in found]}
    shown = captions.cues(found)
    texts = {
        CAPTIONS: captions.webvtt(shown),
        SUBRIP: captions.subrip(shown),
        PLAIN: captions.plain(found),
        WHOLE: json.dumps(whole, ensure_ascii=False),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return tuple(Output(name, folder / name, TYPES[name]) for name in texts)
