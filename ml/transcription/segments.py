"""Pure: what was heard in a track, in segments with their words. Times are seconds from the beginning of the file."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from media.transcoding.captions import CONTROL


class Word(NamedTuple):
    """`probability` is the mean of its tokens, 0 to 1. `text` is as the model spelled it, blanks around it stripped."""

    start: float
    end: float
    text: str
    probability: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech, as a rule a sentence or a part of one. No words: nobody knows when each was said."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def confidence(self) -> float | None:
        """Mean probability of its words."""
        if not self.words:
            return None
        return sum(word.probability for word in self.words) / len(self.words)

    @property
    def log_probability(self) -> float | None:
        """Mean of the natural logarithms: 0 is certain, -1 a guess among three."""
        if not self.words:
            return None
        return sum(math.log(max(word.probability, 1e-6)) for word in self.words) / len(self.words)

    def shifted(self, seconds: float) -> "Segment":
        """The same, so much later."""
        return replace(
            self,
            start=self.start + seconds,
            end=self.end + seconds,
            words=tuple(
                word._replace(start=word.start + seconds, end=word.end + seconds) for word in self.words
            ),
        )

    def part(self, first: int, last: int) -> "Segment | None":
        """Its words from `first` up to `last`, with the text between them; None where no word is left."""
        words = self.words[first:last]
        if not words:
            return None
        if len(words) == len(self.words):
            return self
        spots = spots_of(self.text, [word.text for word in self.words])
        end = spots[last] if last < len(self.words) else len(self.text)
        return replace(
            self,
            start=self.start if first == 0 else words[0].start,
            end=self.end if last >= len(self.words) else words[-1].end,
            text=self.text[spots[first] : end].strip(),
            words=words,
        )


def spots_of(text: str, words: Sequence[str]) -> list[int]:
    """Where in the text each word begins. What is not spelled there is taken to begin where the one before ended."""
    spots, position = [], 0
    for word in words:
        found = text.find(word, position)
        begin = position if found < 0 else found
        spots.append(begin)
        position = begin + (len(word) if found >= 0 else 0)
    if spots:
        spots[0] = 0
    return spots


def cleaned(text: str) -> str:
    """On one line, without control characters."""
    return " ".join(CONTROL.sub(" ", text).split())


def heard(start: float, end: float, text: str, words: Iterable[Sequence[Any]]) -> Segment | None:
    """A segment as a model tells it; None where there is no text. Times are put in order, empty words left out."""
    spelled = cleaned(text)
    if not spelled:
        return None
    start = max(0.0, float(start))
    end = max(start, float(end))
    said, at = [], start
    for word in words:
        if label := cleaned(str(word[2])):
            begin = min(max(at, float(word[0])), end)
            at = min(max(begin, float(word[1])), end)
            said.append(Word(begin, at, label, min(1.0, max(0.0, float(word[3])))))
    return Segment(start, end, spelled, tuple(said))


def joins_without_blank(left: str, right: str) -> bool:
    """Whether two texts stand side by side without a blank: where one of both is of a script that has none."""
    return is_unspaced(left[-1:]) or is_unspaced(right[:1])


@lru_cache(maxsize=8192)
def is_unspaced(letter: str) -> bool:
    """Chinese, Japanese, Thai, Lao, Khmer and Burmese write no blanks between words; Korean does."""
    return any(low <= letter <= high for low, high in UNSPACED)


UNSPACED = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u2e80", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\uff00", "\uffef"),
    ("\U00020000", "\U0003ffff"),
)


def join_texts(texts: Iterable[str]) -> str:
    """One text out of several."""
    whole = ""
    for text in texts:
        gap = "" if not whole or not text or joins_without_blank(whole, text) else " "
        whole += gap + text
    return whole


def as_json(segment: Segment) -> dict[str, Any]:
    """For files and columns: thousandths of a second and of a probability are enough."""
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "words": [
            [round(word.start, 3), round(word.end, 3), word.text, round(word.probability, 3)]
            for word in segment.words
        ],
    }


def from_json(told: Any) -> Segment:
    """What `as_json` wrote."""
    return Segment(
        float(told["start"]),
        float(told["end"]),
        str(told["text"]),
        tuple(Word(float(one[0]), float(one[1]), str(one[2]), float(one[3])) for one in told["words"]),
    )
