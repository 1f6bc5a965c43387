"""Broadcasts: streams whose size, channels or rate change on the way, as between a film and what comes before it."""

from pathlib import Path

import numpy as np
import pytest

from media.derivers.base import Ready
from media.derivers.loudness import LoudnessDeriver
from media.derivers.moment import MomentDeriver
from media.derivers.poster import PosterDeriver
from media.derivers.proxy import ProxyDeriver
from media.derivers.sprites import SpritesDeriver
from media.tools import ffmpeg, ffprobe
from tests.makers import make_video, pixels_of
from tests.media.derivers.contexts import derive, run_of
from tests.media.derivers.sync import RATE

SCENE = 3
COLOURS = ("red", "lime", "blue")
TONES = (440, 880, 1320)
CHANNELS = (2, 6, 1)
SIZES = ((320, 240), (480, 240), (320, 240))
LOUD = (0.5, 0.05, 0.05)


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of three seconds, each of another size and with other channels, one behind the other."""
    folder = tmp_path_factory.mktemp("broadcast")
    scenes = [scene(folder / f"{number}.ts", number) for number in range(len(COLOURS))]
    whole = folder / "broadcast.ts"
    whole.write_bytes(b"".join(path.read_bytes() for path in scenes))
    return whole


def scene(path: Path, number: int) -> Path:
    width, height = SIZES[number]
    picture = f"color={COLOURS[number]}:s={width}x{height}:r=25:d={SCENE}"
    tone = f"sine={TONES[number]}:r=48000:d={SCENE},volume={LOUD[number] * 8}"
    encode = ["-c:v", "mpeg2video", "-g", "12", "-c:a", "aac", "-ac", str(CHANNELS[number])]
    placed = ["-output_ts_offset", str(number * SCENE), "-f", "mpegts"]
    ffmpeg.run(["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, *encode, *placed, path], timeout=60)
    return path


def tones_of(path: Path) -> list[int]:
    """What is heard in the middle of each second, sample after sample, whatever their time stamps say."""
    plain = ["-map", "0:a:0", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "pipe:1"]
    found, half = np.frombuffer(ffmpeg.run(["-i", path, *plain], timeout=60).stdout, "<f4"), RATE // 2
    middles = range(half, len(found) - half // 2, RATE)
    return [int(np.argmax(np.abs(np.fft.rfft(found[at - half // 2 : at + half // 2])))) * 2 for at in middles]


def colours_of(path: Path, seconds: list[float]) -> list[str]:
    """Which of the colours is seen at each second."""
    found = []
    for second in seconds:
        dot = ["-frames:v", "1", "-vf", "scale=1:1,format=rgb24", "-f", "rawvideo", "pipe:1"]
        done = ffmpeg.run(["-ss", f"{second:.3f}", "-i", path, *dot], timeout=30)
        found.append(COLOURS[int(np.argmax(np.frombuffer(done.stdout, np.uint8)[:3]))])
    return found


def test_the_sound_of_a_proxy_stays_with_its_picture(broadcast: Path, tmp_path: Path) -> None:
    result = derive(ProxyDeriver(), broadcast, tmp_path / "scratch")
    path = result.outputs[0].path
    assert tones_of(path) == [tone for tone in TONES for _ in range(SCENE)]
    assert colours_of(path, [1.5, 4.5, 7.5]) == list(COLOURS)
    assert result.facts["duration"] == pytest.approx(3 * SCENE, abs=0.1)


def test_a_clip_over_a_change_keeps_its_sound(broadcast: Path, tmp_path: Path) -> None:
    run = run_of(broadcast, tmp_path / "scratch")
    run.parameters = {"start": 2.0, "end": 7.0, "version": 1}
    result = MomentDeriver().derive(run)
    assert isinstance(result, Ready)
    path = result.outputs[0].path
    assert tones_of(path) == [440, 880, 880, 880, 1320]


@pytest.fixture(scope="module")
def restless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four seconds that change their size five times a second."""
    folder = tmp_path_factory.mktemp("restless")
    encode = ["-c:v", "libx264", "-g", "1", "-bf", "0", "-x264-params", "repeat-headers=1", "-f", "h264"]
    for width in (320, 480):
        picture = f"testsrc2=s={width}x240:r=25:d=0.2"
        ffmpeg.run(["-f", "lavfi", "-i", picture, *encode, folder / f"{width}.h264"], timeout=60)
    both = (folder / "320.h264").read_bytes() + (folder / "480.h264").read_bytes()
    (folder / "all.h264").write_bytes(both * 60)
    film = folder / "restless.ts"
    ffmpeg.run(
        ["-f", "h264", "-framerate", "25", "-i", folder / "all.h264", "-c", "copy", film],
        timeout=60,
    )
    return film


