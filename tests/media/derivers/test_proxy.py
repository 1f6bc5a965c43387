"""Proxies of small films made for the purpose: what comes out, in which colours, in which time, under which names."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media.derivers.base import NotNeeded, Ready
from media.derivers.proxy import ProxyDeriver
from media.errors import DamagedFileError, RunAbandonedError, TooLargeError, TransientError
from media.subject import Subject
from media.tools import encoders, ffmpeg, ffprobe
from media.tools import run as door
from media.tools.encoders import Encoder
from tests.makers import make_image, make_tone, make_video, turn_video
from tests.media.derivers.contexts import Run, derive, kill_at_start, run_of

BT709 = {
    "color_range": "tv",
    "color_space": "bt709",
    "color_primaries": "bt709",
    "color_transfer": "bt709",
}


def proxy_of(path: Path, tmp_path: Path, **parameters: Any) -> Ready:
    run = run_of(path, tmp_path / "scratch")
    run.parameters = parameters
    result = ProxyDeriver().derive(run)
    assert isinstance(result, Ready)
    return result


def streams_of(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ffprobe.read(path, "mov")["streams"]
    return found


def made(result: Ready) -> Path:
    assert len(result.outputs) == 1
    return result.outputs[0].path


def make(path: Path, *arguments: str | Path) -> Path:
    ffmpeg.run([*arguments, path], timeout=60)
    return path


def lavfi(*graphs: str) -> list[str]:
    return [word for graph in graphs for word in ("-f", "lavfi", "-i", graph)]


def test_films_and_recordings_are_accepted() -> None:
    assert ProxyDeriver().accepts(Subject("video", "video/mp4", 1))
    assert ProxyDeriver().accepts(Subject("audio", "audio/mpeg", 1))
    assert not ProxyDeriver().accepts(Subject("image", "image/png", 1))
    assert ProxyDeriver.needs_probe


def test_what_browsers_play_needs_none(films: Path, tmp_path: Path) -> None:
    run = run_of(films / "plain.mp4", tmp_path / "scratch")
    assert ProxyDeriver().derive(run) == NotNeeded("already_playable")
    assert not list((tmp_path / "scratch").iterdir())


def test_a_person_gets_one_anyway(films: Path, tmp_path: Path) -> None:
    result = proxy_of(films / "plain.mp4", tmp_path, force=True)
    assert result.made_with["encoder"] == "libx264"
    assert (result.facts["width"], result.facts["height"]) == (640, 360)
    assert result.facts["duration"] == pytest.approx(3.0, abs=0.05)


def test_hevc_becomes_h264_with_the_index_first(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", codec="libx265", seconds=5, options=["-tag:v", "hvc1"])
    result = proxy_of(source, tmp_path)
    video, audio = streams_of(made(result))
    assert (video["codec_name"], video["profile"], video["level"]) == ("h264", "High", 41)
    assert (video["pix_fmt"], video["sample_aspect_ratio"]) == ("yuv420p", "1:1")
    assert {name: video[name] for name in BT709} == BT709
    assert (audio["codec_name"], audio["channels"], audio["sample_rate"]) == ("aac", 2, "48000")
    content = made(result).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert result.outputs[0].content_type == "video/mp4"
    assert result.facts["type"] == 'video/mp4; codecs="avc1.640029, mp4a.40.2"'
    assert result.facts["video_codec"] == "h264"
    assert result.facts["size"] == len(content)
    assert "partial" not in result.facts


def test_key_frames_come_every_two_seconds_and_close_their_group(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", codec="libx265", seconds=9, size=(160, 90))
    path = made(proxy_of(source, tmp_path))
    packets = packets_of(path)
    assert {0.0, 2.0, 4.0, 6.0, 8.0} <= {time for time, key in packets if key}
    for at, (time, key) in enumerate(packets):
        # In a closed group no frame that comes after a key frame in the file is shown before it.
        assert not key or all(later > time for later, _ in packets[at + 1 :])


def packets_of(path: Path) -> list[tuple[float, bool]]:
    """Time and whether it is a key frame, in the order of the file."""
    command = [
        ffprobe.binary(),
        "-v",
        "error",
        "-select_streams",
        "v",
        "-show_entries",
        "packet=pts_time,flags",
    ]
    answer = json.loads(door.run([*command, "-of", "json", str(path)], timeout=20).stdout)
    return [(float(packet["pts_time"]), "K" in packet["flags"]) for packet in answer["packets"]]


@pytest.mark.parametrize("suffix", ["mkv", "flv", "ts", "3gp"])
def test_where_only_the_container_is_wrong_the_picture_is_copied(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / f"a.{suffix}", seconds=3, options=["-c:a", "aac", "-ar", "44100"])
    result = proxy_of(source, tmp_path)
    assert result.made_with["encoder"] == "copy"
    assert result.facts["duration"] == pytest.approx(3.0, abs=0.1)
    assert frames_of(made(result)) == frames_of(source)


def test_a_copy_that_is_killed_is_tried_again_and_not_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel does so when memory is short; an encode would cost minutes, and quality for ever."""
    source = make_video(tmp_path / "a.mkv", seconds=2, options=["-c:a", "aac"])
    run = run_of(source, tmp_path / "scratch")
    ffmpeg.capabilities()
    killed = kill_at_start(monkeypatch)
    with pytest.raises(TransientError):
        ProxyDeriver().derive(run)
    assert len(killed) == 1


