"""Blocks of a long sound and their seams: nothing is lost, nothing comes twice, and little is in memory."""

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from ml.transcription import blocks
from ml.transcription.blocks import RATE, Block, Measure, Samples, cut, quiet_place, stitched
from ml.transcription.segments import Segment, Word

SHORT = Measure(longest=10.0, searched=4.0, margin=0.5)


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> Samples:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def with_pauses(seconds: float, pauses: list[tuple[float, float]]) -> Samples:
    samples = noise(seconds)
    for start, end in pauses:
        samples[round(start * RATE) : round(end * RATE)] *= 0.001
    return samples


def in_pieces(samples: Samples, seconds: float) -> Iterator[Samples]:
    size = round(seconds * RATE)
    return (samples[start : start + size] for start in range(0, len(samples), size))


def copied(found: Iterator[Block]) -> list[Block]:
    """Samples are good until the next block."""
    return [Block(one.number, one.start, one.end, one.offset, one.samples.copy()) for one in found]


@pytest.mark.parametrize("piece", [0.37, 3.0, 30.0, 100.0])
def test_blocks_are_cut_in_pauses_and_nothing_is_lost(piece: float) -> None:
    sound = with_pauses(34.5, [(8.0, 8.6), (17.0, 17.2), (16.1, 16.9), (25.0, 25.5)])
    found = copied(cut(in_pieces(sound, piece), SHORT))
    assert [one.number for one in found] == list(range(len(found)))
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(34.5)
    for one, other in pairwise(found):
        assert one.end == other.start
    assert found[0].end == pytest.approx(8.3, abs=0.1)
    assert found[1].end == pytest.approx(16.5, abs=0.1), "the longest pause, not the last one"
    assert found[2].end == pytest.approx(25.25, abs=0.1)
    for one in found:
        first = round(one.offset * RATE)
        assert np.array_equal(one.samples, sound[first : first + len(one.samples)])
        assert one.end - one.start <= SHORT.longest + 2 * SHORT.margin
        assert one.offset == pytest.approx(max(0, one.start - 0.5), abs=1 / RATE)


def test_a_block_reaches_a_little_beyond_its_cuts() -> None:
    first, second, *_ = copied(cut(in_pieces(with_pauses(30, [(8.0, 9.0)]), 1.0), SHORT))
    assert first.offset + len(first.samples) / RATE == pytest.approx(first.end + 0.5)
    assert second.offset == pytest.approx(second.start - 0.5)


def test_sound_without_a_pause_is_cut_too() -> None:
    found = copied(cut(in_pieces(noise(25), 1.0), SHORT))
    assert all(6.0 <= one.end - one.start <= 11.0 for one in found[:-1])


def test_digital_silence_is_cut_in_its_middle() -> None:
    assert quiet_place(np.zeros(10 * RATE, np.float32), SHORT) == pytest.approx(8 * RATE, abs=RATE // 10)


def test_in_a_long_pause_blocks_fill_whole_windows() -> None:
    """Blocks of at most 50 s, margins of 1 s, windows of 10 s: whatever is heard of a block is a multiple of them."""
    measure = Measure(longest=50.0, searched=20.0, margin=1.0, window=10.0)
    found = copied(cut(in_pieces(np.full(120 * RATE, 0.1, np.float32), 7.0), measure))
    assert [len(one.samples) / RATE for one in found] == [40, 40, 44]
    assert [(one.start, one.end) for one in found] == [(0, 39), (39, 77), (77, 120)]


def test_a_short_pause_is_cut_in_its_middle_whatever_window_that_leaves() -> None:
    measure = Measure(longest=50.0, searched=20.0, margin=1.0, window=10.0)
    first = next(cut(in_pieces(with_pauses(60, [(41, 43.5)]), 7.0), measure))
    assert first.end == pytest.approx(42.25, abs=0.1)


def test_short_and_empty_sounds_are_one_block() -> None:
    (one,) = copied(cut(in_pieces(noise(3), 1.0), SHORT))
    assert (one.start, one.end, len(one.samples)) == (0, 3.0, 3 * RATE)
    (none,) = copied(cut(iter(()), SHORT))
    assert (none.end, len(none.samples), none.is_silent) == (0, 0, True)


def test_broken_samples_are_silence() -> None:
    samples = np.full(RATE, np.nan, np.float32)
    (one,) = copied(cut([samples], SHORT))
    assert one.is_silent
    assert one.loudest(0, 1) == 0


def test_the_loudest_sample_of_a_span() -> None:
    samples = np.zeros(4 * RATE, np.float32)
    samples[2 * RATE] = -0.5
    block = Block(0, 10, 14, 10, samples)
    assert block.loudest(12.0, 12.0) == 0.5
    assert block.loudest(10.5, 11.5) == 0
    assert block.loudest(20, 30) == 0


def test_memory_does_not_grow_with_the_recording() -> None:
    """Two hours of it: as much as a block, and what is worked on of it."""
    piece = noise(30)
    tracemalloc.start()
    count = sum(1 for _ in cut((piece for _ in range(240)), blocks.USUAL))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 15 <= count <= 18
    assert peak < 4 * blocks.LONGEST * RATE * 4 / 2


def words(*told: tuple[float, str]) -> Segment:
    """Each half a second long."""
    found = tuple(Word(start, start + 0.5, text, 1.0) for start, text in told)
    return Segment(found[0].start, found[-1].end, " ".join(word.text for word in found), found)


def text_of(segments: list[Segment]) -> str:
    return " ".join(one.text for one in segments)


def test_a_word_on_the_seam_is_kept_once() -> None:
    before = [words((58.0, "one"), (58.8, "two"), (59.8, "three"))]
    after = [words((59.7, "three"), (60.4, "four"))]
    assert text_of(stitched(before, after, 60.0)) == "one two three four"


def test_a_word_whose_middle_both_put_on_their_own_side_is_kept_once() -> None:
    before = [words((58.8, "two"), (59.6, "Three"))]
    after = [words((59.9, "three,"), (60.6, "four"))]
    assert text_of(stitched(before, after, 60.0)) == "two Three four"


def test_a_word_that_both_put_on_the_other_side_is_not_lost() -> None:
    before = [words((58.8, "two"), (59.8, "three"))]
    after = [words((59.4, "three"), (60.7, "four"))]
    assert text_of(stitched(before, after, 60.0)) == "two three four"


def test_a_word_that_only_one_side_has_heard_is_not_lost() -> None:
    assert text_of(stitched([words((58.8, "two"), (60.1, "three"))], [], 60.0)) == "two three"
    assert text_of(stitched([], [words((59.3, "three"), (60.7, "four"))], 60.0)) == "three four"


def test_a_word_said_twice_in_truth_is_kept_twice() -> None:
    before, after = [words((58.4, "no"), (59.0, "no"))], [words((60.2, "no"), (61, "never"))]
    assert text_of(stitched(before, after, 60.0)) == "no no no never"


def test_segments_without_words_go_where_their_middle_is() -> None:
    before, after = (
        [Segment(57, 59, "a"), Segment(59.5, 61, "b")],
        [Segment(59.4, 61.2, "b"), Segment(62, 63, "c")],
    )
    assert text_of(stitched(before, after, 60.0)) == "a b c"
