from itertools import pairwise
from pathlib import Path

import pytest

from media.errors import DamagedFileError, RunAbandonedError
from media.tools.ranges import RangeServer
from media.tools.run import ExitedError
from ml.sampling.frames import MOST, Frame, frames, places_of
from tests.makers import make_tone, make_video, turn_video
from tests.media.derivers.contexts import Run, kill_at_start, run_of
from tests.ml.sampling.far import reader_of


def run(path: Path) -> Run:
    return run_of(path, path.parent / "scratch")


def seconds(found: list[Frame]) -> list[float]:
    return [frame.second for frame in found]


@pytest.mark.parametrize(
    ("duration", "count", "apart"),
    [(0.5, 1, 2), (2, 1, 2), (2.1, 2, 2), (60, 30, 2), (300, 150, 2), (3600, 150, 24), (36_000, 150, 240)],
)
def test_films_are_looked_at_each_two_seconds_and_at_most_150_times(
    duration: float, count: int, apart: float
) -> None:
    places = places_of(duration)
    assert len(places) == count <= MOST
    assert places[0] == 0
    assert all(later - sooner == pytest.approx(apart) for sooner, later in pairwise(places))
    assert places[-1] < duration


def test_a_film_without_a_length_is_looked_at_where_it_begins() -> None:
    assert places_of(0) == []


def test_a_film_of_key_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=9, options=["-g", "25"])
    one = run(path)
    found = list(frames(one, 160))
    assert seconds(found) == pytest.approx([0, 2, 4, 6, 8], abs=0.05)
    assert {frame.pixels.shape for frame in found} == {(90, 160, 3)}
    told = [percent for percent, _ in one.told]
    assert told == sorted(told)
    assert told[-1] == 99


def test_a_short_film_with_one_key_frame_is_decoded_instead(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=9, options=["-g", "1000"])
    found = list(frames(run(path), 160))
    assert seconds(found) == pytest.approx([0, 2, 4, 6, 8], abs=0.05)


def test_key_frames_of_a_long_film_are_taken_once(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4", seconds=70, size=(64, 36), rate=5, audio=False, options=["-g", "100"]
    )
    found = list(frames(run(path), 64))
    assert seconds(found) == pytest.approx([0, 20, 40, 60], abs=0.3)


def test_a_long_film_with_hardly_any_key_frame_is_decoded_in_one_pass(tmp_path: Path) -> None:
    """As browsers record: else one frame would stand for hours."""
    path = make_video(
        tmp_path / "a.mp4", seconds=70, size=(64, 36), rate=5, audio=False, options=["-g", "10000"]
    )
    one = run(path)
    found = list(frames(one, 64))
    assert seconds(found) == pytest.approx(places_of(70), abs=0.3)
    assert len({frame.pixels.tobytes() for frame in found}) == len(found)
    assert one.told[-1][0] == 99


def test_such_a_film_is_given_up_where_its_ffmpeg_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(
        tmp_path / "a.mp4", seconds=70, size=(64, 36), rate=5, audio=False, options=["-g", "10000"]
    )
    one = run(path)
    killed = kill_at_start(monkeypatch, number=2)
    with pytest.raises(ExitedError):
        list(frames(one, 64))
    assert killed


def test_frames_are_upright(tmp_path: Path) -> None:
    path = turn_video(make_video(tmp_path / "a.mp4", seconds=1), tmp_path / "turned.mp4", 90)
    assert [frame.pixels.shape for frame in frames(run(path), 160)] == [(160, 90, 3)]


def test_no_frame_is_enlarged(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=1, size=(64, 36))
    assert [frame.pixels.shape for frame in frames(run(path), 640)] == [(36, 64, 3)]


def test_a_film_in_a_bucket_is_read_by_range(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=5, options=["-g", "25"])
    far = run(path)
    with RangeServer(reader_of(path), path.stat().st_size) as server:
        far.source_input = lambda: server.source  # type: ignore[method-assign]
        assert seconds(list(frames(far, 160))) == pytest.approx([0, 2, 4], abs=0.05)


def test_a_recording_has_no_frames(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError):
        list(frames(run(make_tone(tmp_path / "a.mp3")), 160))


def test_a_film_that_is_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4", seconds=20, options=["-g", "25", "-movflags", "+faststart"], size=(640, 360)
    )
    content = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    found = list(frames(run(tmp_path / "cut.mp4"), 160))
    assert 3 <= len(found) <= 8
    assert seconds(found) == sorted(seconds(found))


def test_a_film_of_which_nothing_can_be_decoded(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", seconds=3, audio=False)
    one = run(path)
    content = bytearray(path.read_bytes())
    content[1000:-200] = bytes(len(content) - 1200)
    path.write_bytes(content)
    with pytest.raises((DamagedFileError, ExitedError)):
        list(frames(one, 160))


def test_an_ffmpeg_that_is_killed_is_a_reason_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = run(make_video(tmp_path / "a.mp4", seconds=3))
    killed = kill_at_start(monkeypatch)
    with pytest.raises(ExitedError):
        list(frames(one, 160))
    assert killed


def test_an_abandoned_run_stops(tmp_path: Path) -> None:
    one = run(make_video(tmp_path / "a.mp4", seconds=20, size=(64, 36)))
    one.stop = lambda: len(one.told) > 0
    with pytest.raises(RunAbandonedError):
        list(frames(one, 64))


@pytest.mark.shared
def test_the_shared_timeline(shared_media: Path, tmp_path: Path) -> None:
    (path,) = shared_media.rglob("timeline_faces_objects_speech.mp4")
    found = list(frames(run_of(path, tmp_path / "scratch"), 640))
    assert seconds(found) == pytest.approx([0, 2, 4, 6, 8, 10], abs=0.1)
    assert found[0].pixels.shape == (480, 640, 3)
