import numpy as np
import pytest

from ml.runtime.pauses import GAP, OVERLAP, PAD, PAUSE, RATE, whole, widened, without_pauses

SPANS = [(2.0, 3.0), (10.0, 12.0), (20.0, 20.5)]
FIRST = 1 + 2 * PAD + OVERLAP
"""Seconds of the first span in the shortened sound."""


def numbered(seconds: float) -> np.ndarray:
    """Each sample is its own second."""
    return (np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def test_every_sample_is_found_again() -> None:
    shortened, timeline = without_pauses(numbered(30), SPANS)
    assert len(shortened) == round((3.5 + 3 * 2 * PAD + 2 * (OVERLAP + GAP)) * RATE)
    for position in range(0, len(shortened), 777):
        if shortened[position]:
            assert timeline.original(position / RATE) == pytest.approx(shortened[position], abs=1e-4)


def test_what_begins_in_a_gap_begins_with_the_next_span_and_what_ends_there_ended_before() -> None:
    _, timeline = without_pauses(numbered(30), SPANS)
    for second in (FIRST + GAP / 2, FIRST + GAP):
        assert timeline.original(second) == pytest.approx(10.0 - PAD)
        assert timeline.original(second, ends=True) == pytest.approx(3.0 + PAD + OVERLAP)


def test_times_never_leave_the_sound() -> None:
    _, timeline = without_pauses(numbered(30), SPANS)
    assert timeline.original(-1) == pytest.approx(2.0 - PAD)
    assert timeline.original(1000) == pytest.approx(20.5 + PAD)
    assert timeline.original(1000, ends=True) == pytest.approx(20.5 + PAD)


def test_short_pauses_stay() -> None:
    assert widened([(1.0, 2.0), (2.0 + PAUSE - 0.1, 5.0)], 60) == [(1.0 - PAD, 5.0 + PAD)]
    assert len(widened([(1.0, 2.0), (2.0 + PAUSE + 0.1, 5.0)], 60)) == 2


def test_nobody_speaks() -> None:
    shortened, _ = without_pauses(numbered(5), [])
    assert len(shortened) == 0


def test_spans_beyond_the_end_are_cut() -> None:
    shortened, timeline = without_pauses(numbered(3), [(2.5, 9.0)])
    assert len(shortened) == round((0.5 + PAD) * RATE)
    assert timeline.original(9.0) == pytest.approx(3.0)


def test_whole_sound_keeps_its_times() -> None:
    timeline = whole(numbered(3))
    assert [timeline.original(second) for second in (0, 1.25, 3, 9)] == [0, 1.25, 3, 3]
