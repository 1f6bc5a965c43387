"""Clips of small films made for the purpose: the first frame, the length, the sound, the picture, copied or encoded.

Every frame of the films is one grey that tells its number, so that what was decoded can be counted.
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.derivers import moment
from media.derivers.base import Ready
from media.derivers.moment import MomentDeriver
from media.errors import MediaError, RunAbandonedError
from media.sniffing import described, sniff_path
from media.subject import Subject
from media.tools import encoders, ffmpeg, ffprobe
from media.tools.encoders import Encoder
from media.transcoding import cutting
from media.transcoding.cutting import Copy
from tests.makers import make_tone, make_video, pixels_of, turn_video
from tests.media.derivers.contexts import run_of

RATE = 25
STEP = 8
TIMES = ["-select_streams", "v", "-show_entries", "packet=pts_time:format=start_time", "-of", "csv=p=0"]
GREYS = f"color=black:size=160x90:rate={RATE}:duration={{0}},geq=lum='16+{STEP}*mod(N,{RATE})':cb=128:cr=128"
GROUPS = ("-preset", "veryfast", "-bf", "2", "-g", str(RATE), "-sc_threshold", "0", "-qp", "1")


def counted(
    path: Path, *options: str, seconds: float = 4, codec: str = "libx264", audio: bool = True
) -> Path:
    """A film whose every second begins with a key frame and counts from 0 to 24."""
    return make_video(
        path, source=GREYS.format(seconds), seconds=seconds, codec=codec, audio=audio, options=options
    )


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return counted(tmp_path_factory.mktemp("film") / "film.mp4", *GROUPS)


def clip_of(path: Path, tmp_path: Path, start: float, end: float) -> tuple[Ready, Path]:
    run = run_of(path, tmp_path / "scratch")
    run.parameters = {"start": f"{start:.3f}", "end": f"{end:.3f}", "version": 7}
    result = MomentDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts["version"] == 7
    return result, result.outputs[0].path


def numbers(path: Path) -> list[int]:
    """What each frame says it is."""
    graph = "scale=1:1:out_range=pc,format=gray"
    arguments = ["-map", "0:v", "-fps_mode", "passthrough", "-vf", graph, "-f", "rawvideo", "pipe:1"]
    greys = ffmpeg.run(["-i", path, *arguments], timeout=60).stdout
    return [round(grey / (STEP * 255 / 219)) for grey in greys]


def times(path: Path) -> list[float]:
    """When each frame is shown."""
    shown = ["-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    text = ffprobe.ask(path, "mov", shown, timeout=30).decode()
    return sorted(float(line.strip(",")) for line in text.split())


def streams_of(path: Path) -> dict[str, dict[str, Any]]:
    return {one["codec_type"]: one for one in ffprobe.read(path, "mov")["streams"]}


def samples(path: Path) -> Any:
    """The sound at 8 kHz."""
    arguments: list[str | Path] = [
        "-i",
        path,
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        "8000",
        "-f",
        "f32le",
        "pipe:1",
    ]
    return np.frombuffer(ffmpeg.run(arguments, timeout=60).stdout, dtype="<f4")


@pytest.mark.parametrize(
    ("start", "first", "second_at"),
    [
        (1.52, 13, 0.04),
        (1.521, 13, 0.039),
        (1.54, 13, 0.02),
        (1.559, 13, 0.001),
        (1.56, 14, 0.04),
        (0.07, 1, 0.01),
    ],
)
def test_the_first_frame_is_the_one_that_stands_at_the_start(
    film: Path, tmp_path: Path, start: float, first: int, second_at: float
) -> None:
    result, path = clip_of(film, tmp_path, start, start + 1.01)
    assert result.made_with["encoder"] == "libx264"
    assert numbers(path)[:3] == [first, first + 1, first + 2]
    assert times(path)[:2] == pytest.approx([0, second_at], abs=0.0015)
    assert float(streams_of(path)["video"]["duration"]) == pytest.approx(1.01, abs=1 / RATE)
    assert float(streams_of(path)["audio"]["duration"]) == pytest.approx(1.01, abs=0.03)


@pytest.mark.parametrize(("end", "last"), [(1.8, 19), (1.79, 19), (1.801, 20), (4.0, 24), (3.999, 24)])
def test_the_last_frame_is_the_one_before_the_end(film: Path, tmp_path: Path, end: float, last: int) -> None:
    _, path = clip_of(film, tmp_path, 1.52, end)
    assert numbers(path)[-1] == last


@pytest.mark.parametrize("name", ["film.ts", "film.mkv", "film.avi", "film.mov", "film.flv"])
def test_other_containers_are_cut_as_exactly(film: Path, tmp_path: Path, name: str) -> None:
    other = tmp_path / name
    ffmpeg.run(
        ["-i", film, *(["-c:v", "mpeg4", "-qscale", "1"] if name.endswith("avi") else ["-c", "copy"]), other],
        timeout=60,
    )
    answer = ffprobe.ask(other, described(sniff_path(other).mime).demuxer, TIMES, timeout=30).decode().split()
    begin = float(answer.pop().strip(","))
    shown = sorted(float(time.strip(",")) - begin for time in answer)
    first = max(number for number, time in enumerate(shown) if time <= 2.531)
    last = max(number for number, time in enumerate(shown) if time < 3.2)
    _, path = clip_of(other, tmp_path, 2.53, 3.2)
    assert numbers(path) == [number % RATE for number in range(first, last + 1)]
    assert times(path)[0] == 0


def test_frames_of_unequal_length_keep_their_times(tmp_path: Path) -> None:
    source = f"{GREYS.format(4)},select='lt(t,2)+not(mod(n,5))'"
    path = make_video(tmp_path / "vfr.mkv", source=source, seconds=4, options=(*GROUPS, "-fps_mode", "vfr"))
    _, clip = clip_of(path, tmp_path, 1.9, 3.1)
    assert numbers(clip) == [22, 23, 24, 0, 5, 10, 15, 20, 0]
    assert times(clip) == pytest.approx([0, 0.02, 0.06, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1], abs=0.0015)
    assert float(streams_of(clip)["video"]["duration"]) == pytest.approx(1.2, abs=0.002)


@pytest.mark.parametrize(("start", "end"), [(1.013, 3), (0.5, 2.5), (1, 3)])
def test_sound_and_picture_stay_together(tmp_path: Path, start: float, end: float) -> None:
    """White and a tone begin at the same instant."""
    path = tmp_path / "clap.mp4"
    picture = f"color=black:size=160x90:rate={RATE}:duration=4,geq=lum='if(gte(T,1.6),235,16)':cb=128:cr=128"
    tone = "aevalsrc='if(gte(t,1.6),sin(2*PI*440*t),0)':sample_rate=48000:duration=4"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    ffmpeg.run([*inputs, "-c:v", "libx264", *GROUPS, "-pix_fmt", "yuv420p", path], timeout=60)
    result, clip = clip_of(path, tmp_path, start, end)
    assert result.made_with["encoder"] == ("copy" if start == 1 else "libx264")
    white = times(clip)[next(number for number, grey in enumerate(numbers(clip)) if grey > 15)]
    heard = int(np.argmax(np.abs(samples(clip)) > 0.3)) / 8000
    assert white == pytest.approx(1.6 - start, abs=1 / RATE)
    assert abs(heard - white) <= 0.04


@pytest.mark.parametrize(
    ("start", "end", "frames"), [(1, 3, range(50)), (0, 2, range(50)), (2, 4, range(50)), (0, 4, range(100))]
)
def test_packets_are_taken_as_they_are_between_key_frames(
    film: Path, tmp_path: Path, start: float, end: float, frames: range
) -> None:
    result, path = clip_of(film, tmp_path, start, end)
    assert result.made_with["encoder"] == "copy"
    assert numbers(path) == [number % RATE for number in frames]
    assert times(path)[0] == 0
    assert float(streams_of(path)["video"]["duration"]) == pytest.approx(end - start, abs=0.005)
    assert float(streams_of(path)["audio"].get("start_time", 0)) == pytest.approx(0, abs=0.04)
    assert path.read_bytes().find(b"moov") < path.read_bytes().find(b"mdat")


def test_what_browsers_do_not_play_or_hangs_together_is_encoded(film: Path, tmp_path: Path) -> None:
    opened = "open-gop=1:bframes=4:b-adapt=0:keyint=25:min-keyint=25:scenecut=0:qp=1"
    sources = [
        counted(tmp_path / "open.mp4", "-preset", "veryfast", "-x264-params", opened),
        counted(tmp_path / "hevc.mp4", "-g", "25", "-crf", "1", codec="libx265"),
        tmp_path / "film.mkv",
    ]
    ffmpeg.run(["-i", film, "-c", "copy", sources[-1]], timeout=60)
    for source in sources:
        result, path = clip_of(source, tmp_path, 1, 2)
        assert (result.made_with["encoder"], numbers(path)) == ("libx264", list(range(RATE)))
    for start, end in ((1.04, 3), (1, 2.96), (1, 3.5)):
        assert clip_of(film, tmp_path, start, end)[0].made_with["encoder"] == "libx264"


def test_a_copy_that_came_out_wrong_is_encoded(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Copy(0.0, None, None)
    monkeypatch.setattr(cutting, "copy_between", lambda *_: wrong)
    monkeypatch.setattr(moment, "ROUNDING", -1.0)
    result, path = clip_of(film, tmp_path, 1, 2)
    assert result.made_with["encoder"] == "libx264"
    assert numbers(path) == list(range(RATE))


@pytest.mark.parametrize(
    ("size", "kept"), [((2560, 1072), (1920, 804)), ((720, 1440), (720, 1440)), ((321, 241), (320, 240))]
)
def test_sizes_stay_within_full_hd(tmp_path: Path, size: tuple[int, int], kept: tuple[int, int]) -> None:
    options = ["-vf", f"scale={size[0]}:{size[1]},setsar=1,format=yuv444p", "-pix_fmt", "yuv444p"]
    source = make_video(tmp_path / "film.mkv", seconds=0.5, rate=10, options=options)
    result, _ = clip_of(source, tmp_path, 0.1, 0.4)
    assert (result.facts["width"], result.facts["height"]) == kept


def test_what_comes_out_plays_everywhere(tmp_path: Path) -> None:
    source = make_video(tmp_path / "big.mkv", seconds=1, size=(2560, 1440), rate=10)
    result, path = clip_of(source, tmp_path, 0.1, 0.6)
    video, audio = streams_of(path)["video"], streams_of(path)["audio"]
    assert (video["width"], video["height"], video["pix_fmt"], video["profile"]) == (
        1920,
        1080,
        "yuv420p",
        "High",
    )
    assert (video["level"], audio["codec_name"], audio["channels"]) == (41, "aac", 2)
    assert result.facts["type"] == 'video/mp4; codecs="avc1.640029, mp4a.40.2"'
    assert (result.facts["width"], result.facts["height"]) == (1920, 1080)
    assert path.read_bytes().find(b"moov") < path.read_bytes().find(b"mdat")


@pytest.mark.parametrize("start", [0.5, 1])
def test_what_was_held_upright_is_upright(film: Path, tmp_path: Path, start: float) -> None:
    turned = turn_video(film, tmp_path / "turned.mp4", 90)
    result, _ = clip_of(turned, tmp_path, start, 2)
    assert result.made_with["encoder"] == ("copy" if start == 1 else "libx264")
    assert (result.facts["width"], result.facts["height"]) == (90, 160)
    assert pixels_of(result.outputs[1].path).shape[:2] == (160, 90)


def test_nothing_of_the_whole_is_told_by_the_clip(tmp_path: Path) -> None:
    metadata = tmp_path / "meta.txt"
    chapter = "[CHAPTER]\nTIMEBASE=1/1\nSTART={}\nEND={}\ntitle={}\n"
    told = ";FFMETADATA1\ntitle=Secret party\ncomment=at home\n"
    metadata.write_text(told + chapter.format(0, 1, "Arrival") + chapter.format(1, 2, "Quarrel"))
    source, plain = tmp_path / "told.mp4", make_video(tmp_path / "plain.mp4", options=("-g", "25"))
    ffmpeg.run(
        ["-i", plain, "-i", metadata, "-map_metadata", "1", "-map_chapters", "1", "-c", "copy", source],
        timeout=30,
    )
    for start in (0, 0.5):
        _, path = clip_of(source, tmp_path, start, 1)
        answer = ffprobe.read(path, "mov")
        assert answer["chapters"] == []
        assert not {"title", "comment"} & answer["format"]["tags"].keys()


def scenes(path: Path, *colors: str) -> Path:
    """Two seconds of each."""
    graph = [f"color={one}:size=160x90:rate=25:duration=2[{number}]" for number, one in enumerate(colors)]
    names = "".join(f"[{number}]" for number in range(len(colors)))
    return make_video(
        path, source=";".join(graph) + f";{names}concat=n={len(colors)}:v=1:a=0", seconds=2 * len(colors)
    )


@pytest.mark.parametrize(("start", "end", "channel"), [(2.1, 3.9, 1), (4.1, 5.9, 2), (0, 2, 0)])
def test_the_picture_is_of_the_clip_and_of_nothing_around_it(
    tmp_path: Path, start: float, end: float, channel: int
) -> None:
    result, _ = clip_of(scenes(tmp_path / "scenes.mp4", "red", "lime", "blue"), tmp_path, start, end)
    assert [output.name for output in result.outputs] == ["moment.mp4", "poster.webp"]
    means = pixels_of(result.outputs[1].path).reshape(-1, 3).mean(axis=0)
    assert int(np.argmax(means)) == channel
    assert means[channel] > 200
    assert np.delete(means, channel).max() < 40


def test_the_picture_is_not_black_where_something_else_is(tmp_path: Path) -> None:
    dark = scenes(tmp_path / "dark.mp4", "black", "black", "black", "gray")
    result, _ = clip_of(dark, tmp_path, 0, 6.2)
    assert pixels_of(result.outputs[1].path).mean() > 100
    result, _ = clip_of(dark, tmp_path, 1, 3)
    assert pixels_of(result.outputs[1].path).mean() < 20


def test_the_picture_is_480_wide_at_most(tmp_path: Path) -> None:
    wide = make_video(tmp_path / "wide.mp4", seconds=1, size=(960, 540))
    result, _ = clip_of(wide, tmp_path, 0.2, 0.8)
    assert pixels_of(result.outputs[1].path).shape[:2] == (270, 480)


def test_a_clip_may_be_a_single_frame(film: Path, tmp_path: Path) -> None:
    result, path = clip_of(film, tmp_path, 1.52, 1.57)
    assert numbers(path)[0] == 13
    assert len(numbers(path)) <= 2
    assert len(result.outputs) == 2


@pytest.mark.parametrize("name", ["tone.wav", "tone.mp3", "tone.flac", "tone.ogg", "tone.m4a"])
def test_recordings_are_cut_by_the_sample(tmp_path: Path, name: str) -> None:
    make_tone(tmp_path / name, seconds=3, rate=48_000)
    result, path = clip_of(tmp_path / name, tmp_path, 0.513, 2.25)
    assert [(one.name, one.content_type) for one in result.outputs] == [("moment.m4a", "audio/mp4")]
    assert result.made_with["encoder"] == "aac"
    assert len(samples(path)) / 8000 == pytest.approx(1.737, abs=0.03)
    assert float(ffprobe.read(path, "mov")["format"]["duration"]) == pytest.approx(1.737, abs=0.03)
    assert np.abs(samples(path)[400:1200]).max() > 0.5


def test_it_tells_how_far_it_is(film: Path, tmp_path: Path) -> None:
    run = run_of(film, tmp_path / "scratch")
    run.parameters = {"start": "0.500", "end": "3.500", "version": 1}
    MomentDeriver().derive(run)
    percents = [percent for percent, _ in run.told]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_it_ends_soon_when_it_is_given_up(tmp_path: Path) -> None:
    source = make_video(tmp_path / "long.mp4", seconds=60, size=(1280, 720), options=("-g", "250"))
    given_up = threading.Event()
    run = run_of(source, tmp_path / "scratch", stop=given_up.is_set)
    run.parameters = {"start": "0.500", "end": "59.500", "version": 1}
    threading.Timer(1.5, given_up.set).start()
    began = time.monotonic()
    with pytest.raises(RunAbandonedError):
        MomentDeriver().derive(run)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("kept", [0.3, 0.6])
def test_what_broke_off_gives_what_is_there_or_says_so(film: Path, tmp_path: Path, kept: float) -> None:
    """The index is there, the frames are not."""
    broken = tmp_path / "broken.mp4"
    ffmpeg.run(["-i", film, "-c", "copy", "-movflags", "+faststart", broken], timeout=30)
    run = run_of(broken, tmp_path / "scratch")
    run.parameters = {"start": "3.200", "end": "3.900", "version": 1}
    content = broken.read_bytes()
    broken.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(MediaError) as caught:
        MomentDeriver().derive(run)
    assert caught.value.message


@pytest.mark.parametrize("audio", [True, False])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_what_breaks_off_within_the_span_is_told(tmp_path: Path, name: str, audio: bool) -> None:
    options = (*GROUPS, *(("-movflags", "+faststart") if name == "a.mp4" else ()))
    whole = make_video(tmp_path / name, seconds=10, audio=audio, options=options)
    run = run_of(whole, tmp_path / "scratch")
    run.parameters = {"start": "4.020", "end": "9.020", "version": 1}
    good = MomentDeriver().derive(run)
    assert isinstance(good, Ready)
    assert "partial" not in good.facts
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * 0.6)])
    result = MomentDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts["partial"] is True
    assert 0 < len(times(result.outputs[0].path)) < 100


def test_hardware_that_fails_is_followed_by_software(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Encoder("nvenc", "h264_nvenc", quality=("-preset", "no-such-preset"))
    monkeypatch.setattr(encoders, "choose", lambda: broken)
    result, path = clip_of(film, tmp_path, 0.5, 1)
    assert (result.made_with["encoder"], result.made_with["instead_of"]) == ("libx264", "h264_nvenc")
    assert numbers(path)[0] == 12


def test_only_what_has_a_length_is_accepted() -> None:
    deriver = MomentDeriver()
    probe = {"duration": 1.0}
    assert not deriver.planned
    assert deriver.accepts(Subject("video", "video/mp4", 1, probe))
    assert deriver.accepts(Subject("audio", "audio/mpeg", 1, probe))
    assert not deriver.accepts(Subject("video", "video/mp4", 1))
    assert not deriver.accepts(Subject("image", "image/png", 1, probe))
    assert deriver.scratch_bytes(Subject("audio", "audio/mpeg", 1, {"duration": 10_000_000.0})) <= 2 * 1024**3


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "start", "end", "frame", "encoder"),
    [
        ("video/vfr_switch.mp4", 1.5, 3.0, 0.167, "libx264"),
        ("video/vfr_switch.mp4", 0, 3.604, 0.167, "copy"),
        ("video/rot270_5s.mp4", 1.001, 3.003, 0.034, "copy"),
        ("video/rot270_5s.mp4", 1.2, 3.003, 0.034, "libx264"),
        ("video/flower.mp4", 1.01, 3.02, 0.034, "libx264"),
        ("video/flower.mp4", 0, 5.056, 0.034, "copy"),
        ("video/hdr10_x265_mastering.mp4", 0.5, 2.5, 0.034, "libx264"),
        ("video/vp9_opus.webm", 0.5, 1.5, 0.034, "libx264"),
        ("audio/jfk.mp3", 2.5, 7.25, 0.03, "aac"),
    ],
)
def test_real_files_last_as_long_as_they_shall(
    shared_media: Path, tmp_path: Path, name: str, start: float, end: float, frame: float, encoder: str
) -> None:
    result, path = clip_of(shared_media / name, tmp_path, start, end)
    assert result.made_with["encoder"] == encoder
    assert result.facts["duration"] == pytest.approx(end - start, abs=frame)
    begins: Sequence[float] = [float(one["start_time"]) for one in ffprobe.read(path, "mov")["streams"]]
    assert max(begins) - min(begins) <= 0.04
    if "rot270" in name:
        assert (result.facts["width"], result.facts["height"]) == (720, 1280)
    if "hdr10" in name:
        assert streams_of(path)["video"]["color_transfer"] == "bt709"
