"""Picture and sound of a proxy come together, however the source began. The limit: 40 ms."""

from pathlib import Path

import pytest

from media.derivers.proxy import ProxyDeriver
from media.tools import ffmpeg
from tests.media.derivers.contexts import derive
from tests.media.derivers.sync import MOMENT, beep_of, flash_of, make_flash_and_beep, offset_of

LIMIT = 0.04
MPEG4 = ("-c:v", "mpeg4", "-q:v", "3")


def check(source: Path, tmp_path: Path, *, encoder: str = "libx264") -> Path:
    result = derive(ProxyDeriver(), source, tmp_path / "scratch")
    assert result.made_with["encoder"] == encoder
    path = result.outputs[0].path
    assert abs(offset_of(path)) <= LIMIT
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", (*MPEG4, "-c:a", "aac")),
        ("a.avi", (*MPEG4, "-c:a", "libmp3lame")),
        ("a.mov", (*MPEG4, "-c:a", "pcm_s16le")),
        ("a.ts", ("-c:v", "mpeg2video", "-c:a", "mp2")),
        ("a.flv", ("-c:v", "flv1", "-c:a", "libmp3lame", "-ar", "44100")),
        ("a.mp4", ("-c:v", "libx265", "-x265-params", "log-level=error", "-c:a", "ac3")),
    ],
)
def test_containers(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    path = check(make_flash_and_beep(tmp_path / name, *options), tmp_path)
    assert flash_of(path) == pytest.approx(MOMENT, abs=0.1)


@pytest.mark.parametrize("name", ["a.mkv", "a.mov", "a.ts"])
@pytest.mark.parametrize(("late", "early"), [(0.7, 0.0), (0.0, 0.7)])
def test_one_track_begins_later_than_the_other(tmp_path: Path, name: str, late: float, early: float) -> None:
    video = ("-c:v", "mpeg2video") if name == "a.ts" else MPEG4
    source = make_flash_and_beep(tmp_path / name, *video, "-c:a", "aac", late=late, early=early)
    check(source, tmp_path)


@pytest.mark.parametrize(("late", "early"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.7)])
def test_copied_pictures(tmp_path: Path, late: float, early: float) -> None:
    source = make_flash_and_beep(tmp_path / "a.mkv", "-c:v", "libx264", "-c:a", "ac3", late=late, early=early)
    check(source, tmp_path, encoder="copy")


def test_copied_pictures_with_copied_sound(tmp_path: Path) -> None:
    source = make_flash_and_beep(tmp_path / "a.mkv", "-c:v", "libx264", "-c:a", "aac", late=0.3)
    check(source, tmp_path, encoder="copy")


def test_an_edit_list_that_begins_in_the_middle(tmp_path: Path) -> None:
    whole = make_flash_and_beep(
        tmp_path / "a.mp4", "-c:v", "libx265", "-x265-params", "log-level=error:keyint=50", "-c:a", "aac"
    )
    cut = tmp_path / "cut.mp4"
    ffmpeg.run(["-ss", "0.5", "-i", whole, "-c", "copy", cut], timeout=30)
    path = check(cut, tmp_path)
    assert beep_of(path) == pytest.approx(MOMENT - 0.5, abs=0.1)


def test_times_that_begin_far_from_zero(tmp_path: Path) -> None:
    source = make_flash_and_beep(
        tmp_path / "a.ts", "-c:v", "mpeg2video", "-c:a", "mp2", "-output_ts_offset", "3600"
    )
    path = check(source, tmp_path)
    assert flash_of(path) == pytest.approx(MOMENT, abs=0.1)


def test_times_that_begin_below_zero(tmp_path: Path) -> None:
    source = make_flash_and_beep(
        tmp_path / "a.mkv",
        *MPEG4,
        "-c:a",
        "libopus",
        "-output_ts_offset",
        "-0.4",
        "-avoid_negative_ts",
        "disabled",
    )
    check(source, tmp_path)


def test_a_variable_rate(tmp_path: Path) -> None:
    links = "select='not(mod(n,3))+lt(t,1)'"
    options = (*MPEG4, "-fps_mode", "vfr", "-c:a", "aac")
    check(make_flash_and_beep(tmp_path / "a.mkv", *options, links=links, rate=50), tmp_path)


@pytest.mark.parametrize(
    ("codec", "encoder"),
    [(MPEG4, "libx264"), (("-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"), "copy")],
)
def test_the_last_frames_are_shown_where_they_stand_longer_than_others(
    tmp_path: Path, codec: tuple[str, ...], encoder: str
) -> None:
    """A player ends where the track says so: a picture that comes after that is never seen."""
    graph = "testsrc2=size=160x90:rate=30:duration=6,select='lt(n,60)+not(mod(n,30))'"
    source = tmp_path / "a.mkv"
    ffmpeg.run(["-f", "lavfi", "-i", graph, "-fps_mode", "vfr", *codec, source], timeout=30)
    result = derive(ProxyDeriver(), source, tmp_path / "scratch")
    assert result.made_with["encoder"] == encoder
    assert result.facts["duration"] == pytest.approx(5 + 1 / 30, abs=0.002)


def test_a_hole_in_the_sound_is_filled(tmp_path: Path) -> None:
    """Packets that were lost at one second: what comes after must not move forward."""
    source = make_flash_and_beep(tmp_path / "a.mkv", *MPEG4, "-c:a", "ac3")
    holed = tmp_path / "holed.mkv"
    drop = "noise=drop='between(pts*tb,0.6,1.1)'"
    ffmpeg.run(["-i", source, "-c", "copy", "-bsf:a", drop, holed], timeout=30)
    check(holed, tmp_path)
