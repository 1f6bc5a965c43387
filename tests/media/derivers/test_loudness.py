from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.derivers.base import NotNeeded
from media.derivers.loudness import LoudnessDeriver, measured
from media.errors import DamagedFileError, RunAbandonedError, TransientError
from media.subject import Subject
from media.tools import ffmpeg
from media.tools import run as door
from tests.makers import make_tone
from tests.media.derivers.contexts import derive, fatal, run_of


def facts_of(path: Path, tmp_path: Path) -> dict[str, Any]:
    result = derive(LoudnessDeriver(), path, tmp_path / "scratch")
    assert result.outputs == ()
    assert set(result.facts) == {"integrated", "threshold", "range", "true_peak"}
    return dict(result.facts)


def sine(path: Path, levels: list[tuple[float, float]], *, channels: int = 2) -> Path:
    """1 kHz at so many dBFS for so many seconds, one after another, the same in every channel: EBU Tech 3341."""
    waves = [
        10 ** (level / 20) * np.sin(2 * np.pi * 1000 * np.arange(int(seconds * 48_000)) / 48_000)
        for level, seconds in levels
    ]
    samples = np.repeat(np.concatenate(waves)[:, None], channels, axis=1).astype("<f4")
    raw = path.with_suffix(".f32")
    raw.write_bytes(samples.tobytes())
    ffmpeg.run(["-f", "f32le", "-ar", "48000", "-ac", str(channels), "-i", raw, path], timeout=30)
    return path


def test_sound_of_any_kind_is_accepted() -> None:
    deriver = LoudnessDeriver()
    assert deriver.accepts(Subject("audio", "audio/mpeg", 1))
    assert deriver.accepts(Subject("video", "video/mp4", 1))
    assert not deriver.accepts(Subject("image", "image/png", 1))


@pytest.mark.parametrize("level", [-20.0, -23.0, -33.0])
def test_a_sine_in_both_ears_is_as_loud_as_its_level(tmp_path: Path, level: float) -> None:
    found = facts_of(sine(tmp_path / "a.wav", [(level, 8)]), tmp_path)
    assert found["integrated"] == pytest.approx(level, abs=0.11)
    assert found["threshold"] == pytest.approx(level - 10, abs=0.11)
    assert found["true_peak"] == pytest.approx(level, abs=0.2)
    assert found["range"] == pytest.approx(0, abs=0.1)


def test_in_one_ear_it_is_three_less(tmp_path: Path) -> None:
    found = facts_of(sine(tmp_path / "a.wav", [(-20, 8)], channels=1), tmp_path)
    assert found["integrated"] == pytest.approx(-23.0, abs=0.11)


def test_the_range_is_the_step_and_quiet_parts_are_gated(tmp_path: Path) -> None:
    """The first case of EBU Tech 3342: 20 s at -20, 20 s at -30."""
    found = facts_of(sine(tmp_path / "a.wav", [(-20, 20), (-30, 20)]), tmp_path)
    assert found["range"] == pytest.approx(10, abs=1)
    gated = facts_of(sine(tmp_path / "b.wav", [(-20, 10), (-60, 30)]), tmp_path)
    assert gated["integrated"] == pytest.approx(-20, abs=0.3)


def test_a_true_peak_lies_between_the_samples(tmp_path: Path) -> None:
    """A quarter of the sample rate, an eighth of a turn late: samples at 0.707 of a wave that reaches 1."""
    wave = np.sin(2 * np.pi * 0.25 * np.arange(48_000 * 7) + np.pi / 4)
    # Without a hard start, at which the wave between the samples would overshoot.
    wave = (wave * np.minimum(1, np.arange(len(wave)) / 4_800)).astype("<f4")
    (tmp_path / "a.f32").write_bytes(wave.tobytes())
    ffmpeg.run(
        ["-f", "f32le", "-ar", "48000", "-ac", "1", "-i", tmp_path / "a.f32", tmp_path / "a.wav"], timeout=30
    )
    assert np.abs(wave).max() < 0.708
    assert facts_of(tmp_path / "a.wav", tmp_path)["true_peak"] == pytest.approx(0, abs=0.2)


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    found = facts_of(make_tone(tmp_path / "a.wav", seconds=7, amplitude=0), tmp_path)
    assert found == {"integrated": None, "threshold": None, "range": None, "true_peak": None}