def test_where_only_the_sound_is_wrong_the_picture_is_copied(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mov", seconds=2, options=["-c:a", "pcm_s16le"])
    result = proxy_of(source, tmp_path)
    assert result.made_with["encoder"] == "copy"
    assert [stream["codec_name"] for stream in streams_of(made(result))] == ["h264", "aac"]
    assert frames_of(made(result)) == frames_of(source)


def test_a_picture_that_plays_in_webm_alone_is_not_copied_into_mp4(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.webm", codec="libvpx-vp9", seconds=1, options=["-cpu-used", "8"])
    run = run_of(source, tmp_path / "scratch")
    assert run.subject.probe is not None
    odd = {**run.subject.probe, "audio": [{**run.subject.probe["audio"][0], "codec": "flac"}]}
    run.subject = replace(run.subject, probe=odd)
    result = ProxyDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.made_with["encoder"] == "libx264"
    assert streams_of(made(result))[0]["codec_name"] == "h264"


def test_a_film_that_begins_without_a_key_frame_is_encoded(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.ts", seconds=4, options=["-g", "50", "-c:a", "aac"])
    content = whole.read_bytes()
    cut = tmp_path / "b.ts"
    cut.write_bytes(content[: 188 * 3] + content[188 * (len(content) // 188 // 4) :])
    assert proxy_of(cut, tmp_path).made_with["encoder"] == "libx264"


def test_copied_packets_that_do_not_play_are_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_video(tmp_path / "a.mkv", seconds=1, options=["-c:a", "aac"])
    real = ffmpeg.run

    def run(arguments: Sequence[str | Path], **options: Any) -> door.Completed:
        done = real(arguments, **options)
        told = "Non-monotonic DTS in output stream" if "copy" in arguments else ""
        return replace(done, stderr_tail=told)

    monkeypatch.setattr(ffmpeg, "run", run)
    assert proxy_of(source, tmp_path).made_with["encoder"] == "libx264"


def frames_of(path: Path) -> str:
    """A digest of every decoded frame."""
    arguments: list[str | Path] = [
        "-i",
        path,
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "pipe:1",
    ]
    lines = ffmpeg.run(arguments, timeout=30).stdout.decode().splitlines()
    return "\n".join(line.rpartition(",")[2] for line in lines if not line.startswith("#"))


def picture_at(path: Path, second: float, size: tuple[int, int], matrix: str = "bt709") -> Any:
    """One frame as a player shows it."""
    chain = f"scale={size[0]}:{size[1]}:in_color_matrix={matrix}"
    arguments: list[str | Path] = ["-ss", f"{second}", "-i", path, "-frames:v", "1", "-vf", chain]
    done = ffmpeg.run([*arguments, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"], timeout=30)
    return np.frombuffer(done.stdout, np.uint8).reshape(size[1], size[0], 3).astype(int)


def corner_colors(path: Path, size: tuple[int, int]) -> list[tuple[int, int, int]]:
    """The middle of each quarter: top left, top right, bottom left, bottom right."""
    picture = picture_at(path, 0, size)
    rows, columns = (size[1] // 4, 3 * size[1] // 4), (size[0] // 4, 3 * size[0] // 4)
    return [tuple(int(value) for value in picture[row, column]) for row in rows for column in columns]  # type: ignore[misc]


def near(found: Sequence[tuple[int, ...]], wanted: Sequence[tuple[int, ...]], far: int = 14) -> bool:
    return bool(np.abs(np.array(found) - np.array(wanted)).max() <= far)


RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (250, 250, 250)


def still(tmp_path: Path, size: tuple[int, int], *options: str) -> Path:
    """Four quarters for half a second, as HEVC."""
    image = make_image(tmp_path / "quarters.png", size=size)
    chain = "scale=out_color_matrix=bt709:out_range=tv,setparams=colorspace=bt709:range=tv"
    encode = ["-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p", *options]
    return make(
        tmp_path / "still.mp4", "-loop", "1", "-t", "0.5", "-i", image, "-vf", chain, "-r", "10", *encode
    )


@pytest.mark.parametrize(
    ("degrees", "corners"),
    [
        (0, [RED, GREEN, BLUE, WHITE]),
        (90, [GREEN, WHITE, RED, BLUE]),
        (180, [WHITE, BLUE, GREEN, RED]),
        (270, [BLUE, RED, WHITE, GREEN]),
    ],
)
def test_turned_films_stand_upright(
    tmp_path: Path, degrees: int, corners: list[tuple[int, int, int]]
) -> None:
    source = turn_video(still(tmp_path, (160, 80)), tmp_path / "turned.mp4", degrees)
    result = proxy_of(source, tmp_path)
    size = (160, 80) if degrees in {0, 180} else (80, 160)
    assert (result.facts["width"], result.facts["height"]) == size
    video = streams_of(made(result))[0]
    assert (video["width"], video["height"]) == size
    assert not video.get("side_data_list")
    assert near(corner_colors(made(result), size), corners)


@pytest.mark.parametrize(
    ("flip", "corners"),
    [("-display_hflip", [GREEN, RED, WHITE, BLUE]), ("-display_vflip", [BLUE, WHITE, RED, GREEN])],
)
def test_mirrored_films_are_mirrored(tmp_path: Path, flip: str, corners: list[tuple[int, int, int]]) -> None:
    source = tmp_path / "mirrored.mp4"
    make(source, "-display_rotation", "0", flip, "-i", still(tmp_path, (160, 80)), "-c", "copy")
    assert near(corner_colors(made(proxy_of(source, tmp_path)), (160, 80)), corners)


def test_pixels_become_square(tmp_path: Path) -> None:
    source = still(tmp_path, (120, 96), "-aspect", "16:9")
    result = proxy_of(source, tmp_path)
    assert (result.facts["width"], result.facts["height"]) == (170, 96)
    assert streams_of(made(result))[0]["sample_aspect_ratio"] == "1:1"


def test_large_films_are_made_smaller_and_odd_ones_even(tmp_path: Path) -> None:
    tall = still(tmp_path, (1300, 2001), "-pix_fmt", "yuv444p", "-preset", "ultrafast")
    result = proxy_of(tall, tmp_path)
    assert (result.facts["width"], result.facts["height"]) == (1080, 1662)


@pytest.mark.parametrize(
    ("matrix", "space", "scale_range", "told_range"),
    [
        ("bt709", "bt709", "tv", "tv"),
        ("bt601", "smpte170m", "tv", "tv"),
        ("bt601", "bt470bg", "pc", "pc"),
        ("bt2020", "bt2020nc", "tv", "tv"),
    ],
)
def test_colours_stay_what_they_are(
    tmp_path: Path, matrix: str, space: str, scale_range: str, told_range: str
) -> None:
    image = make_image(tmp_path / "quarters.png", size=(160, 80))
    chain = f"scale=out_color_matrix={matrix}:out_range={scale_range},format=yuv420p"
    told = f"setparams=colorspace={space}:range={told_range}:color_primaries=bt709:color_trc=bt709"
    source = make(
        tmp_path / "a.mp4",
        *("-loop", "1", "-t", "0.4", "-i", image, "-vf", f"{chain},{told}", "-r", "10"),
        *("-c:v", "libx265", "-x265-params", "log-level=error"),
    )
    found = corner_colors(made(proxy_of(source, tmp_path)), (160, 80))
    assert near(found, [RED, GREEN, BLUE, WHITE])


def test_a_wider_gamut_is_brought_back(tmp_path: Path) -> None:
    image = make_image(tmp_path / "quarters.png", size=(160, 80))
    wide = (
        "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
        "zscale=tin=709:pin=709:min=709:rin=limited:t=709:p=2020:m=2020_ncl:r=limited,format=yuv420p,"
        "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=bt709:range=tv"
    )
    source = make(
        tmp_path / "a.mp4",
        *("-loop", "1", "-t", "0.4", "-i", image, "-vf", wide, "-r", "10"),
        *("-c:v", "libx265", "-x265-params", "log-level=error"),
    )
    found = corner_colors(made(proxy_of(source, tmp_path)), (160, 80))
    assert near(found, [RED, GREEN, BLUE, WHITE], 18)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_looks_like_its_sdr_original(tmp_path: Path, transfer: str) -> None:
    rows, columns = np.mgrid[0:180, 0:320]
    soft = [
        110 + 70 * np.sin(columns / 34),
        110 + 70 * np.cos(rows / 26),
        110 + 60 * np.sin((rows + columns) / 46),
    ]
    photo = np.stack(soft, axis=2).astype(np.uint8)
    image = tmp_path / "photo.png"
    Image.fromarray(photo).save(image)
    # SDR white at 203 nits, where HDR broadcasts put it (ITU-R BT.2408).
    chain = (
        "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
        f"zscale=tin=709:min=709:pin=709:rin=tv:t={transfer}:m=bt2020nc:p=bt2020:r=tv:npl=203,format=yuv420p10le,"
        f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    )
    source = make(
        tmp_path / "hdr.mp4",
        *("-loop", "1", "-t", "0.3", "-i", image, "-vf", chain, "-r", "10"),
        *("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10le"),
    )
    run = run_of(source, tmp_path / "scratch")
    assert run.subject.probe is not None
    assert run.subject.probe["video"]["hdr"] in {"pq", "hlg"}
    result = ProxyDeriver().derive(run)
    assert isinstance(result, Ready)
    video = streams_of(made(result))[0]
    assert {name: video[name] for name in BT709} == BT709
    assert np.abs(picture_at(made(result), 0, (320, 180)) - photo).mean() <= 10


def test_interlaced_films_lose_their_combs(tmp_path: Path) -> None:
    """A bar that moves 16 pixels a field: interlaced, every other line is elsewhere."""
    source = make(
        tmp_path / "a.mpg",
        *lavfi("color=black:s=320x240:r=50:d=1", "color=white:s=60x240:r=50:d=1"),
        *("-filter_complex", "[0][1]overlay=x='mod(n*16,240)':y=0,interlace=scan=tff:lowpass=off"),
        *("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "8M"),
    )
    run = run_of(source, tmp_path / "scratch")
    assert run.subject.probe is not None
    result = ProxyDeriver().derive(run)
    assert isinstance(result, Ready)
    assert combs(made(result)) < combs(source) / 4
    assert len(frames_of(made(result)).splitlines()) == pytest.approx(25, abs=1)


def combs(path: Path) -> float:
    """How much lines differ from both their neighbours in the same direction."""
    picture = picture_at(path, 0.4, (320, 240)).mean(axis=2)
    middle, above, below = picture[1:-1], picture[:-2], picture[2:]
    return float(np.minimum(np.abs(middle - above), np.abs(middle - below)).mean())


def test_progressive_films_are_left_as_they_are(tmp_path: Path) -> None:
    source = make(
        tmp_path / "a.mpg", *lavfi("testsrc=s=320x240:r=25:d=1"), "-c:v", "mpeg2video", "-b:v", "8M"
    )
    result = proxy_of(source, tmp_path)
    before = picture_at(source, 0.4, (320, 240), "bt601")
    assert np.abs(before - picture_at(made(result), 0.4, (320, 240))).mean() < 4
    assert len(frames_of(made(result)).splitlines()) == len(frames_of(source).splitlines())


def test_more_than_60_frames_a_second_become_60(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", codec="libx265", rate=120, seconds=1, size=(160, 90), audio=False)
    result = proxy_of(source, tmp_path)
    assert len(frames_of(made(result)).splitlines()) == pytest.approx(60, abs=1)
    assert result.facts["duration"] == pytest.approx(1.0, abs=0.02)


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    source = make(
        tmp_path / "a.mp4",
        *lavfi("testsrc2=s=160x90:r=30:d=4"),
        *("-vf", "select='lt(t,1)+not(mod(n,7))'", "-fps_mode", "vfr", "-c:v", "libx265"),
        *("-x265-params", "log-level=error"),
    )
    path = made(proxy_of(source, tmp_path))
    assert times_of(path) == pytest.approx(times_of(source), abs=0.002)


def times_of(path: Path) -> list[float]:
    """When each frame is shown, from the first one on."""
    command = [ffprobe.binary(), "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time"]
    answer = door.run([*command, "-of", "csv=p=0", str(path)], timeout=20).stdout.decode().split()
    times = [float(line.strip(",")) for line in answer]
    return [time - times[0] for time in times]


def test_every_track_is_kept_the_default_one_first(tmp_path: Path) -> None:
    source = make(
        tmp_path / "a.mkv",
        *lavfi("testsrc2=s=160x90:r=25:d=2", "sine=300:d=2", "sine=600:d=2", "sine=900:d=2"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:v", "libx264", "-pix_fmt", "yuv420p"),
        *("-c:a:0", "ac3", "-c:a:1", "flac", "-c:a:2", "libopus", "-ac:a:2", "6"),
        *(
            "-metadata:s:a:0",
            "language=eng",
            "-metadata:s:a:1",
            "language=jpn",
            "-metadata:s:a:1",
            "title=Two",
        ),
        *("-disposition:a:0", "0", "-disposition:a:1", "default", "-disposition:a:2", "0"),
    )
    result = proxy_of(source, tmp_path)
    sounds = [stream for stream in streams_of(made(result)) if stream["codec_type"] == "audio"]
    assert [sound["tags"]["language"] for sound in sounds] == ["jpn", "eng", "und"]
    assert [sound["disposition"]["default"] for sound in sounds] == [1, 0, 0]
    assert [sound["channels"] for sound in sounds] == [2, 2, 2]
    assert [track["title"] for track in result.facts["tracks"]] == ["Two", None, None]


def test_chapters_and_the_title_stay_places_and_devices_go(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text(
        ";FFMETADATA1\ntitle=Holiday\nlocation=+47.3769+008.5417/\nmake=Phone Works\nartist=Ada\n"
        "com.apple.quicktime.location.ISO6709=+47.3769+008.5417/\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=First\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Second\n"
    )
    plain = make_video(tmp_path / "a.mp4", codec="libx265", seconds=2)
    source = make(
        tmp_path / "b.mov",
        *("-i", plain, "-i", notes, "-map", "0", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy"),
        *("-movflags", "use_metadata_tags"),
    )
    assert b"47.3769" in source.read_bytes()
    result = proxy_of(source, tmp_path)
    answer = ffprobe.read(made(result), "mov")
    assert [chapter["tags"]["title"] for chapter in answer["chapters"]] == ["First", "Second"]
    assert answer["format"]["tags"]["title"] == "Holiday"
    content = made(result).read_bytes()
    assert b"47.37" not in content
    assert b"Phone Works" not in content
    assert [stream["codec_type"] for stream in answer["streams"]][:2] == ["video", "audio"]


def test_recordings_become_aac(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.aiff", seconds=3, channels=2, rate=44_100)
    result = proxy_of(source, tmp_path)
    assert (result.outputs[0].name, result.outputs[0].content_type) == ("proxy.m4a", "audio/mp4")
    assert result.facts["type"] == 'audio/mp4; codecs="mp4a.40.2"'
    assert result.facts["duration"] == pytest.approx(3.0, abs=0.05)
    assert [stream["codec_name"] for stream in streams_of(made(result))] == ["aac"]
    assert made(result).read_bytes().index(b"moov") < made(result).read_bytes().index(b"mdat")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.ogg", "a.opus", "a.m4a"])
def test_recordings_that_browsers_play_need_none(tmp_path: Path, name: str) -> None:
    run = run_of(make_tone(tmp_path / name, rate=48_000), tmp_path / "scratch")
    assert ProxyDeriver().derive(run) == NotNeeded("already_playable")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.m4a", ["-c:a", "alac"]),
        ("a.wma", ["-c:a", "wmav2"]),
        ("a.wv", ["-c:a", "wavpack"]),
        ("a.caf", ["-c:a", "pcm_s16be"]),
        ("a.mka", ["-c:a", "ac3"]),
        ("a.flac", ["-ac", "6"]),
        ("a.wav", ["-c:a", "adpcm_ms"]),
    ],
)
def test_recordings_that_browsers_do_not_play(tmp_path: Path, name: str, options: list[str]) -> None:
    source = make(tmp_path / name, *lavfi("sine=440:d=2"), *options)
    result = proxy_of(source, tmp_path)
    (stream,) = streams_of(made(result))
    assert (stream["codec_name"], stream["channels"]) == ("aac", 2)
    assert result.facts["duration"] == pytest.approx(2.0, abs=0.1)


def test_a_cover_does_not_come_along(tmp_path: Path) -> None:
    image = make_image(tmp_path / "cover.png")
    source = make(
        tmp_path / "a.m4a",
        *("-f", "lavfi", "-i", "sine=440:d=1", "-i", image, "-map", "0", "-map", "1", "-c:a", "alac"),
        *("-c:v", "png", "-disposition:v:0", "attached_pic", "-metadata", "title=Song"),
    )
    result = proxy_of(source, tmp_path)
    assert [stream["codec_type"] for stream in streams_of(made(result))] == ["audio"]
    assert ffprobe.read(made(result), "mov")["format"]["tags"]["title"] == "Song"


def test_progress_is_told_with_the_time_that_is_left(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", codec="libx265", seconds=12, size=(640, 360))
    run = run_of(source, tmp_path / "scratch")
    ProxyDeriver().derive(run)
    percents = [percent for percent, _ in run.told]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert any(0 < percent < 100 and eta is not None for percent, eta in run.told)


def test_an_abandoned_run_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ASK_EVERY", 0.0)
    source = make_video(tmp_path / "a.mkv", codec="mpeg4", seconds=8, size=(1280, 720))
    began: list[float] = []
    run = run_of(source, tmp_path / "scratch", stop=lambda: bool(began) and began[-1] > 0)
    monkeypatch.setattr(Run, "progress", lambda _, percent, eta=None: began.append(percent))
    with pytest.raises(RunAbandonedError):
        ProxyDeriver().derive(run)
    assert began[-1] < 100


def test_an_abandoned_copy_is_not_taken_up_as_an_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ASK_EVERY", 0.0)
    source = make_video(tmp_path / "a.mkv", seconds=2, options=["-c:a", "aac"])
    with pytest.raises(RunAbandonedError):
        ProxyDeriver().derive(run_of(source, tmp_path / "scratch", stop=lambda: True))


def test_hardware_that_fails_is_followed_by_software(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Encoder("nvenc", "h264_nvenc", quality=("-preset", "p5", "-gpu", "63"))
    monkeypatch.setattr(encoders, "choose", lambda: broken)
    source = make_video(tmp_path / "a.mp4", codec="libx265", seconds=1)
    result = proxy_of(source, tmp_path)
    assert result.made_with["encoder"] == "libx264"
    assert result.made_with["instead_of"] == "h264_nvenc"
    assert streams_of(made(result))[0]["codec_name"] == "h264"


def test_a_film_that_breaks_off_keeps_what_plays(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mkv", codec="libx265", seconds=8)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = proxy_of(whole, tmp_path)
    assert result.facts["partial"] is True
    assert 2 < result.facts["duration"] < 7


def test_a_film_of_which_nothing_plays_is_damaged(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", codec="libx265", seconds=1, options=["-movflags", "+faststart"])
    run = run_of(source, tmp_path / "scratch")
    content = source.read_bytes()
    start = content.index(b"mdat") + 4
    source.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(DamagedFileError, match="Upload it again"):
        ProxyDeriver().derive(run)


def test_frames_over_the_limit_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_VIDEO_MAX_MEGAPIXELS", "0.1")
    source = make_video(tmp_path / "a.mp4", codec="libx265", seconds=0.5, size=(640, 360))
    with pytest.raises(TooLargeError, match="640 x 360"):
        proxy_of(source, tmp_path)


def test_a_film_with_too_many_bits_gets_a_smaller_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video(
        tmp_path / "a.mp4",
        source="nullsrc=s=320x180:r=25:d=2,geq=random(1)*255:128:128",
        options=["-crf", "10"],
    )
    monkeypatch.setenv("ALCOVES_PROXY_MAX_BITRATE", "1000000")
    result = proxy_of(source, tmp_path)
    assert result.made_with["encoder"] == "libx264"
    assert result.facts["bit_rate"] < 2_500_000


def test_room_is_reserved_for_what_is_made(films: Path, tmp_path: Path) -> None:
    plain = run_of(films / "plain.mp4", tmp_path / "a").subject
    other = replace(plain, mime="video/x-matroska")
    assert plain.probe is not None
    heavy = replace(plain, probe={**plain.probe, "video": {**plain.probe["video"], "codec": "hevc"}})
    sizes = [ProxyDeriver().scratch_bytes(subject) for subject in (plain, other, heavy)]
    assert sizes[0] < sizes[1] == sizes[0] + plain.size
    assert sizes[2] > sizes[0]
    assert derive(ProxyDeriver(), make_tone(tmp_path / "a.aiff"), tmp_path / "s").facts["size"] < sizes[0]
