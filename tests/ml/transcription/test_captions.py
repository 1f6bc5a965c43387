"""WebVTT and SubRip that can be read: cues of two lines and seven seconds, and nothing in them that runs."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from media.transcoding.captions import TIMES
from ml.transcription import captions
from ml.transcription.captions import Cue, cues, plain, room, subrip, webvtt
from ml.transcription.segments import Segment, heard

LONG = (
    "When in the course of human events it becomes necessary for one people to dissolve the political bands which have "
    "connected them with another, and to assume among the powers of the earth the separate and equal station to which "
    "the laws of nature entitle them, a decent respect to the opinions of mankind requires that they should declare "
    "the causes which impel them to the separation."
)


def spoken(start: float, end: float, text: str) -> Segment:
    """With words that share the time by their letters."""
    words, at = text.split(), start
    pace = (end - start) / sum(map(len, words))
    told = []
    for word in words:
        told.append((at, at + len(word) * pace, word, 1.0))
        at += len(word) * pace
    found = heard(start, end, text, told)
    assert found is not None
    return found


def test_a_short_file_to_the_letter() -> None:
    segments = [Segment(0.28, 2.22, "And so my fellow Americans,"), Segment(3661.5, 3663, "ask not")]
    assert webvtt(cues(segments)) == (
        "WEBVTT\n\n00:00:00.280 --> 00:00:02.220\nAnd so my fellow Americans,\n\n"
        "01:01:01.500 --> 01:01:03.000\nask not\n"
    )
    assert subrip(cues(segments)) == (
        "1\n00:00:00,280 --> 00:00:02,220\nAnd so my fellow Americans,\n\n"
        "2\n01:01:01,500 --> 01:01:03,000\nask not\n\n"
    )
    assert plain(segments) == "And so my fellow Americans,\nask not\n"


def test_no_speech_is_a_valid_file() -> None:
    assert webvtt(cues([])) == "WEBVTT\n"
    assert subrip(cues([])) == plain([]) == ""


@pytest.mark.parametrize("with_words", [True, False])
def test_long_speech_is_cut_into_cues_that_can_be_read(with_words: bool) -> None:
    segment = spoken(10, 35, LONG) if with_words else Segment(10, 35, LONG)
    found = cues([segment])
    assert len(found) >= 5
    for cue in found:
        assert len(cue.lines) <= 2
        assert all(len(line) <= 42 for line in cue.lines)
        assert captions.SHORTEST - 1e-6 <= cue.end - cue.start <= captions.LONGEST
        assert len(" ".join(cue.lines).split()) > 1
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(found))
    assert " ".join(line for cue in found for line in cue.lines) == LONG


def test_two_lines_are_about_even_and_broken_after_a_sign() -> None:
    (cue,) = cues([spoken(0, 4, "Ask not what your country can do for you, ask what you can do.")])
    assert cue.lines == ("Ask not what your country can do for you,", "ask what you can do.")
    (cue,) = cues([spoken(0, 4, "one two three four five six seven eight nine ten")])
    assert abs(len(cue.lines[0]) - len(cue.lines[1])) < 8


def test_a_cue_ends_rather_with_a_sentence() -> None:
    text = (
        "The first sentence ends quite here at last. The second one goes on for so long that both do not fit."
    )
    first, *_ = cues([spoken(0, 6, text)])
    assert first.lines[-1].endswith("last.")


def test_a_long_pause_parts_cues() -> None:
    told = [(0, 0.5, "Well", 1.0), (4.0, 4.5, "then.", 1.0)]
    segment = heard(0, 4.5, "Well then.", told)
    assert segment is not None
    assert [(cue.lines, cue.start) for cue in cues([segment])] == [(("Well",), 0), (("then.",), 4.0)]


def test_wide_letters_fill_a_line_sooner_and_signs_do_not_begin_one() -> None:
    text = (
        "これはとても長い日本語の文章です。一行に入りきらないので、二行に分けられます。それでも足りません。"
    )
    found = cues([Segment(0, 6, text)])
    lines = [line for cue in found for line in cue.lines]
    assert "".join(lines) == text
    assert all(len(line) <= 16 for line in lines)
    assert not any(line[0] in "。、" for line in lines)
    assert room("é") == room("e")


def test_a_word_that_is_longer_than_a_line_is_broken_too() -> None:
    found = cues([Segment(0, 5, "x" * 100)])
    assert all(len(line) <= 42 for cue in found for line in cue.lines)
    assert sum(len(line) for cue in found for line in cue.lines) == 100


def test_cues_never_overlap_and_short_ones_stay_where_there_is_time() -> None:
    found = cues([Segment(0, 0.1, "Yes."), Segment(0.5, 0.6, "No."), Segment(9, 30, "Perhaps.")])
    assert [(cue.start, round(cue.end, 3)) for cue in found] == [(0, 0.5), (0.5, 1.333), (9, 16)]


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 20), (3, 8)],
        [(0, 5), (0, 5), (0, 2), (9, 10)],
        [(1.0001, 5), (1.0003, 6), (1.0012, 7)],
        [(4, 9), (1, 2)],
    ],
)
def test_what_people_lay_over_each_other_is_shown_one_after_the_other(
    spans: list[tuple[float, float]],
) -> None:
    """WebVTT wants cues by their beginnings, and two at once would hide each other."""
    segments = [
        spoken(start, end, f"{name} " * 12) for name, (start, end) in zip("abcd", spans, strict=False)
    ]
    text = webvtt(cues(segments))
    times = [tuple(map(seconds_of, line.split(" --> "))) for line in text.splitlines() if " --> " in line]
    assert all(start < end for start, end in times)
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    assert all(text.count(name) >= 12 for name in "abcd"[: len(spans)])


def seconds_of(time: str) -> float:
    hours, minutes, seconds = time.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_other_scripts_and_signs_are_left_as_they_are() -> None:
    texts = [
        "\u0634\u0643\u0631\u0627 \u200f2026\u200e!",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
        "e\u0301te\u0301",
    ]
    segments = [Segment(number, number + 0.9, text) for number, text in enumerate(texts)]
    for form in (webvtt(cues(segments)), subrip(cues(segments)), plain(segments)):
        assert all(text in form for text in texts)


def test_nothing_in_a_cue_runs_or_breaks_the_file() -> None:
    evil = "<script>alert(1)</script> & 00:00:01.000 --> 00:00:02.000 {\\an8}"
    vtt, srt = webvtt(cues([Segment(0, 3, evil)])), subrip(cues([Segment(0, 3, evil)]))
    assert len(re.findall("-->", vtt)) == len(re.findall("-->", srt)) == 1
    assert "<" not in vtt.replace("-->", "")
    assert "&lt;script&gt;" in vtt
    assert "&amp;" in vtt
    assert "<" not in srt
    assert "{" not in srt


def test_times_are_those_of_the_format() -> None:
    text = webvtt(cues([Segment(359_999.9996, 360_001.0, "late")]))
    line = text.splitlines()[2]
    assert line == "100:00:00.000 --> 100:00:01.000"
    assert TIMES.match(line)
    assert [cue.end for cue in captions.timed([Cue(1, 1.2, ("x",))], 1.5)] == [1.5]


def test_a_paragraph_ends_with_a_long_pause() -> None:
    segments = [Segment(0, 1, "One."), Segment(1.5, 2, "Two."), Segment(9, 10, "Three.")]
    assert plain(segments) == "One. Two.\nThree.\n"


def calls_of(work: Callable[[], list[Cue]]) -> tuple[int, list[Cue]]:
    """How many functions it calls, which is the same on any machine, and what it returns."""
    calls = 0

    def told(_frame: Any, event: str, _told: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(told)
    try:
        found = work()
    finally:
        sys.setprofile(before)
    return calls, found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("很" * 500, 100),
        ("好" * 5000, 2),
        ("a" + "\u0301" * 4999, 2),
        ("\u0e38 " * 2500, 2),
        ("word " * 1000, 10),
    ],
)
def test_the_work_for_cues_grows_no_faster_than_the_text(text: str, count: int) -> None:
    """The first took nine seconds when every place for a break was tried for every length of a cue."""
    segments = [Segment(at * 3.0, at * 3.0 + 3.0, text.strip()) for at in range(count)]
    shorter = [replace(one, text=text[: len(text) // 4].strip()) for one in segments]
    few, _ = calls_of(lambda: cues(shorter))
    many, found = calls_of(lambda: cues(segments))
    assert many < 6 * few, "Four times the text; each place for each length would be sixteen times the work."
    said = "".join(line for cue in found for line in cue.lines)
    assert said.replace(" ", "") == (text * count).replace(" ", "")
    assert all(
        len(cue.lines) <= 2 and all(room(line) <= captions.LINE for line in cue.lines) for cue in found
    )
