import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.errors import PermanentError, RunAbandonedError
from media.tools import ffmpeg
from media.tools.ranges import RangeServer
from media.tools.run import ExitedError
from ml.sampling.sound import blocks, late, tracks
from tests.makers import make_tone, make_video
from tests.media.derivers.contexts import Run, kill_at_start, programs, run_of
from tests.ml.sampling.far import reader_of
from tests.workers import wait_until

RATE = 16_000


def run(path: Path) -> Run:
    return run_of(path, path.parent / "scratch")


def heard(one: Run, track: int = 0, rate: int = RATE, seconds: float = 1.0) -> NDArray[np.float32]:
    return np.concatenate(list(blocks(one, track, rate, seconds)))


def test_blocks_are_as_long_as_asked_for_and_the_last_one_is_the_rest(tmp_path: Path) -> None:
    one = run(make_tone(tmp_path / "a.wav", seconds=3.5))
    found = list(blocks(one, 0, RATE, 1.5))
    assert [len(block) for block in found] == [24_000, 24_000, 8_000]
    assert all(block.dtype == np.float32 for block in found)


def test_sound_that_ends_with_a_block_has_no_empty_one(tmp_path: Path) -> None:
    assert [len(block) for block in blocks(run(make_tone(tmp_path / "a.wav", seconds=2)), 0, RATE, 1)] == [
        RATE,
        RATE,
    ]


def test_samples_are_those_of_the_file(tmp_path: Path) -> None:
    path = make_tone(tmp_path / "a.wav", seconds=2, amplitude=0.5)
    with wave.open(str(path)) as reader:
        stored = np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32768
    assert np.allclose(heard(run(path)), stored, atol=1e-4)


@pytest.mark.parametrize("rate", [16_000, 32_000, 48_000])
def test_rates_and_channels_are_brought_to_one(tmp_path: Path, rate: int) -> None:
    one = run(make_tone(tmp_path / "a.wav", seconds=2, amplitude=0.5, rate=44_100, channels=2))
    samples = heard(one, rate=rate)
    assert len(samples) == pytest.approx(2 * rate, abs=2)
    spectrum = np.abs(np.fft.rfft(samples[:rate]))
    assert spectrum.argmax() == 440
    assert np.abs(samples[rate // 2 : rate]).max() == pytest.approx(0.5, abs=0.02)


def test_tracks_of_a_film_are_told_and_heard_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    tones = [arg for hz in (300, 800) for arg in ("-f", "lavfi", "-i", f"sine=frequency={hz}:duration=2")]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x36:rate=5:duration=2"]
    maps = [
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "2",
        "-metadata:s:a:1",
        "language=ger",
        "-metadata:s:a:1",
        "title=Zwei",
    ]
    ffmpeg.run([*picture, *tones, *maps, "-c:v", "libx264", "-c:a", "aac", path], timeout=60)
    one = run(path)
    first, second = tracks(one)
    assert (first.index, second.index) == (1, 2)
    assert (second.language, second.title) == ("ger", "Zwei")
    for track, hz in ((first, 300), (second, 800)):
        samples = heard(one, track.index)[:RATE]
        assert abs(int(np.abs(np.fft.rfft(samples)).argmax()) - hz) <= 1


def test_a_picture_has_no_tracks(tmp_path: Path) -> None:
    assert tracks(run(make_video(tmp_path / "a.mp4", audio=False))) == ()


def test_sound_that_begins_late_is_heard_when_it_is_in_the_film(tmp_path: Path) -> None:
    """Else every word of a film would be shown too early."""
    path = tmp_path / "late.mkv"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x36:rate=10:duration=6"]
    tone = ["-itsoffset", "2.5", "-f", "lavfi", "-i", "sine=frequency=440:duration=3"]
    ffmpeg.run([*picture, *tone, "-c:v", "libx264", "-c:a", "aac", path], timeout=60)
    one = run(path)
    assert late(one, 1) == pytest.approx(2.5, abs=0.06)
    for seconds in (1.0, 2.0, 10.0):
        samples = heard(one, 1, seconds=seconds)
        loud = np.flatnonzero(np.abs(samples) > 0.05)
        assert loud[0] / RATE == pytest.approx(2.5, abs=0.1)
        assert len(samples) / RATE == pytest.approx(5.5, abs=0.15)


def test_a_hole_in_the_sound_stays_as_long_as_it_is(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", seconds=6, size=(64, 36))
    path = tmp_path / "hole.mkv"
    ffmpeg.run(
        ["-i", whole, "-c", "copy", "-bsf:a", "noise=drop=between(pts\\,2000\\,4000)", path], timeout=60
    )
    samples = heard(run(path), 1)
    assert len(samples) / RATE == pytest.approx(6, abs=0.1)
    assert np.abs(samples[round(2.3 * RATE) : round(3.7 * RATE)]).max() < 0.01
    assert np.abs(samples[round(4.3 * RATE) : round(5.5 * RATE)]).max() > 0.05


def test_recordings_that_are_cut_off_give_what_they_have(tmp_path: Path) -> None:
    whole = make_tone(tmp_path / "whole.mp3", seconds=10).read_bytes()
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    assert 3 < len(heard(run(tmp_path / "cut.mp3"))) / RATE < 7


def test_sound_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    path = make_tone(tmp_path / "a.flac", seconds=2)
    one = run(path)
    path.write_bytes(path.read_bytes()[:50] + bytes(5000))
    with pytest.raises(PermanentError):
        heard(one)


def test_broken_samples_are_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    ffmpeg.run(["-i", make_tone(tmp_path / "tone.wav", seconds=1), "-c:a", "pcm_f32le", path], timeout=30)
    content = bytearray(path.read_bytes())
    content[-400:] = np.full(100, np.nan, "<f4").tobytes()
    path.write_bytes(content)
    samples = heard(run(path))
    assert np.isfinite(samples).all()


def test_an_ffmpeg_that_is_killed_is_a_reason_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = run(make_tone(tmp_path / "a.mp3", seconds=2))
    killed = kill_at_start(monkeypatch)
    with pytest.raises(ExitedError):
        heard(one)
    assert killed


def test_who_has_heard_enough_ends_the_ffmpeg(tmp_path: Path) -> None:
    one = run(make_tone(tmp_path / "a.wav", seconds=60))
    pieces = blocks(one, 0, RATE, 1)
    assert len(next(pieces)) == RATE
    assert programs()
    pieces.close()  # type: ignore[attr-defined]
    wait_until(lambda: not programs(), 10)


def test_an_abandoned_run_stops(tmp_path: Path) -> None:
    one = run(make_tone(tmp_path / "a.wav", seconds=600, rate=48_000))
    pieces = blocks(one, 0, RATE, 1)
    next(pieces)
    one.stop = lambda: True
    with pytest.raises(RunAbandonedError):
        list(pieces)


def test_a_recording_in_a_bucket_is_read_by_range(tmp_path: Path) -> None:
    path = make_tone(tmp_path / "a.flac", seconds=3)
    far = run(path)

    with RangeServer(reader_of(path), path.stat().st_size) as server:
        far.source_input = lambda: server.source  # type: ignore[method-assign]
        assert len(heard(far)) == 3 * RATE
