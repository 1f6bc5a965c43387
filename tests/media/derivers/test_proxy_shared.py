"""The real films and recordings against what the manifest says of them: which need a proxy, and what it looks like."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.derivers.base import NotNeeded, Ready
from media.derivers.proxy import ProxyDeriver
from media.errors import MediaError
from media.probing import probe
from media.sniffing import sniff_path
from media.subject import Subject
from media.tools import ffprobe
from media.transcoding import picture
from tests.media.derivers.contexts import Run, run_of
from tests.media.derivers.sync import lag_of
from tests.media.derivers.test_proxy import BT709, made, picture_at, streams_of

pytestmark = pytest.mark.shared

PLAYED = [
    "video/audio_only.mp4",
    "video/audio_shorter_than_video.mp4",
    "video/av1.mp4",
    "video/av1_aac.mp4",
    "video/black_20s.mp4",
    "video/chapters.mp4",
    "video/empty_second_video_track.mp4",
    "video/flower.mp4",
    "video/flower.webm",
    "video/fragmented.mp4",
    "video/h264_320x240_60fps_5s.mp4",
    "video/h264_aac_51.mp4",
    "video/h264_aac_gps.mp4",
    "video/no_audio.mp4",
    "video/no_audio_3s.mp4",
    "video/odd_321x241_vp9.webm",
    "video/one_frame.mp4",
    "video/phone_rot_180.mp4",
    "video/phone_rot_minus90_portrait.mp4",
    "video/phone_rot_plus90.mp4",
    "video/rot270_5s.mp4",
    "video/slowmo_vfr.mp4",
    "video/timeline_faces_objects_speech.mp4",
    "video/truncated_faststart.mp4",
    "video/vfr_518x488.mp4",
    "video/vfr_switch.mp4",
    "video/vp9_642x642_no_audio.webm",
    "video/vp9_opus.webm",
    "video/vp9_vorbis51.webm",
    "audio/bear_id3_cover.mp3",
    "audio/bear_vbr.mp3",
    "audio/bear_with_picture.flac",
    "audio/dog_bark_1.ogg",
    "audio/dog_bark_2.ogg",
    "audio/dog_bark_3.ogg",
    "audio/guitar.ogg",
    "audio/jfk.flac",
    "audio/jfk.m4a",
    "audio/jfk.mp3",
    "audio/jfk.ogg",
    "audio/jfk.opus",
    "audio/jfk.wav",
    "audio/jfk_48k_stereo_24bit.wav",
    "audio/jfk_8k_ulaw.wav",
    "audio/jfk_cover.mp3",
    "audio/librispeech_198-209-0000.ogg",
    "audio/librispeech_3436-172162-0000.ogg",
    "audio/pink_noise.flac",
    "audio/silence_5s.wav",
    "audio/sine_440.wav",
    "audio/speech_dog_guitar_22s.flac",
    "audio/truncated.mp3",
]

MADE: list[tuple[str, str, tuple[int, int] | None, float, list[str]]] = [
    ("video/h264_aac.flv", "copy", (1080, 720), 1.136, ["h264", "aac"]),
    ("video/hdr10_av1_mdcv.mp4", "libx264", (1920, 1080), 1.0217, ["h264", "aac"]),
    ("video/hdr10_hevc.mp4", "libx264", (1920, 1080), 1.018, ["h264", "aac"]),
    ("video/hdr10_x265_mastering.mp4", "libx264", (640, 360), 3.0, ["h264"]),
    ("video/hevc_8k.mp4", "libx264", (1920, 1080), 0.34, ["h264", "aac"]),
    ("video/hevc_hvc1_aac.mov", "libx264", (640, 360), 3.0, ["h264", "aac"]),
    ("video/hevc_rot90_metadata_track.mp4", "libx264", (1080, 1920), 0.1, ["h264", "aac"]),
    ("video/hlg_hevc_phone.mp4", "libx264", (1920, 1080), 0.3, ["h264", "aac"]),
    ("video/hlg_x265.mp4", "libx264", (640, 360), 3.0, ["h264"]),
    ("video/mkv_h264_ac3_srt.mkv", "copy", (1080, 720), 1.234, ["h264", "aac"]),
    ("video/mpeg4_mp3.avi", "libx264", (960, 400), 4.087, ["h264", "aac"]),
    (
        "video/multi_audio_subs_chapters.mkv",
        "copy",
        (640, 480),
        12.0,
        ["h264", "aac", "aac", "aac", "bin_data"],
    ),
    ("video/odd_321x241_h264_444.mp4", "libx264", (320, 240), 2.0, ["h264"]),
    ("video/pcm_h264.mov", "copy", (1920, 1080), 2.0, ["h264", "aac"]),
    ("video/rotate_and_reflect.mp4", "libx264", (720, 1080), 1.05, ["h264", "aac"]),
    ("video/vvc_unsupported.mp4", "libx264", (320, 180), 5.0, ["h264"]),
    ("audio/alac.m4a", "aac", None, 1.02, ["aac"]),
    ("audio/wav_header_lies.wav", "aac", None, 1.0, ["aac"]),
]

REFUSED = [
    ("video/corrupt_malformed_free_box.mp4", "moov_missing"),
    ("video/truncated_no_moov.mp4", "moov_missing"),
]

OTHERS = ["video/empty.mp4", "video/hls_ssrf_playlist.mp4", "video/text_named.mp4"]
"""What is no film at all: nothing is planned for it."""

PARTIAL = ["video/truncated.mkv"]


def test_every_file_is_in_one_of_the_tables(shared_media: Path) -> None:
    there = {f"{kind}/{path.name}" for kind in ("video", "audio") for path in (shared_media / kind).iterdir()}
    told = [*PLAYED, *(row[0] for row in MADE), *(row[0] for row in REFUSED), *PARTIAL, *OTHERS]
    assert sorted(told) == sorted(there)


@pytest.mark.parametrize("name", PLAYED)
def test_what_browsers_play_needs_none(shared_media: Path, tmp_path: Path, name: str) -> None:
    run = run_of(shared_media / name, tmp_path / "scratch")
    assert ProxyDeriver().derive(run) == NotNeeded("already_playable")


@pytest.mark.parametrize(
    ("name", "encoder", "size", "duration", "codecs"), MADE, ids=[row[0] for row in MADE]
)
def test_proxies(
    shared_media: Path,
    tmp_path: Path,
    name: str,
    encoder: str,
    size: tuple[int, int] | None,
    duration: float,
    codecs: list[str],
) -> None:
    source = shared_media / name
    run = run_of(source, tmp_path / "scratch")
    result = ProxyDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.made_with["encoder"] == encoder
    assert "partial" not in result.facts
    streams = streams_of(made(result))
    assert [stream["codec_name"] for stream in streams] == codecs
    assert not any(stream.get("side_data_list") for stream in streams)
    probed = run.subject.probe or {}
    frame = 1 / picture.frame_rate(probed["video"]) if probed.get("video") else 0.1
    if size is not None:
        assert (streams[0]["width"], streams[0]["height"]) == size
        # The picture lasts as long as that of the source, to one frame; sound and subtitles may last longer.
        assert length_of(made(result)) == pytest.approx(length_of(source), abs=frame + 0.002)
    if probed.get("audio"):
        assert abs(lag_of(made(result), source)) <= 0.04
    assert result.facts["duration"] == pytest.approx(duration, abs=max(0.2, frame))
    if encoder == "libx264":
        assert {tag: streams[0][tag] for tag in BT709} == BT709
        assert streams[0]["pix_fmt"] == "yuv420p"


def shown(path: Path) -> list[float]:
    """When each frame of the picture is shown, in this order. Of packets: not every build of the reader decodes AV1."""
    asked = ["-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    lines = ffprobe.ask(path, sniff_path(path).demuxer, asked, timeout=60).decode().split()
    return sorted(float(line.strip(",")) for line in lines if "N/A" not in line)


def length_of(path: Path) -> float:
    """From the first frame to the last: that one stands as long as the one before it."""
    times = shown(path)
    return 2 * times[-1] - times[-2] - times[0]


@pytest.mark.parametrize(("name", "code"), REFUSED)
def test_what_cannot_be_opened_never_gets_here(shared_media: Path, name: str, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        probe(shared_media / name, sniff_path(shared_media / name))
    assert caught.value.code == code


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_film_is_not_accepted(shared_media: Path, name: str) -> None:
    sniffed = sniff_path(shared_media / name)
    assert not ProxyDeriver().accepts(Subject(sniffed.kind, sniffed.mime, 1))


@pytest.mark.parametrize("name", PARTIAL)
def test_what_breaks_off_is_kept_and_marked(shared_media: Path, tmp_path: Path, name: str) -> None:
    result = ProxyDeriver().derive(run_of(shared_media / name, tmp_path / "scratch"))
    assert isinstance(result, Ready)
    assert result.facts["partial"] is True
    assert len(shown(made(result))) == 108


def forced(path: Path, tmp_path: Path) -> Ready:
    tmp_path.mkdir(exist_ok=True)
    run: Run = run_of(path, tmp_path / "scratch")
    run.parameters = {"force": True}
    result = ProxyDeriver().derive(run)
    assert isinstance(result, Ready)
    return result


@pytest.mark.parametrize(
    "name", ["phone_rot_180.mp4", "phone_rot_minus90_portrait.mp4", "phone_rot_plus90.mp4"]
)
def test_phones_held_any_way_show_the_same_upright_picture(
    shared_media: Path, tmp_path: Path, name: str
) -> None:
    result = forced(shared_media / "video" / name, tmp_path)
    assert (result.facts["width"], result.facts["height"]) == (640, 424)
    upright = picture_at(
        forced(shared_media / "video/no_audio_3s.mp4", tmp_path / "b").outputs[0].path, 1, (640, 424)
    )
    assert np.abs(picture_at(made(result), 1, (640, 424)) - upright).mean() < 8


def test_a_cut_film_that_a_person_wants_anyway_keeps_its_150_frames(
    shared_media: Path, tmp_path: Path
) -> None:
    result = forced(shared_media / "video/truncated_faststart.mp4", tmp_path)
    assert result.facts["partial"] is True
    assert len(shown(made(result))) == 150


def test_places_and_devices_do_not_come_along(shared_media: Path, tmp_path: Path) -> None:
    source = shared_media / "video/h264_aac_gps.mp4"
    assert b"+40.68" in source.read_bytes()
    result = forced(source, tmp_path)
    assert b"+40.68" not in made(result).read_bytes()
    assert "location" not in ffprobe.read(made(result), "mov")["format"]["tags"]


def test_the_counted_frames_of_a_fast_film_are_all_there(shared_media: Path, tmp_path: Path) -> None:
    source = shared_media / "video/h264_320x240_60fps_5s.mp4"
    result = forced(source, tmp_path)
    assert len(shown(made(result))) == len(shown(source))


def test_variable_rates_keep_their_times(shared_media: Path, tmp_path: Path) -> None:
    source = shared_media / "video/vfr_switch.mp4"
    result = forced(source, tmp_path)
    found, told = shown(made(result)), shown(source)
    assert len(found) == 72
    # The file says 3.6036 s of itself, and has a frame more than 0.2 s later, which lasts 1/30 s.
    assert result.facts["duration"] == pytest.approx(told[-1] - told[0] + 1 / 30, abs=0.002)
    assert [time - found[0] for time in found] == pytest.approx([time - told[0] for time in told], abs=0.002)


def test_chapters_and_names_of_tracks_stay(shared_media: Path, tmp_path: Path) -> None:
    result = ProxyDeriver().derive(
        run_of(shared_media / "video/multi_audio_subs_chapters.mkv", tmp_path / "scratch")
    )
    assert isinstance(result, Ready)
    assert result.facts["tracks"] == [
        {"language": "eng", "title": "Speech"},
        {"language": "jpn", "title": "Dog"},
        {"language": "fre", "title": "Guitar 5.1"},
    ]
    answer: dict[str, Any] = ffprobe.read(made(result), "mov")
    assert [
        (chapter["tags"]["title"], round(float(chapter["start_time"]))) for chapter in answer["chapters"]
    ] == [
        ("First", 0),
        ("Second", 6),
    ]
    sounds = [stream for stream in answer["streams"] if stream["codec_type"] == "audio"]
    assert [(sound["tags"]["language"], sound["disposition"]["default"]) for sound in sounds] == [
        ("eng", 1),
        ("jpn", 0),
        ("fre", 0),
    ]
