"""Segments as people change them."""

from uuid import UUID, uuid4

import pytest

from ml.transcription.drafts import Draft, DraftError, Line
from ml.transcription.segments import Segment, heard


def jfk() -> Segment:
    words = [
        (8.0, 8.4, "ask", 1.0),
        (8.4, 9.0, "what", 1.0),
        (9.0, 9.5, "you", 1.0),
        (9.5, 10.0, "can.", 1.0),
    ]
    found = heard(8.0, 10.0, "ask what you can.", words)
    assert found is not None
    return found


@pytest.fixture
def draft() -> Draft:
    return Draft([Line(uuid4(), Segment(1, 2, "And so")), Line(uuid4(), jfk())], 11.0)


def key(draft: Draft, place: int) -> UUID:
    found = draft.lines[place].key
    assert found is not None
    return found


def spans(draft: Draft) -> list[tuple[float, float, str]]:
    return [(one.segment.start, one.segment.end, one.segment.text) for one in draft.lines]


def test_another_text_has_no_words_any_more(draft: Draft) -> None:
    kept = key(draft, 1)
    draft.apply({"op": "change", "id": kept, "text": " ask  what you\ncould. "})
    segment = draft.lines[1].segment
    assert (segment.text, segment.words) == ("ask what you could.", ())
    assert draft.lines[1].key == kept
    draft.apply({"op": "change", "id": key(draft, 0), "text": "And so"})
    assert draft.lines[0].segment == Segment(1, 2, "And so")


def test_other_times_take_the_words_along(draft: Draft) -> None:
    draft.apply({"op": "change", "id": key(draft, 1), "start": 9.0, "end": 10.0})
    segment = draft.lines[1].segment
    assert [(word.start, word.end) for word in segment.words] == [
        (9, 9.2),
        (9.2, 9.5),
        (9.5, 9.75),
        (9.75, 10),
    ]


def test_a_segment_that_is_moved_goes_to_its_place(draft: Draft) -> None:
    draft.apply({"op": "change", "id": key(draft, 1), "start": 0.0, "end": 0.5})
    assert [text for _, _, text in spans(draft)] == ["ask what you can.", "And so"]


def test_split_between_words_and_within_one(draft: Draft) -> None:
    kept = key(draft, 1)
    draft.apply({"op": "split", "id": kept, "at": 9})
    assert spans(draft)[1:] == [(8.0, 9.0, "ask what"), (9.0, 10.0, "you can.")]
    assert [word.text for word in draft.lines[2].segment.words] == ["you", "can."]
    assert (draft.lines[1].key, draft.lines[2].key) == (kept, None)
    draft.apply({"op": "split", "id": kept, "at": 2})
    assert [(one.segment.text, one.segment.words) for one in draft.lines[1:3]] == [("as", ()), ("k what", ())]


def test_split_at_a_second_that_was_told(draft: Draft) -> None:
    draft.apply({"op": "split", "id": key(draft, 1), "at": 9, "second": 8.7})
    left, right = draft.lines[1].segment, draft.lines[2].segment
    assert (left.end, left.words[-1].end, right.start, right.words[0].start) == (8.7, 8.7, 8.7, 9.0)


def test_split_without_words_goes_by_letters(draft: Draft) -> None:
    draft.apply({"op": "split", "id": key(draft, 0), "at": 4})
    assert spans(draft)[:2] == [(1, 1.6, "And"), (1.6, 2, "so")]


def test_merge_takes_the_next_one_in(draft: Draft) -> None:
    draft.apply({"op": "merge", "id": key(draft, 0)})
    assert spans(draft) == [(1, 10.0, "And so ask what you can.")]
    assert draft.lines[0].segment.words == (), "of one half they were never known"


def test_a_split_can_be_merged_again(draft: Draft) -> None:
    before = draft.lines[1].segment
    draft.apply({"op": "split", "id": key(draft, 1), "at": 9})
    draft.apply({"op": "merge", "id": key(draft, 1)})
    assert draft.lines[1].segment == before


def test_insert_and_remove(draft: Draft) -> None:
    draft.apply({"op": "insert", "start": 3.0, "end": 4.0, "text": "my fellow"})
    draft.apply({"op": "remove", "id": key(draft, 0)})
    assert [text for _, _, text in spans(draft)] == ["my fellow", "ask what you can."]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"op": "change", "id": 0, "text": "  "}, "needs a text"),
        ({"op": "change", "id": 0, "start": 2.0}, "is no span"),
        ({"op": "change", "id": 0, "end": 12.5}, "ends after 11.000"),
        ({"op": "insert", "start": 3.0, "end": 3.0, "text": "x"}, "is no span"),
        ({"op": "split", "id": 0, "at": 0}, "no text on one side"),
        ({"op": "split", "id": 0, "at": 99}, "no text on one side"),
        ({"op": "split", "id": 1, "at": 9, "second": 10.5}, "inside of the segment"),
        ({"op": "merge", "id": 1}, "the last segment"),
        ({"op": "remove", "id": UUID(int=7)}, "There is no segment"),
    ],
)
def test_what_cannot_be_is_told(draft: Draft, change: dict[str, object], said: str) -> None:
    if isinstance(change.get("id"), int):
        change = {**change, "id": key(draft, int(str(change["id"])))}
    with pytest.raises(DraftError, match=said):
        draft.apply(change)
