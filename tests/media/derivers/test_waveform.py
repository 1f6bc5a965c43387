import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.derivers import waveform
from media.derivers.base import SMALL_SCRATCH, Ready
from media.derivers.waveform import WaveformDeriver
from media.errors import DamagedFileError, RunAbandonedError, TransientError
from media.streams import track_of
from media.subject import Subject
from media.tools import run as door
from tests.makers import make_tone
from tests.media.derivers.contexts import derive, fatal, run_of


def waveform_of(path: Path, tmp_path: Path) -> dict[str, Any]:
    result = derive(WaveformDeriver(), path, tmp_path / "scratch")
    assert [(output.name, output.content_type) for output in result.outputs] == [
        ("waveform.json", "application/json"),
        ("waveform.bin", "application/octet-stream"),
    ]
    answer: dict[str, Any] = json.loads(result.outputs[0].path.read_text())
    assert result.facts["peaks"] == len(answer["peaks"])
    assert result.facts["peaks_per_second"] == 50
    return answer


def test_sound_of_any_kind_is_accepted() -> None:
    deriver = WaveformDeriver()
    assert deriver.accepts(Subject("audio", "audio/mpeg", 1))
    assert deriver.accepts(Subject("video", "video/mp4", 1))
    assert not deriver.accepts(Subject("image", "image/png", 1))


def test_the_file_has_the_keys_of_the_reference(tmp_path: Path) -> None:
    answer = waveform_of(make_tone(tmp_path / "a.wav", seconds=2), tmp_path)
    assert set(answer) == {"peaks", "peaksPerSecond", "sampleRate", "duration"}
    assert (answer["peaksPerSecond"], answer["sampleRate"], answer["duration"]) == (50, 16_000, 2.0)
    assert len(answer["peaks"]) == 100


@pytest.mark.parametrize("amplitude", [1.0, 0.5, 0.1, 0.0])
def test_peaks_are_the_amplitude_and_quiet_stays_quiet(tmp_path: Path, amplitude: float) -> None:
    peaks = waveform_of(make_tone(tmp_path / "a.wav", amplitude=amplitude), tmp_path)["peaks"]
    assert len(peaks) == 100
    assert np.abs(np.array(peaks) - amplitude).max() < 0.01


@pytest.mark.parametrize(
    ("name", "channels", "rate"), [("a.flac", 2, 48_000), ("a.mp3", 1, 44_100), ("a.ogg", 2, 44_100)]
)
def test_other_rates_channels_and_codecs(tmp_path: Path, name: str, channels: int, rate: int) -> None:
    source = make_tone(tmp_path / name, amplitude=0.5, channels=channels, rate=rate)
    answer = waveform_of(source, tmp_path)
    assert answer["duration"] == pytest.approx(2.0, abs=0.06)
    # Two equal channels fold to one that is louder by the square root of two, as ffmpeg folds them.
    expected = 0.5 if channels == 1 else 0.7071
    assert np.median(answer["peaks"]) == pytest.approx(expected, abs=0.06)


def test_a_film_without_sound_has_an_empty_waveform(films: Path, tmp_path: Path) -> None:
    result = derive(WaveformDeriver(), films / "silent.mp4", tmp_path / "scratch")
    answer = json.loads(result.outputs[0].path.read_text())
    assert answer == {"peaks": [], "peaksPerSecond": 50, "sampleRate": 16_000, "duration": 0.0}
    assert result.facts["has_audio"] is False


def test_a_film_with_sound(films: Path, tmp_path: Path) -> None:
    answer = waveform_of(films / "plain.mp4", tmp_path)
    assert answer["duration"] == pytest.approx(3.0, abs=0.1)
    assert np.median(answer["peaks"]) == pytest.approx(0.125, abs=0.03)


def test_without_a_probe_the_file_is_asked(films: Path, tmp_path: Path) -> None:
    run = run_of(films / "plain.mp4", tmp_path / "scratch", with_probe=False)
    WaveformDeriver().derive(run)
    assert len(json.loads((run.scratch / "waveform.json").read_text())["peaks"]) > 140


def test_the_default_track_is_taken() -> None:
    assert track_of({"audio": [{"index": 1, "default": False}, {"index": 2, "default": True}]}) == 2
    assert track_of({"audio": [{"index": 3}, {"index": 4}]}) == 3
    assert track_of({"audio": []}) is None
    assert track_of({}) is None


def test_progress_rises_and_stays_below_100(tmp_path: Path) -> None:
    run = run_of(make_tone(tmp_path / "a.wav", seconds=60), tmp_path / "scratch")
    WaveformDeriver().derive(run)
    percents = [percent for percent, _ in run.told]
    assert len(percents) >= 5
    assert percents == sorted(percents)
    assert 50 < percents[-1] <= 99
    assert all(eta is not None and 0 <= eta < 60 for _, eta in run.told)


def test_a_cut_recording_gives_what_it_has(tmp_path: Path) -> None:
    whole = make_tone(tmp_path / "a.mp3", seconds=4).read_bytes()
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    answer = waveform_of(tmp_path / "cut.mp3", tmp_path)
    assert 1.5 < answer["duration"] < 2.5
    assert len(answer["peaks"]) == pytest.approx(answer["duration"] * 50, abs=1)


def test_a_file_that_cannot_be_opened_any_more_is_damaged(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.m4a")
    run = run_of(source, tmp_path / "scratch")
    source.write_bytes(source.read_bytes()[:200])
    with pytest.raises(DamagedFileError):
        WaveformDeriver().derive(run)


def test_an_abandoned_run_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ASK_EVERY", 0.0)
    run = run_of(make_tone(tmp_path / "a.flac", seconds=60), tmp_path / "scratch", stop=lambda: True)
    with pytest.raises(RunAbandonedError):
        WaveformDeriver().derive(run)


def test_an_ffmpeg_that_is_killed_is_a_reason_to_try_again(tmp_path: Path) -> None:
    run = fatal(run_of(make_tone(tmp_path / "a.flac", seconds=600), tmp_path / "s"))
    with pytest.raises(TransientError):
        WaveformDeriver().derive(run)
    assert run.killed == 1


def test_a_sound_of_years_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample a second: a small file that would fill any disk."""
    monkeypatch.setattr(waveform, "LONGEST", 3600.0)
    samples = bytes(range(256)) * 400
    shape = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 1, 1, 1, 8)
    content = b"WAVE" + shape + struct.pack("<4sI", b"data", len(samples)) + samples
    (tmp_path / "a.wav").write_bytes(struct.pack("<4sI", b"RIFF", len(content)) + content)
    run = run_of(tmp_path / "a.wav", tmp_path / "scratch")
    result = WaveformDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts["partial"]
    assert result.facts["duration"] == pytest.approx(3600, abs=15)


def test_room_is_reserved_for_long_sound() -> None:
    ten_hours = Subject("audio", "audio/mpeg", 1, {"duration": 36_000.0})
    promised = WaveformDeriver().scratch_bytes(ten_hours) - SMALL_SCRATCH
    assert promised == 36_000 * 50 * waveform.BYTES_A_PEAK
