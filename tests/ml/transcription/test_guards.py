"""What models invent, and what people say although it looks like it."""

import math

import pytest

from ml.transcription import guards
from ml.transcription.segments import Segment, Word, heard


def said(start: float, end: float, text: str, probability: float = 0.9) -> Segment:
    """Its words share the time evenly."""
    words = text.split()
    step = (end - start) / max(1, len(words))
    told = [(start + n * step, start + (n + 1) * step, word, probability) for n, word in enumerate(words)]
    found = heard(start, end, text, told)
    assert found is not None
    return found


def loud(_start: float, _end: float) -> float:
    return 0.3


def texts(*segments: Segment) -> list[str]:
    return [one.text for one in guards.keep(segments, loud).segments]


def reason(segment: Segment) -> str:
    """The one rule that drops it; empty: it is kept."""
    kept = guards.keep([segment], loud)
    assert len(kept.segments) + sum(kept.dropped.values()) == 1
    return next(iter(kept.dropped), "")


def test_speech_is_left_alone() -> None:
    whole = [
        said(0.3, 2.2, "And so my fellow Americans,"),
        said(3.2, 4.4, "ask not"),
        said(5.4, 7.7, "what your country can do for you,"),
        said(8.1, 10.5, "ask what you can do for your country."),
    ]
    kept = guards.keep(whole, loud)
    assert kept.segments == whole
    assert not kept.dropped


def test_what_is_heard_in_silence_is_invented() -> None:
    """By the sound under it, and not by its words: the same sentence may be said."""
    thanks = said(0, 2, "Thank you for watching!")
    assert guards.keep([thanks], lambda start, end: 0.0009).dropped == {"silence": 1}
    assert guards.keep([thanks], lambda start, end: 0.002).segments == [thanks]


@pytest.mark.parametrize(
    "text",
    ["thank you so much " * 12, "la la la la " * 20, "ご視聴ありがとうございました" * 8],
)
def test_loops_that_pack_well_are_dropped(text: str) -> None:
    assert reason(said(0, 28, text)) == "compression"


def test_a_long_sentence_does_not_pack_so_well() -> None:
    text = (
        "Ask not what your country can do for you, ask what you can do for your country, my fellow citizens of the "
        "world, ask not what America will do for you, but what together we can do for the freedom of man."
    )
    assert guards.compression(text) < 2
    assert reason(said(0, 14, text)) == ""


def test_words_said_three_times_and_more_are_written_once() -> None:
    assert texts(said(0, 5, "no no no I will not")) == ["no I will not"]
    assert texts(said(0, 5, "I said no. No, no! NO! And left.")) == ["I said no. And left."]
    assert texts(said(0, 6, "come with me come with me come with me now")) == ["come with me now"]
    assert texts(said(0, 4, "it is very very good")) == ["it is very very good"]


def test_a_loop_ends_where_its_first_turn_does() -> None:
    (found,) = guards.keep([said(0, 10, "so so so so so")], loud).segments
    assert (found.text, found.start, found.end) == ("so", 0, 2)


def test_the_third_segment_in_a_row_with_the_same_words_is_a_loop() -> None:
    again = [said(n * 3.0, n * 3.0 + 2.5, "Thank you.") for n in range(6)]
    kept = guards.keep([*again, said(19, 21, "Now to the weather.")], loud)
    assert [one.text for one in kept.segments] == ["Thank you.", "Thank you.", "Now to the weather."]
    assert kept.dropped == {"repeated": 4}


def test_a_loop_with_pauses_up_to_half_a_minute_is_one_however_long_it_goes_on() -> None:
    again = [said(n * 32.0, n * 32.0 + 2.0, "Thank you.") for n in range(12)]
    assert texts(*again) == ["Thank you."] * 2


@pytest.mark.parametrize(
    "calls",
    [
        [said(n * 60.0, n * 60.0 + 0.8, "Next.") for n in range(6)],
        [said(n * 31.0, n * 31.0 + 0.8, "Next.") for n in range(6)],
        [said(0, 0.5, "Next."), said(2, 2.6, "Next."), said(5, 6.2, "Next.")],
        [said(0, 0.5, "No.", 0.95), said(2, 2.5, "No.", 0.95), said(4, 4.5, "No.", 0.65)],
    ],
    ids=["once a minute", "just too far apart", "drawn out", "muttered"],
)
def test_what_is_called_again_and_again_is_speech(calls: list[Segment]) -> None:
    assert texts(*calls) == [one.text for one in calls]


def test_guesses_are_dropped() -> None:
    assert reason(said(0, 2, "perhaps these words", math.exp(-0.9))) == ""
    assert reason(said(0, 2, "perhaps these words", math.exp(-1.1))) == "probability"


def test_what_lasts_no_time_was_not_said() -> None:
    assert reason(said(1, 1.2, "a whole sentence in no time")) == "too_short"
    assert reason(Segment(1, 1, "No.")) == "too_short"
    assert reason(said(1, 1.2, "No.")) == ""


def odd(start: float) -> Segment:
    """Four words in 40 ms each, none of them likely; certain enough otherwise to pass."""
    words = tuple(
        Word(start + n * 0.5, start + n * 0.5 + 0.02, word, 0.5)
        for n, word in enumerate(("you", "are", "so", "not"))
    )
    return Segment(start, start + 2, "you are so not", words)


def test_odd_words_far_from_other_speech_are_invented() -> None:
    kept = guards.keep([said(0, 2, "Good evening."), odd(10), said(20, 22, "And good night.")], loud)
    assert [one.text for one in kept.segments] == ["Good evening.", "And good night."]
    assert kept.dropped == {"anomaly": 1}


def test_odd_times_alone_are_no_evidence() -> None:
    """The model is sure of the words: it has only timed them badly."""
    words = tuple(word._replace(probability=0.95) for word in odd(10).words)
    assert texts(Segment(10, 12, "you are so not", words)) == ["you are so not"]


def test_odd_words_amid_speech_are_only_badly_timed() -> None:
    kept = guards.keep([said(8, 9.5, "Good evening."), odd(10), said(12.5, 14, "And good night.")], loud)
    assert len(kept.segments) == 3


def test_a_lonely_sentence_in_its_own_time_is_kept() -> None:
    assert texts(said(100, 102, "Is anybody there?")) == ["Is anybody there?"]


def test_nothing_of_nothing() -> None:
    kept = guards.keep([], loud)
    assert kept.segments == []
    assert not kept.dropped
