"""Segments as people change them."""

import time
from uuid import UUID, uuid4

import pytest

from ml.transcription import drafts
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


@pytest.mark.parametrize("op", ["insert", "change", "merge"])
def test_a_segment_does_not_grow_for_ever(op: str) -> None:
    half = "x" * (drafts.LONGEST_TEXT // 2 + 1)
    draft = Draft([Line(uuid4(), Segment(1, 2, half)), Line(uuid4(), Segment(2, 3, half))], None)
    change = {"op": op, "id": key(draft, 0), "start": 1.0, "end": 2.0, "text": half + half}
    with pytest.raises(DraftError, match=r"at most 5000 letters, and this one would have 500[23]"):
        draft.apply(change)


def test_a_transcript_does_not_grow_for_ever(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST_SEGMENTS", 2)
    monkeypatch.setattr(drafts, "MOST_LETTERS", 30)
    more = Draft(draft.lines, 11.0)
    more.apply({"op": "insert", "start": 3.0, "end": 4.0, "text": "x"})
    with pytest.raises(DraftError, match="at most 2 segments, and these changes make 3"):
        more.finished()
    more.apply({"op": "remove", "id": key(draft, 0)})
    assert [one.text for one in more.finished()] == ["x", "ask what you can."]
    longer = Draft(draft.lines, 11.0)
    longer.apply({"op": "change", "id": key(draft, 0), "text": "And so on and on"})
    with pytest.raises(DraftError, match="at most 30 letters, and these changes make 33"):
        longer.finished()


def test_what_a_model_wrote_of_days_of_speech_can_be_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST_SEGMENTS", 2)
    monkeypatch.setattr(drafts, "MOST_LETTERS", 2)
    draft = Draft([Line(uuid4(), Segment(at, at + 1, "abc")) for at in range(4)], None)
    draft.apply({"op": "change", "id": key(draft, 2), "text": "xyz"})
    assert len(draft.finished()) == 4


def test_many_changes_to_many_segments_take_no_time() -> None:
    lines = [Line(UUID(int=at), Segment(at, at + 1, "word")) for at in range(10_000)]
    draft = Draft(lines, None)
    began = time.process_time()
    for at in range(0, 10_000, 20):
        draft.apply({"op": "change", "id": UUID(int=at), "start": 9_999.0 - at, "end": 10_000.5})
    assert time.process_time() - began < 2.0
    starts = [one.start for one in draft.finished()]
    assert starts == sorted(starts)
