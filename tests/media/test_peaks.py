import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media import peaks as room
from media.peaks import ENOUGH, HEADER, WINDOW, Peaks, Written, peaks_of


def written(folder: Path, blocks: list[NDArray[np.float32]]) -> tuple[Written, ...]:
    peaks = Peaks(folder)
    for block in blocks:
        peaks.feed(block)
    return peaks.end()


def as_told(level: Written) -> tuple[list[float], list[int]]:
    """The peaks of a level by its JSON and by its bytes, whose header must agree."""
    told = json.loads(level.json.read_text())
    content = level.binary.read_bytes()
    magic, version, length, rate, samples, count, milliseconds = HEADER.unpack_from(content)
    assert (magic, version, length, rate) == (b"ALWF", 1, 24, 16_000)
    assert (samples, count) == (level.samples_per_peak, level.peaks)
    assert milliseconds == round(told["duration"] * 1000)
    assert told["peaksPerSecond"] * samples == told["sampleRate"] == 16_000
    assert len(content) == length + count
    return told["peaks"], list(np.frombuffer(content, dtype=np.int8, offset=length))


def test_windows_of_320_samples() -> None:
    samples = np.zeros(WINDOW * 3 + 10, dtype=np.float32)
    samples[5] = -0.25
    samples[WINDOW] = 0.5
    samples[-1] = 3.0
    assert peaks_of(samples).tolist() == [2500, 5000, 0, 10_000]


def test_broken_samples_are_silence_or_full_scale() -> None:
    samples = np.zeros(WINDOW * 4, dtype=np.float32)
    samples[0], samples[WINDOW], samples[WINDOW * 2] = np.nan, np.inf, -np.inf
    samples[1] = 0.5
    samples[WINDOW * 3 :] = np.nan
    assert peaks_of(samples).tolist() == [5000, 10_000, 10_000, 0]
    assert peaks_of(np.zeros(0, dtype=np.float32)).tolist() == []


def test_each_level_has_the_largest_of_four_and_ends_with_few(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    samples = generator.uniform(-1, 1, WINDOW * 33_003).astype(np.float32)
    cuts = [WINDOW * 512 * number for number in range(1, 65)]
    levels = written(tmp_path, np.split(samples, cuts))
    assert [level.peaks for level in levels] == [33_003, 8_251, 2_063, 516]
    assert [level.json.name for level in levels] == [
        "waveform.json",
        "waveform-1.json",
        "waveform-2.json",
        "waveform-3.json",
    ]
    expected = np.abs(samples).reshape(-1, WINDOW).max(axis=1)
    for level in levels:
        fine, coarse = as_told(level)
        assert np.abs(np.array(fine) - expected).max() <= 0.00006
        assert np.abs(np.array(coarse) / 127 - expected).max() <= 0.5 / 127 + 0.0001
        expected = np.array([expected[start : start + 4].max() for start in range(0, len(expected), 4)])


@pytest.mark.parametrize(("windows", "levels"), [(0, 1), (1, 1), (ENOUGH, 1), (ENOUGH + 1, 2), (8_001, 3)])
def test_there_are_as_many_levels_as_needed(tmp_path: Path, windows: int, levels: int) -> None:
    found = written(tmp_path, [np.full(WINDOW * windows, 0.5, dtype=np.float32)] if windows else [])
    assert len(found) == levels
    assert found[-1].peaks <= ENOUGH
    assert {path.name for path in tmp_path.iterdir()} == {
        path.name for level in found for path in (level.json, level.binary)
    }
    for level in found:
        fine, coarse = as_told(level)
        assert set(fine) <= {0.5}
        assert set(coarse) <= {64}


def test_the_size_of_the_blocks_changes_nothing(tmp_path: Path) -> None:
    samples = np.random.default_rng(5).uniform(-1, 1, WINDOW * 9_000 + 7).astype(np.float32)
    found = []
    for number, windows in enumerate((1, 13, 512, 100_000)):
        folder = tmp_path / str(number)
        folder.mkdir()
        step = WINDOW * windows
        levels = written(folder, [samples[start : start + step] for start in range(0, len(samples), step)])
        found.append(
            [path.read_bytes() for level in levels for path in (level.json, level.binary)],
        )
    assert found[0] == found[1] == found[2] == found[3]
    assert len(found[0]) == 6


def test_after_an_error_nothing_stays_open(tmp_path: Path) -> None:
    peaks = Peaks(tmp_path)
    peaks.feed(np.zeros(WINDOW * 2_001, dtype=np.float32))
    peaks.close()
    assert peaks.finest.json.closed
    assert peaks.finest.coarser is not None
    assert peaks.finest.coarser.binary.closed


def test_long_recordings_need_no_more_memory_than_short_ones(tmp_path: Path) -> None:
    block = np.linspace(-1, 1, WINDOW * 512, dtype=np.float32)
    peaks = Peaks(tmp_path)
    peaks.feed(block)
    room.texts_of_peaks()
    tracemalloc.start()
    while peaks.duration < 3600:
        peaks.feed(block)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peaks.count == pytest.approx(3600 * 50, abs=600)
    assert len(peaks.end()) == 5
    assert most < 5_000_000
