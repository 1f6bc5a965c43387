"""Pure: segments as a person changes them: texts and times, one made two, two made one, one more, one less."""

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from media.errors import RequestError
from ml.transcription.segments import Segment, cleaned, join_texts, spots_of

SLACK: Final = 1.0
"""Seconds that a cue may go on after the end that the header of the file tells."""
LONGEST_TEXT: Final = 5000
"""Letters of one segment: minutes of speech, and little enough that two beside each other can be searched as one."""
MOST_SEGMENTS: Final = 20_000
MOST_LETTERS: Final = 1_000_000
"""Of a whole transcript: twenty hours of speech. All files of it are made anew while the person waits."""


class DraftError(RequestError):
    """A change that cannot be made; the sentence says which and why."""

    code = "bad_change"


@dataclass(frozen=True, slots=True)
class Line:
    """A segment under its key; one that a change has made has none yet."""

    key: UUID | None
    segment: Segment


class Draft:
    """The segments of one transcript while changes are made, one after the other."""

    def __init__(self, lines: Iterable[Line], duration: float | None) -> None:
        self.lines = list(lines)
        self.duration = duration
        self.keys = {line.key: line.key for line in self.lines}
        # What a model wrote of days of speech can be corrected too; it does not grow.
        self.most_segments = max(MOST_SEGMENTS, len(self.lines))
        self.most_letters = max(MOST_LETTERS, self.letters)

    @property
    def letters(self) -> int:
        return sum(len(line.segment.text) for line in self.lines)

    def finished(self) -> list[Segment]:
        """What all changes together have made. DraftError where it is more than one transcript holds."""
        if len(self.lines) > self.most_segments:
            raise DraftError(
                f"A transcript has at most {self.most_segments} segments, and these changes make "
                f"{len(self.lines)}. Merge some, or remove what is not said."
            )
        if self.letters > self.most_letters:
            raise DraftError(
                f"A transcript has at most {self.most_letters} letters, and these changes make {self.letters}. "
                "Shorten it to what is said."
            )
        return [line.segment for line in self.lines]

    def apply(self, change: Mapping[str, Any]) -> None:
        """One change, as the API takes it: `op` and what belongs to it."""
        if change["op"] == "insert":
            self.insert(change["start"], change["end"], change["text"])
            return
        place = self.place_of(change["id"])
        if change["op"] == "change":
            self.change(place, change)
        elif change["op"] == "split":
            self.split(place, change["at"], change.get("second"))
        elif change["op"] == "merge":
            self.merge(place)
        else:
            del self.lines[place]

    def place_of(self, key: UUID) -> int:
        # Of thousands of lines the same object is found much sooner than an equal one.
        same = self.keys.get(key)
        for place, line in enumerate(self.lines):
            if same is not None and line.key is same:
                return place
        raise DraftError(
            f"There is no segment {key} here, or an earlier change has taken it away. Load the transcript again."
        )

    def change(self, place: int, change: Mapping[str, Any]) -> None:
        """Another text has no words with times any more; other times take the words with them."""
        line = self.lines[place]
        segment = line.segment
        text = cleaned(change.get("text", segment.text))
        if text != segment.text:
            segment = replace(segment, text=required(text), words=())
        start, end = change.get("start", segment.start), change.get("end", segment.end)
        if (start, end) == (segment.start, segment.end):
            self.lines[place] = replace(line, segment=segment)
            return
        segment = retimed(segment, *self.span(start, end))
        del self.lines[place]
        self.put(replace(line, segment=segment))

    def insert(self, start: float, end: float, text: str) -> None:
        segment = Segment(*self.span(start, end), required(cleaned(text)))
        self.put(Line(None, segment))

    def split(self, place: int, at: int, second: float | None) -> None:
        """Before the letter number `at`; at `second`, or where its words, else its letters, put it."""
        line = self.lines[place]
        left, right = halves(line.segment, at, second)
        self.lines[place : place + 1] = [replace(line, segment=left), Line(None, right)]

    def merge(self, place: int) -> None:
        """With the one after it."""
        if place + 1 >= len(self.lines):
            raise DraftError("This is the last segment: there is none after it to merge it with.")
        line, other = self.lines[place], self.lines[place + 1].segment
        mine = line.segment
        whole = Segment(
            mine.start,
            max(mine.end, other.end),
            required(join_texts([mine.text, other.text])),
            mine.words + other.words if mine.words and other.words else (),
        )
        self.lines[place : place + 2] = [replace(line, segment=whole)]

    def span(self, start: float, end: float) -> tuple[float, float]:
        """Checked."""
        if not 0 <= start < end:
            raise DraftError(f"A segment begins before it ends: {start} to {end} seconds is no span.")
        if self.duration is not None and end > self.duration + SLACK:
            raise DraftError(
                f"The file ends after {self.duration:.3f} seconds, so a segment cannot end at {end}."
            )
        return start, end

    def put(self, line: Line) -> None:
        """At its time; after those of the same."""
        insort(self.lines, line, key=lambda one: (one.segment.start, one.segment.end))


def required(text: str) -> str:
    """Checked."""
    if not text:
        raise DraftError("A segment needs a text. Remove it instead.")
    if len(text) > LONGEST_TEXT:
        raise DraftError(
            f"A segment has at most {LONGEST_TEXT} letters, and this one would have {len(text)}. "
            "Make several of it."
        )
    return text


def retimed(segment: Segment, start: float, end: float) -> Segment:
    """Its words are moved and stretched with it."""
    pace = (end - start) / segment.seconds if segment.seconds > 0 else 0.0
    words = tuple(
        word._replace(
            start=start + (word.start - segment.start) * pace, end=start + (word.end - segment.start) * pace
        )
        for word in segment.words
    )
    return replace(segment, start=start, end=end, words=words)


def halves(segment: Segment, at: int, second: float | None) -> tuple[Segment, Segment]:
    """Words are kept where the cut is between two of them."""
    left, right = segment.text[:at].strip(), segment.text[at:].strip()
    if not left or not right:
        raise DraftError("There is no text on one side of this place. Split it between two words.")
    count = words_before(segment, at)
    cut = second if second is not None else cut_of(segment, count, len(left) / (len(left) + len(right)))
    if not segment.start < cut < segment.end:
        raise DraftError(
            f"The cut must lie inside of the segment, between {segment.start} and {segment.end} seconds."
        )
    words = segment.words if count is not None else ()
    return (
        Segment(segment.start, cut, left, fitted(words[:count], segment.start, cut)),
        Segment(cut, segment.end, right, fitted(words[count or 0 :], cut, segment.end)),
    )


def words_before(segment: Segment, at: int) -> int | None:
    """How many words end before this letter; None where the cut goes through one, or none is known."""
    spots = spots_of(segment.text, [word.text for word in segment.words])
    count = sum(spot < at for spot in spots)
    begins = spots[count] if count < len(spots) else at
    if not 0 < count < len(spots) or segment.text[:at].rstrip() != segment.text[:begins].rstrip():
        return None
    return count


def cut_of(segment: Segment, count: int | None, share: float) -> float:
    """When the next word begins; where that says nothing, by the share of the letters."""
    if count is not None and segment.start < segment.words[count].start < segment.end:
        return segment.words[count].start
    return segment.start + segment.seconds * share


def fitted(words: Iterable[Any], start: float, end: float) -> tuple[Any, ...]:
    """Kept inside of the span."""
    return tuple(
        word._replace(start=min(max(word.start, start), end), end=min(max(word.end, start), end))
        for word in words
    )
