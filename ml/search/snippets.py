"""Pure: what of a text is shown of a hit, and which parts of it are the hit. Text and ranges, never markup.

Ranges are [start, end) in characters (code points) of the text that is shown.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final

from ml.search.plain import UNSPACED, plain, spelling
from ml.search.query import Term
from ml.search.words import forms_of

LONGEST: Final = 200
"""Characters that are shown of a long text, around the first that was found."""
BEFORE: Final = 60
MORE: Final = "…"
ALIKE: Final = 0.55
"""Share of two words that has to be the same for one to be shown as a slip of the finger for the other."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Snippet:
    text: str
    ranges: tuple[Range, ...] = field(default=())


def found_in(text: str, terms: Iterable[Term]) -> Snippet:
    """Where these words stand in a text, in any case, with accents or without; where none does, the word that is most
    like one of them."""
    spelled = spelling(text)
    terms = list(terms)
    ranges = [place for term in terms for place in places(spelled.text, patterns_of(term))]
    return shortened(text, joined(spelled.span(*place) for place in ranges or nearest(spelled.text, terms)))


def patterns_of(term: Term) -> Iterator[str]:
    """As it was typed, with any signs between its words; else as a label, in singular or plural."""
    begin = r"(?<!\w)" if term.is_short and not UNSPACED.search(term.plain) else ""
    for words in (term.words, *forms_of(term.words)):
        letters = spelling(words).text.split()
        yield begin + r"\s+".join(re.escape(word) for word in letters) if letters else ""


def places(spelled: str, patterns: Iterable[str]) -> list[Range]:
    """Of the first of these that is there at all."""
    for pattern in patterns:
        found = [match.span() for match in re.finditer(pattern, spelled)] if pattern else []
        if found:
            return found
    return []


def nearest(spelled: str, terms: Sequence[Term]) -> list[Range]:
    """One word for each term that may be a slip of the finger."""
    words = [match.span() for match in re.finditer(r"\w+", spelled)][:LONGEST]
    found = []
    for wanted in (plain(term.near) for term in terms if term.near):
        likeness = {span: SequenceMatcher(None, wanted, spelled[slice(*span)]).ratio() for span in words}
        best = max(likeness, key=lambda span: likeness[span], default=None)
        if best is not None and likeness[best] >= ALIKE:
            found.append(best)
    return found


def marked(text: str, marks: tuple[str, str]) -> Snippet:
    """A text in which the database has put marks around what was found."""
    plain, ranges, start = "", [], 0
    for part in re.split(f"([{''.join(marks)}])", text):
        if part == marks[0]:
            start = len(plain)
        elif part == marks[1]:
            ranges.append((start, len(plain)))
        else:
            plain += part
    return shortened(plain, joined(ranges))


def merged(snippets: Sequence[Snippet]) -> Snippet:
    """One text that was found for several reasons."""
    same = [snippet for snippet in snippets if snippet.text == snippets[0].text]
    return Snippet(snippets[0].text, joined(place for snippet in same for place in snippet.ranges))


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """In order; those that touch become one."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return tuple(found)


def shortened(text: str, ranges: tuple[Range, ...]) -> Snippet:
    """The line, or the part of it, around what was found first; dots for what is left out."""
    begin, end = line_around(text, ranges[0][0] if ranges else 0)
    if end - begin > LONGEST:
        at = ranges[0][0] if ranges else begin
        begin = max(begin, min(at - BEFORE, end - LONGEST))
        cut_end = min(end, begin + LONGEST)
    else:
        cut_end = end
    line_begin, line_end = line_around(text, begin)
    before = MORE if begin > line_begin else ""
    after = MORE if cut_end < line_end else ""
    shift = len(before) - begin
    kept = tuple(
        (max(start, begin) + shift, min(stop, cut_end) + shift)
        for start, stop in ranges
        if start < cut_end and stop > begin
    )
    return Snippet(f"{before}{text[begin:cut_end]}{after}", kept)


def line_around(text: str, place: int) -> Range:
    begin = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    return begin, len(text) if end < 0 else end
