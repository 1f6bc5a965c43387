"""Segments and their words: as models tell them, cut, moved, joined."""

import json

import pytest

from ml.transcription.segments import (
    Segment,
    Word,
    as_json,
    cleaned,
    from_json,
    heard,
    join_texts,
    spots_of,
)


def ask() -> Segment:
    found = heard(
        5.0,
        7.0,
        " what your country,\n can  do ",
        [
            (5.0, 5.4, " what", 1.0),
            (5.4, 5.8, " your", 0.5),
            (5.8, 6.4, " country,", 1.0),
            (6.4, 6.6, " can", 1),
            (6.6, 7, "do", 1),
        ],
    )
    assert found is not None
    return found


def test_what_a_model_tells_is_put_on_one_line() -> None:
    found = ask()
    assert found.text == "what your country, can do"
    assert [word.text for word in found.words] == ["what", "your", "country,", "can", "do"]
    assert found.confidence == pytest.approx(0.9)
    assert found.log_probability == pytest.approx(-0.1386, abs=1e-3)


def test_times_that_go_back_are_put_in_order() -> None:
    found = heard(2.0, 1.0, "a b", [(3.0, 2.5, "a", 2.0), (0.5, 9.0, "b", -1.0)])
    assert found == Segment(2.0, 2.0, "a b", (Word(2.0, 2.0, "a", 1.0), Word(2.0, 2.0, "b", 0.0)))
    assert heard(-1.0, 1.0, "x", []) == Segment(0.0, 1.0, "x")


def test_no_text_is_no_segment() -> None:
    assert heard(0, 1, " \n\x00 ", []) is None
    assert Segment(0, 1, "x").confidence is None
    assert Segment(0, 1, "x").log_probability is None


def test_a_part_has_its_own_text_and_times() -> None:
    found = ask()
    left, right = found.part(0, 3), found.part(3, 5)
    assert left is not None
    assert right is not None
    assert (left.start, left.end, left.text) == (5.0, 6.4, "what your country,")
    assert (right.start, right.end, right.text) == (6.4, 7.0, "can do")
    assert found.part(0, 5) is found
    assert found.part(2, 2) is None


def test_a_part_of_a_script_without_blanks() -> None:
    found = heard(
        0,
        2,
        "私は学生です。",
        [(0, 0.5, "私", 1), (0.5, 1, "は", 1), (1, 1.5, "学生", 1), (1.5, 2, "です。", 1)],
    )
    assert found is not None
    middle = found.part(1, 3)
    assert middle is not None
    assert middle.text == "は学生"


def test_words_that_are_not_in_the_text_have_a_place_all_the_same() -> None:
    assert spots_of("one two three", ["one", "deux", "three"]) == [0, 3, 8]
    assert spots_of("x", []) == []


def test_shifted() -> None:
    found = ask().shifted(60)
    assert (found.start, found.end, found.words[0].start) == (65.0, 67.0, 65.0)


def test_texts_are_joined_as_their_script_wants() -> None:
    assert join_texts(["Hello", "world.", "", "Yes"]) == "Hello world. Yes"
    assert join_texts(["私は", "学生です。"]) == "私は学生です。"
    assert join_texts(["안녕", "하세요"]) == "안녕 하세요"
    assert cleaned("a\tb\x1b[0m") == "a b [0m"


def test_json_and_back() -> None:
    told = json.loads(json.dumps(as_json(ask().shifted(0.12345))))
    assert told["start"] == 5.123
    assert as_json(from_json(told)) == told