def test_a_clip_of_a_restless_film_has_every_frame(restless: Path, tmp_path: Path) -> None:
    run = run_of(restless, tmp_path / "scratch")
    run.parameters = {"start": 1.0, "end": 4.0, "version": 1}
    result = MomentDeriver().derive(run)
    assert isinstance(result, Ready)
    shown = ["-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    times = sorted(
        float(line) for line in ffprobe.ask(result.outputs[0].path, "mov", shown, timeout=30).split()
    )
    assert times == pytest.approx([number / 25 for number in range(75)], abs=0.001)


def test_cells_show_their_own_second_over_changes(broadcast: Path, tmp_path: Path) -> None:
    result = derive(SpritesDeriver(), broadcast, tmp_path / "scratch")
    sheet = pixels_of(next(output.path for output in result.outputs if output.name == "sprite-001.jpg"))
    seen = []
    for cell in range(result.facts["count"]):
        row, column = divmod(cell, result.facts["columns"])
        wide, high = result.facts["frame_width"], result.facts["frame_height"]
        middle = sheet[row * high + high // 2, column * wide + wide // 2]
        seen.append(COLOURS[int(np.argmax(middle))])
    expected = [COLOURS[min(2, int(cell * result.facts["interval"] / SCENE))] for cell in range(len(seen))]
    # A key frame that was lost at a seam makes a cell or two old.
    assert sum(one != other for one, other in zip(seen, expected, strict=True)) <= 4
    assert seen == sorted(seen, key=COLOURS.index)


def test_all_scenes_are_heard_together(broadcast: Path, tmp_path: Path) -> None:
    """The first scene is 20 dB louder than the others, so that it alone is above the gate of the whole."""
    whole = derive(LoudnessDeriver(), broadcast, tmp_path / "scratch").facts
    first = derive(LoudnessDeriver(), broadcast.parent / "0.ts", tmp_path / "first").facts
    last = derive(LoudnessDeriver(), broadcast.parent / "2.ts", tmp_path / "last").facts
    assert whole["integrated"] == pytest.approx(first["integrated"], abs=1)
    assert whole["integrated"] - last["integrated"] > 10
    assert whole["true_peak"] == pytest.approx(first["true_peak"], abs=1)


def test_a_restless_film_has_one_sheet(restless: Path, tmp_path: Path) -> None:
    result = derive(SpritesDeriver(), restless, tmp_path / "scratch")
    assert [output.name for output in result.outputs] == ["sprites.vtt", "sprite-001.jpg"]


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small red scene, then one in blue that is larger than may be decoded."""
    scenes = [
        make_video(tmp_path / f"{number}.ts", source=source, audio=False, codec="mpeg2video", options=options)
        for number, source, options in (
            (0, "color=red:s=320x240:r=25:d=3", []),
            (1, "color=blue:s=640x480:r=25:d=3", ["-output_ts_offset", "3"]),
        )
    ]
    whole = tmp_path / "growing.ts"
    whole.write_bytes(b"".join(path.read_bytes() for path in scenes))
    monkeypatch.setenv("ALCOVES_VIDEO_MAX_MEGAPIXELS", "0.1")
    return whole


def test_no_poster_of_frames_that_are_larger_than_the_header_says(growing: Path, tmp_path: Path) -> None:
    result = derive(PosterDeriver(), growing, tmp_path / "scratch")
    for output in result.outputs:
        red, _, blue = pixels_of(output.path).mean(axis=(0, 1))[:3]
        assert (red > 200, blue < 50) == (True, True), output.name


def test_no_proxy_of_them_either(growing: Path, tmp_path: Path) -> None:
    result = derive(ProxyDeriver(), growing, tmp_path / "scratch")
    assert result.facts["partial"]
    assert result.facts["duration"] == pytest.approx(SCENE, abs=0.2)
    assert colours_of(result.outputs[0].path, [1.0, 2.8]) == ["red", "red"]


def test_no_sprites_of_them_either(growing: Path, tmp_path: Path) -> None:
    derive(SpritesDeriver(), growing, tmp_path / "scratch")
    red, _, blue = pixels_of(tmp_path / "scratch" / "keys" / "sprite-001.jpg").mean(axis=(0, 1))[:3]
    assert (red > 200, blue < 50) == (True, True)
