"""Pure: from what a person typed to what has to hold of a file. Any text is a question; nothing is an error here.

    beach "New Year" -dog june 2024 cat OR kitten like:0198...

A file is found when it meets every need. A need is met by any of its terms, in whatever part of the file it is found:
`anna beach` finds a picture of Anna in a folder Beach. Quotes keep words together, a minus shuts out, OR (in capitals)
gives a choice. A date is found by when a picture was taken, or where it is written out.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from ml.search import dates
from ml.search.dates import When
from ml.search.plain import SEPARATORS, UNSPACED, plain
from ml.search.words import SMALL, forms_of

SHORTEST: Final = 2
"""Characters that make a question."""
MOST_TERMS: Final = 16
SHORTEST_NEAR: Final = 4
"""Shorter words have too few trigrams to tell a slip of the finger from another word."""

TOKEN: Final = re.compile(r'(?P<minus>-?)"(?P<quoted>[^"]*)"|(?P<word>[^\s"]+)')
LIKE: Final = re.compile(r"like:(?P<key>[0-9a-fA-F-]{32,36})")
AROUND: Final = "\"'`()[]{}<>|&!?*,;:+~^\\"
"""Signs that stand around words and mean nothing here; `%` and `_` may be part of a name."""
SIGNS: Final = frozenset(AROUND + "-./=")
SHORTEST_PART: Final = 3
"""Letters that a word needs to be looked for inside of others: trigrams know shorter ones as beginnings."""


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand together, or a date with the words in which it was told."""

    words: str
    when: When | None = None

    @property
    def plain(self) -> str:
        """As the database compares it."""
        return plain(self.words)

    @property
    def is_short(self) -> bool:
        """Found at the beginning of words alone."""
        runs = re.findall(r"\w+", self.plain)
        return bool(runs) and all(len(run) < SHORTEST_PART for run in runs)

    @property
    def is_sign(self) -> bool:
        """Without a letter or a digit, as an emoji is: no index knows it."""
        return not re.search(r"\w", self.plain)

    @property
    def labels(self) -> list[str]:
        """For LIKE on labels, which are spread the same way: the words in singular and plural."""
        return [f"% {escaped(form)} %" for form in forms_of(SEPARATORS.sub(" ", self.words))]

    @property
    def near(self) -> str | None:
        """What may be a slip of the finger."""
        return self.words if self.when is None and len(self.words) >= SHORTEST_NEAR else None


@dataclass(frozen=True, slots=True)
class Need:
    terms: tuple[Term, ...]
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """`text` is what a person means, without what is unwanted: for models that read whole sentences."""

    needs: tuple[Need, ...] = ()
    like: UUID | None = None
    text: str = ""

    @property
    def wanted(self) -> list[Need]:
        return [need for need in self.needs if not need.unwanted]

    @property
    def is_empty(self) -> bool:
        """Nothing to look for: too short, only signs, or only what is unwanted."""
        words = "".join(term.words for need in self.wanted for term in need.terms)
        return self.like is None and len(words) < SHORTEST and not UNSPACED.search(words)

    @property
    def terms(self) -> int:
        return sum(len(need.terms) for need in self.needs)


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or a quotation as it was typed."""

    words: str
    quoted: bool = False
    unwanted: bool = False


def parse(text: str, today: date | None = None) -> Question:
    """`today` tells what yesterday is."""
    like, pieces = None, []
    for piece in pieces_of(unicodedata.normalize("NFC", text)):
        if (matched := LIKE.fullmatch(piece.words)) and (key := key_of(matched["key"])) is not None:
            like = key
        else:
            pieces.append(piece)
    needs = tuple(needs_of(without_small(pieces, today), today))
    spoken = " ".join(piece.words for piece in pieces if not piece.unwanted and piece.words != "OR")
    return Question(needs, like, spoken)


def pieces_of(text: str) -> Iterator[Piece]:
    """Each without the signs around it. A quotation mark without its other half is one of them."""
    for token in TOKEN.finditer(text):
        if token["quoted"] is not None:
            piece = Piece(" ".join(token["quoted"].split()), quoted=True, unwanted=bool(token["minus"]))
        else:
            unwanted = token["word"].startswith("-")
            piece = Piece(token["word"].strip(f"{AROUND}-"), unwanted=unwanted)
        if not SIGNS.issuperset(plain(piece.words).replace(" ", "")):
            yield piece


def key_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def without_small(pieces: list[Piece], today: date | None) -> list[Piece]:
    """Words that say nothing are passed over, unless nothing else was said. Those inside of dates stay."""
    kept: list[Piece] = []
    place = 0
    while place < len(pieces):
        found = dates.find(plain_words(pieces[place:]), today)
        count = found[1] if found is not None else 1
        one = pieces[place]
        if count > 1 or one.quoted or one.unwanted or one.words == "OR" or not is_small(one.words):
            kept += pieces[place : place + count]
        place += count
    return kept if any(not piece.unwanted and piece.words != "OR" for piece in kept) else pieces


def is_small(word: str) -> bool:
    return word.casefold() in SMALL or (len(word) == 1 and word.isascii())


def plain_words(pieces: list[Piece]) -> list[str]:
    """Those of a date: up to the first quotation or minus."""
    words: list[str] = []
    for piece in pieces[: dates.LONGEST]:
        if piece.quoted or (piece.unwanted and words):
            break
        words.append(piece.words)
        if piece.unwanted:
            break
    return words


def needs_of(pieces: list[Piece], today: date | None) -> Iterator[Need]:
    """OR between two of them makes one need of both; at the beginning or the end it is passed over."""
    terms: list[Term] = []
    unwanted = joined = False
    place = 0
    while place < len(pieces):
        piece = pieces[place]
        if piece.words == "OR" and not piece.quoted:
            joined, place = bool(terms), place + 1
            continue
        term, count = term_at(pieces[place:], today)
        if terms and not (joined and piece.unwanted == unwanted):
            yield Need(tuple(terms), unwanted)
            terms = []
        terms, unwanted, joined = [*terms, term], piece.unwanted, False
        place += count
    if terms:
        yield Need(tuple(terms), unwanted)


def term_at(pieces: list[Piece], today: date | None) -> tuple[Term, int]:
    """The term that begins here, and how many pieces it takes."""
    found = dates.find(plain_words(pieces), today)
    if found is None:
        return Term(pieces[0].words), 1
    when, count = found
    return Term(" ".join(piece.words for piece in pieces[:count]), when), count


def escaped(word: str) -> str:
    """As it stands, for LIKE: per cent signs and underlines are no wildcards."""
    return re.sub(r"([\\%_])", r"\\\1", word)
