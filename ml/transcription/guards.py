"""Pure: what a whisper model invents is dropped: on silence and music, in loops, and where it only guessed.

Every rule looks at evidence (the sound under a segment, its probabilities, its own repetitions) and none at a list of
phrases: "Thank you for watching" may well have been said. A rule that drops gives its name, so that the facts of a
result can tell how often each was needed.

    silence         under it the sound is never louder than ffmpeg's `silencedetect` calls silence (-60 dB)
    compression     its text shrinks by more than 2.4 when it is packed (whisper, `compression_ratio_threshold`)
    probability     its words are guesses: their mean logarithm is under -1 (whisper, `logprob_threshold`;
                    screenpipe 4070)
    too_short       shorter than speech can be: Silero's `min_speech_duration_ms`, 250 ms, and words that last no time
    anomaly         words too short, too long and unlikely, with no speech near it (whisper,
                    `hallucination_silence_threshold`), where the model is not sure of them either: the times of
                    words of whisper.cpp are not as exact as those that rule was made for
    repeated        the third and later of segments with the same words in a row (faster-whisper 843), where they follow
                    each other within 30 s, last about as long and are about as certain: what somebody does say again
                    and again ("Next.") comes after a while, or is said another way

That the model doubts whether anything is said at all is no rule: the binding does not tell it, and whisper asks for
guesses besides, which `probability` drops anyway (`ml.runtime.whisper`).
Inside of a segment, words that are said three times and more in a row are written once (screenpipe 4070).
"""

import math
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias

from ml.transcription.segments import Segment, Word, join_texts

Loudest: TypeAlias = Callable[[float, float], float]
"""From a span to the loudest sample in it, 0 to 1."""

SILENT: Final = 10 ** (-60 / 20)
MOST_COMPRESSION: Final = 2.4
LOWEST_LOG_PROBABILITY: Final = -1.0
SURE: Final = math.log(0.7)
SHORTEST: Final = 0.25
IN_A_ROW: Final = 3
LOOP_GAP: Final = 30.0
"""Seconds between what a loop says. One window of whisper: a loop fills windows, and skips none."""
LOOP_LENGTHS: Final = 2.0
"""How many times as long as the shortest the longest of a loop lasts."""
LOOP_CERTAINTIES: Final = 0.25
"""How far apart the mean probabilities of the words of a loop are."""
LONGEST_PHRASE: Final = 12
"""Words. Loops of models are seldom longer, and a refrain is."""
LONELY: Final = 2.0
"""Seconds without other speech around what may be invented."""

FIRST_WORDS: Final = 8
UNLIKELY: Final = 0.15
BRIEF: Final = 0.133
LONG: Final = 2.0
ODD: Final = 3.0
"""The numbers of whisper's `word_anomaly_score` and `is_segment_anomaly`."""


@dataclass(slots=True)
class Kept:
    """What is left, and how often each rule took something away."""

    segments: list[Segment] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def keep(segments: Sequence[Segment], loudest: Loudest) -> Kept:
    """All rules, over the segments of one stretch of sound in their order."""
    kept = Kept()
    likely = []
    for segment in segments:
        if reason := objection(segment, loudest):
            kept.dropped[reason] += 1
        else:
            likely.append(segment)
    said: list[Segment] = []
    for number, segment in enumerate(likely):
        if is_lonely(likely, number) and is_anomaly(segment):
            kept.dropped["anomaly"] += 1
            continue
        if is_repeated(said, segment):
            kept.dropped["repeated"] += 1
        else:
            kept.segments.append(once(segment))
        said.append(segment)
    return kept


def objection(segment: Segment, loudest: Loudest) -> str:
    """The rule by which a segment is dropped, looked at by itself; none: empty."""
    certain = segment.log_probability
    if loudest(segment.start, segment.end) < SILENT:
        return "silence"
    if compression(segment.text) > MOST_COMPRESSION:
        return "compression"
    if certain is not None and certain < LOWEST_LOG_PROBABILITY:
        return "probability"
    if is_too_short(segment):
        return "too_short"
    return ""


