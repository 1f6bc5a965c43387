"""Makes WebVTT harmless: times, plain words and a few tags without attributes; nothing that could style or run.

Players that draw cues by themselves put the text into their page, so a subtitle track is input of strangers.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

TEXT: Final = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
"""Codecs that are words. All others are pictures of words, or teletext."""
TIMES: Final = re.compile(
    r"\s*((?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3})\s+-->\s+((?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3})"
)
TAG: Final = re.compile(r"<(/?)(b|i|u|ruby|rt)>", re.IGNORECASE)
ANY_TAG: Final = re.compile(r"<[a-zA-Z/!?][^<>]*>")
ENTITY: Final = re.compile(r"&(?!(?:amp|lt|gt|nbsp|lrm|rlm);)")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
LONGEST_LINE: Final = 4000


def decoded(line: bytes) -> str:
    """UTF-8 as it must be, else the code page of most files that are older than that rule."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def clean(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a WebVTT file with cues alone: no styles, regions, notes, names or places of cues."""
    yield "WEBVTT"
    inside = False
    for line in lines:
        if found := TIMES.match(line):
            yield from ("", f"{found[1]} --> {found[2]}")
            inside = True
        elif not line.strip():
            inside = False
        elif inside and (text := words(line)):
            yield text


def words(line: str) -> str:
    """One line of a cue. Tags that are not known are dropped, what is left of them is shown as text."""
    line = CONTROL.sub("", line[:LONGEST_LINE]).strip()
    pieces = []
    rest = 0
    for tag in TAG.finditer(line):
        pieces += [escaped(line[rest : tag.start()]), f"<{tag[1]}{tag[2].lower()}>"]
        rest = tag.end()
    return "".join([*pieces, escaped(line[rest:])])


def escaped(text: str) -> str:
    plain = ENTITY.sub("&amp;", ANY_TAG.sub("", text))
    return plain.replace("<", "&lt;").replace(">", "&gt;")