def test_a_click_is_too_short_to_be_loud_and_has_a_peak(tmp_path: Path) -> None:
    found = facts_of(sine(tmp_path / "a.wav", [(-20, 0.2)]), tmp_path)
    assert (found["integrated"], found["range"]) == (None, None)
    assert found["true_peak"] == pytest.approx(-20, abs=0.3)


def test_the_range_of_a_few_seconds_says_nothing(tmp_path: Path) -> None:
    found = facts_of(sine(tmp_path / "a.wav", [(-20, 3)]), tmp_path)
    assert found["integrated"] == pytest.approx(-20, abs=0.11)
    assert found["range"] is None


def test_a_film_with_sound_and_one_without(films: Path, tmp_path: Path) -> None:
    assert facts_of(films / "plain.mp4", tmp_path)["integrated"] == pytest.approx(-21, abs=1.5)
    assert LoudnessDeriver().derive(run_of(films / "silent.mp4", tmp_path / "s")) == NotNeeded("no_audio")


def test_progress_rises(tmp_path: Path) -> None:
    run = run_of(make_tone(tmp_path / "a.flac", seconds=300), tmp_path / "scratch")
    LoudnessDeriver().derive(run)
    percents = [percent for percent, _ in run.told]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_a_cut_recording_gives_what_it_has(tmp_path: Path) -> None:
    whole = sine(tmp_path / "a.mp3", [(-20, 20)]).read_bytes()
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    assert facts_of(tmp_path / "cut.mp3", tmp_path)["integrated"] == pytest.approx(-20, abs=0.5)


def test_a_file_that_cannot_be_opened_any_more_is_damaged(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.m4a")
    run = run_of(source, tmp_path / "scratch")
    source.write_bytes(source.read_bytes()[:200])
    with pytest.raises(DamagedFileError):
        LoudnessDeriver().derive(run)


def test_an_abandoned_run_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ASK_EVERY", 0.0)
    run = run_of(make_tone(tmp_path / "a.flac", seconds=60), tmp_path / "scratch", stop=lambda: True)
    with pytest.raises(RunAbandonedError):
        LoudnessDeriver().derive(run)


def test_words_without_a_summary_are_no_measurement() -> None:
    with pytest.raises(DamagedFileError) as caught:
        measured("Error while decoding stream #0:0")
    assert caught.value.code == "no_sound"
    assert "while decoding" in caught.value.detail


def test_an_ffmpeg_that_is_killed_is_a_reason_to_try_again(tmp_path: Path) -> None:
    run = fatal(run_of(make_tone(tmp_path / "a.flac", seconds=600), tmp_path / "s"))
    with pytest.raises(TransientError):
        LoudnessDeriver().derive(run)
    assert run.killed == 1


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "integrated", "peak"),
    [
        ("audio/jfk.flac", -15.4, -2.1),
        ("audio/jfk.mp3", -15.8, -2.6),
        ("audio/jfk.opus", -15.6, -1.9),
        ("audio/silence_5s.wav", None, None),
        ("video/flower.mp4", None, None),
        ("video/truncated.mkv", -13.4, -5.0),
        ("video/vp9_vorbis51.webm", -30.6, -19.7),
    ],
)
def test_shared_recordings(
    shared_media: Path, tmp_path: Path, name: str, integrated: float | None, peak: float | None
) -> None:
    """Of the speech by the same meter on the lossless file; its other codecs may differ by half a unit."""
    found = facts_of(shared_media / name, tmp_path)
    assert found["integrated"] == (pytest.approx(integrated, abs=0.3) if integrated else None)
    assert found["true_peak"] == (pytest.approx(peak, abs=0.5) if peak else None)