def compression(text: str) -> float:
    """How often the packed text goes into the text, in bytes of UTF-8."""
    plain = text.encode()
    return len(plain) / len(zlib.compress(plain))


def is_too_short(segment: Segment) -> bool:
    """No time for speech at all. One short word ("No.") may be timed badly, a sentence is not said in no time."""
    return segment.seconds <= 0 or (segment.seconds < SHORTEST and len(segment.text.split()) > 1)


def is_lonely(segments: Sequence[Segment], number: int) -> bool:
    """Whether nothing else is said shortly before or after."""
    before = segments[number].start - (segments[number - 1].end if number else -math.inf)
    later = number + 1 < len(segments)
    after = (segments[number + 1].start if later else math.inf) - segments[number].end
    return before > LONELY and after > LONELY


def is_anomaly(segment: Segment) -> bool:
    """As whisper's own `is_segment_anomaly`: its first eight words are odd altogether, or each of them is."""
    certain = segment.log_probability
    if certain is None or certain > SURE:
        return False
    words = [word for word in segment.words if has_letters(word.text)][:FIRST_WORDS]
    score = sum(oddness(word) for word in words)
    return bool(words) and (score >= ODD or score + 0.01 >= len(words))


def oddness(word: Word) -> float:
    """As whisper's own `word_anomaly_score`."""
    seconds = word.end - word.start
    unlikely = 1.0 if word.probability < UNLIKELY else 0.0
    return unlikely + max(0.0, BRIEF - seconds) * 15 + max(0.0, seconds - LONG)


def is_repeated(before: Sequence[Segment], segment: Segment) -> bool:
    """The third in a row that says the same, in the same way. `before` has those that were dropped for it, too."""
    row = [*before[-(IN_A_ROW - 1) :], segment]
    words = folded(segment.text)
    if len(row) < IN_A_ROW or any(folded(one.text) != words for one in row):
        return False
    gaps = [later.start - earlier.end for earlier, later in pairwise(row)]
    return max(gaps) <= LOOP_GAP and are_alike(row)


def are_alike(row: Sequence[Segment]) -> bool:
    """Whether they last about as long and are about as certain, as what a model repeats."""
    lengths = [one.seconds for one in row]
    certain = [one.confidence for one in row if one.confidence is not None]
    spread = max(certain) - min(certain) if certain else 0.0
    return max(lengths) <= LOOP_LENGTHS * min(lengths) and spread <= LOOP_CERTAINTIES


def once(segment: Segment) -> Segment:
    """Words, or phrases, that come three times and more in a row are left in once: the first time."""
    while (loop := find_loop([folded(word.text) for word in segment.words])) is not None:
        first, length, times = loop
        rest = segment.part(first + length * times, len(segment.words))
        start = segment.part(0, first + length)
        if start is None:
            break
        segment = start if rest is None else joined(start, rest)
    return segment


def joined(left: Segment, right: Segment) -> Segment:
    text = join_texts([left.text, right.text])
    return Segment(left.start, right.end, text, left.words + right.words)


def find_loop(words: Sequence[str]) -> tuple[int, int, int] | None:
    """First word, words of the phrase, and how often it comes, of the first phrase that comes three times in a row."""
    for first in range(len(words)):
        for length in range(1, min(LONGEST_PHRASE, (len(words) - first) // IN_A_ROW) + 1):
            phrase = words[first : first + length]
            times = 1
            while words[first + times * length : first + (times + 1) * length] == phrase:
                times += 1
            if times >= IN_A_ROW and any(phrase):
                return first, length, times
    return None


def folded(text: str) -> str:
    """Without case and signs."""
    return "".join(letter for letter in text.casefold() if is_letter(letter) or letter.isspace()).strip()


def has_letters(text: str) -> bool:
    return any(is_letter(letter) for letter in text)


def is_letter(letter: str) -> bool:
    """Letters, digits, and the marks that belong to letters."""
    return unicodedata.category(letter)[0] in "LNM"
