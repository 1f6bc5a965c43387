import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from media.derivers import hover
from media.derivers.base import NotNeeded, Ready
from media.derivers.hover import HoverDeriver
from media.derivers.poster import PosterDeriver
from media.errors import DamagedFileError, PermanentError, RunAbandonedError, TooLargeError
from media.subject import Subject
from media.tools import ffmpeg
from tests.makers import Pixels, corners, make_image, make_video, pixels_of, stored_for, turn_video
from tests.media.derivers.contexts import derive, run_of


def hover_of(path: Path, tmp_path: Path) -> tuple[Ready, list[Pixels]]:
    result = derive(HoverDeriver(), path, tmp_path / "scratch")
    return result, frames_in(tmp_path / "scratch" / "hover.webp")


def frames_in(path: Path) -> list[Pixels]:
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def test_three_seconds_at_ten_frames_480_wide(films: Path, tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=6, size=(640, 360), audio=False)
    result, frames = hover_of(film, tmp_path)
    assert [output.name for output in result.outputs] == ["hover.webp"]
    assert len(frames) == 30
    assert frames[0].shape == (270, 480, 3)
    assert (result.facts["frames"], result.facts["duration"]) == (30, 3.0)
    assert 0.5 <= result.facts["second"] <= 0.7
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 2, "It moves."
    with Image.open(tmp_path / "scratch" / "hover.webp") as image:
        assert image.info["loop"] == 0
        image.load()
        assert image.info["duration"] == 100
        assert not image.info.get("exif")


def test_a_short_clip_is_shown_whole(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=1.2, audio=False)
    result, frames = hover_of(film, tmp_path)
    assert result.facts["second"] == 0
    assert 11 <= len(frames) <= 13
    assert frames[0].shape == (180, 320, 3), "Never larger than the film."


def test_what_opens_black_begins_in_the_light(films: Path, tmp_path: Path) -> None:
    result, frames = hover_of(films / "late.mp4", tmp_path)
    assert result.facts["second"] >= 18.5
    assert frames[-1].mean() > 40


def test_a_single_frame_needs_none(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", audio=False, options=["-frames:v", "1"])
    result = HoverDeriver().derive(run_of(film, tmp_path / "scratch"))
    assert result == NotNeeded("still")


def test_only_videos_have_one() -> None:
    deriver = HoverDeriver()
    assert deriver.accepts(Subject("video", "video/mp4", 1))
    assert not deriver.accepts(Subject("audio", "audio/mpeg", 1))
    assert not deriver.accepts(Subject("image", "image/gif", 1))


def test_a_film_that_lies_on_its_side_is_upright(tmp_path: Path) -> None:
    upright = corners(160, 96)
    stored = make_image(tmp_path / "a.png", stored_for(8, upright))
    flat = tmp_path / "a.mp4"
    ffmpeg.run(["-loop", "1", "-t", "1", "-i", stored, "-pix_fmt", "yuv420p", "-r", "10", flat], timeout=30)
    _, frames = hover_of(turn_video(flat, tmp_path / "b.mp4", 90), tmp_path)
    assert frames[0].shape == (96, 160, 3)
    assert np.abs(frames[0].astype(int) - upright).mean() < 10


def test_noise_is_kept_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hover, "MOST_BYTES", 100_000)
    noise = "nullsrc=size=320x180:rate=20:duration=2,geq=random(1)*255:128:128"
    film = make_video(tmp_path / "a.mp4", source=noise, audio=False)
    result, frames = hover_of(film, tmp_path)
    assert len(frames) == result.facts["frames"] == 7
    assert result.facts["duration"] == 2.0
    assert result.made_with["quality"] == 30


def test_too_many_pixels_are_refused(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_VIDEO_MAX_MEGAPIXELS", "0.1")
    with pytest.raises(TooLargeError):
        HoverDeriver().derive(run_of(films / "plain.mp4", tmp_path / "scratch"))


def test_a_film_without_its_media_is_told(films: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat.mp4"
    ffmpeg.run(["-i", films / "silent.mp4", "-c", "copy", "-movflags", "+faststart", flat], timeout=20)
    run = run_of(flat, tmp_path / "scratch")
    data = flat.read_bytes()
    flat.write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(DamagedFileError):
        HoverDeriver().derive(run)


def test_a_run_that_is_stopped_in_the_middle_ends_at_once(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=4, size=(1280, 720), audio=False)
    stopped = threading.Event()
    run = run_of(film, tmp_path / "scratch", stop=stopped.is_set)
    threading.Timer(0.1, stopped.set).start()
    began = time.monotonic()

    def again_and_again() -> None:
        while True:  # The preview may be ready before it is stopped; then it is asked for again.
            HoverDeriver().derive(run)

    with pytest.raises(RunAbandonedError):
        again_and_again()
    assert time.monotonic() - began < 5


HDR = ("hdr10_hevc.mp4", "hlg_hevc_phone.mp4", "hdr10_av1_mdcv.mp4")


@pytest.mark.parametrize("name", HDR)
def test_hdr_has_its_colours(shared_media: Path, tmp_path: Path, name: str) -> None:
    result, frames = hover_of(shared_media / "video" / name, tmp_path)
    assert result.made_with["strategy"] == "hdr"
    poster = derive(PosterDeriver(), shared_media / "video" / name, tmp_path / "poster")
    assert poster.made_with["strategy"] == "hdr"
    still = pixels_of(tmp_path / "poster" / "poster.webp")
    assert np.abs(still.mean(axis=(0, 1)) - frames[0].mean(axis=(0, 1))).max() < 12


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("phone_rot_minus90_portrait.mp4", 3.0),
        ("odd_321x241_vp9.webm", 2.0),
        ("truncated_faststart.mp4", 3.0),
        ("truncated.mkv", 3.0),
        ("empty_second_video_track.mp4", 1.0),
        ("vfr_switch.mp4", 3.0),
        ("hevc_8k.mp4", 0.3),
    ],
)
def test_shared_films(shared_media: Path, tmp_path: Path, name: str, seconds: float) -> None:
    result, frames = hover_of(shared_media / "video" / name, tmp_path)
    assert result.facts["duration"] == pytest.approx(seconds, abs=0.11)
    assert (tmp_path / "scratch" / "hover.webp").stat().st_size <= hover.MOST_BYTES
    assert frames[0].shape == (result.facts["height"], result.facts["width"], 3)
    assert max(frames[0].shape) <= 854
    assert all(side % 2 == 0 for side in frames[0].shape[:2])
    assert frames[0].mean() > 16


@pytest.mark.parametrize("name", ["one_frame.mp4", "black_20s.mp4"])
def test_what_does_not_move_needs_none(shared_media: Path, tmp_path: Path, name: str) -> None:
    run = run_of(shared_media / "video" / name, tmp_path / "scratch")
    assert HoverDeriver().derive(run) == NotNeeded("still")


def test_what_cannot_be_decoded_is_told(shared_media: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentError):
        run_of(shared_media / "video" / "truncated_no_moov.mp4", tmp_path / "scratch")
