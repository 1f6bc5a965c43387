import os
from pathlib import Path

import pytest

from media.errors import (
    DamagedFileError,
    InfrastructureError,
    MediaError,
    TooLargeError,
    ToolMissingError,
    UnsupportedTypeError,
)
from media.sniffing import TYPES
from media.tools import ffmpeg, ffprobe
from media.tools.ffprobe import Span
from media.tools.progress import ProgressParser
from media.tools.run import ExitedError, Limits
from tests.makers import make_tone, make_video


def test_the_bundled_ffmpeg_is_found_and_lacks_nothing() -> None:
    found = ffmpeg.capabilities()
    assert found.zscale
    assert found.lacks == ()
    assert {"libx264", "aac", "libwebp"} <= found.encoders
    assert ffmpeg.capabilities() is found


def test_the_environment_names_another_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_FFMPEG_BINARY", "/no/such/ffmpeg")
    assert ffmpeg.binary() == "/no/such/ffmpeg"
    with pytest.raises(ToolMissingError):
        ffmpeg.run(["-version"], timeout=5)


def test_a_poor_build_says_what_it_lacks(tmp_path: Path) -> None:
    poor = tmp_path / "ffmpeg"
    poor.write_text("#!/bin/sh\necho 'ffmpeg version 4.0 Copyright'\necho ' V....D libx264  H.264'\n")
    poor.chmod(0o755)
    found = ffmpeg.capabilities_of(str(poor))
    assert found.version == "4.0"
    assert not found.zscale
    assert found.lacks == ("aac", "libopus", "libwebp", "png", "zscale", "tonemap")


@pytest.mark.parametrize("demuxer", ["hls", "concat", "dash", "image2", "sdp", "lavfi", None, "mov,hls"])
def test_only_demuxers_of_plain_files_may_be_asked_for(demuxer: str | None) -> None:
    with pytest.raises(UnsupportedTypeError):
        ffmpeg.input_arguments(Path("file"), demuxer)


def test_every_demuxer_of_the_type_table_is_allowed() -> None:
    assert {demuxer for _, demuxer in TYPES.values() if demuxer} == ffmpeg.DEMUXERS


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\nfile:{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {secret}\n",
        "<MPD><BaseURL>{secret}</BaseURL></MPD>",
    ],
)
def test_a_playlist_named_mp4_is_not_followed(tmp_path: Path, text: str) -> None:
    secret = make_video(tmp_path / "secret.mp4", seconds=0.2)
    playlist = tmp_path / "film.mp4"
    playlist.write_text(text.format(secret=secret))
    out = tmp_path / "out.mp4"
    with pytest.raises(DamagedFileError):
        ffmpeg.run([*ffmpeg.input_arguments(playlist, "mov"), "-c", "copy", out], timeout=10)
    assert not out.exists()


def test_progress_is_told_while_ffmpeg_runs(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", seconds=3)
    told: list[float] = []
    parser = ProgressParser(3.0, lambda percent, eta: told.append(percent))
    ffmpeg.run([*ffmpeg.input_arguments(source, "mov"), tmp_path / "out.mp4"], timeout=60, progress=parser)
    assert told[-1] == 100.0
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("words", "family", "code"),
    [
        ("av_interleaved_write_frame(): No space left on device", InfrastructureError, "disk_full"),
        ("[mov] moov atom not found\nInvalid data found", DamagedFileError, "moov_missing"),
        ("Decoding requested, but no decoder found for: vvc", UnsupportedTypeError, "decoder_missing"),
        ("Invalid data found when processing input", DamagedFileError, "damaged_file"),
        ("[pcm_s16le @ 0x7f] Too many channels: 65535", DamagedFileError, "damaged_file"),
        ("[vorbis @ 0x7f] Setup header corrupt.", DamagedFileError, "damaged_file"),
        ("[vorbis @ 0x7f] First header is not the id header.", DamagedFileError, "damaged_file"),
        ("Sample size 4294967295 is too large\nCould not read packet", DamagedFileError, "damaged_file"),
        ("[flac @ 0x7f] invalid bps: 1", DamagedFileError, "damaged_file"),
        ("Not yet implemented in FFmpeg, patches welcome", DamagedFileError, "damaged_file"),
        ("Cannot allocate memory", ExitedError, "tool_failed"),
    ],
)
def test_last_words_become_our_errors(words: str, family: type[MediaError], code: str) -> None:
    error = ffmpeg.explain(ExitedError("ffmpeg", 1, words))
    assert isinstance(error, family)
    assert error.code == code
    assert error.detail == words


def test_ffprobe_reads_format_and_streams(tmp_path: Path) -> None:
    answer = ffprobe.read(make_video(tmp_path / "in.mkv", seconds=1), "matroska")
    assert [stream["codec_type"] for stream in answer["streams"]] == ["video", "audio"]
    assert float(answer["format"]["duration"]) == pytest.approx(1.0, abs=0.1)


def test_ffprobe_opens_with_the_forced_demuxer_only(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError):
        ffprobe.read(make_tone(tmp_path / "tone.wav"), "mov")


def test_ffprobe_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_FFPROBE_BINARY", "/no/such/ffprobe")
    with pytest.raises(ToolMissingError):
        ffprobe.read(Path("x.mp4"), "mov")


def test_names_with_colons_and_percent_are_names(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a:b %03d [x].wav")
    assert float(ffprobe.read(source, "wav")["format"]["duration"]) == pytest.approx(2.0)


def test_packets_give_the_true_end(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", seconds=2, audio=False)
    assert ffprobe.end_of_packets(source, "mov", 0) == pytest.approx(2.0, abs=0.05)


def test_span_of_odd_packet_lines() -> None:
    span = Span()
    for line in ("N/A,N/A", "", "1.5,0.5", "0.5,N/A", "2.0,0.25,"):
        span.feed(line)
    assert span.seconds() == 1.75
    assert Span().seconds() is None


@pytest.mark.parametrize("lie", [b"\xff\xff\xff\xff", b"\x00\xff\xff\x7f"])
def test_a_wav_that_was_never_finished_is_read(tmp_path: Path, lie: bytes) -> None:
    whole = make_tone(tmp_path / "whole.wav").read_bytes()
    listing = b"LIST" + lie + b"INFOISFT\x04\x00\x00\x00test"
    broken = tmp_path / "broken.wav"
    broken.write_bytes(whole[:4] + b"\xff" * 4 + whole[8:36] + listing + b"data\xff\xff\xff\xff" + whole[44:])
    assert float(ffprobe.read(broken, "wav")["format"]["duration"]) == pytest.approx(2.0, abs=0.01)


def test_words_of_a_program_that_was_killed_say_nothing_of_the_file() -> None:
    """What memory was taken from had complained of a frame before."""
    words = "Error while decoding stream #0:0: Invalid data found when processing input"
    assert isinstance(ffmpeg.explain(ExitedError("ffmpeg", 1, words)), DamagedFileError)
    killed = ExitedError("ffmpeg", -9, words)
    assert ffmpeg.explain(killed) is killed


def test_processor_time_is_bounded_by_the_time_out() -> None:
    cores = os.cpu_count() or 1
    assert ffmpeg.with_time(ffmpeg.LIMITS, 100.0).cpu_seconds == 100 * cores + 10
    assert ffmpeg.with_time(ffmpeg.LIMITS, 100.0).memory_bytes == ffmpeg.LIMITS.memory_bytes
    assert ffmpeg.with_time(Limits(cpu_seconds=5), 100.0).cpu_seconds == 5


def test_a_result_beyond_the_estimate_ends_the_run(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", seconds=2)
    out = tmp_path / "out.raw"
    arguments = [*ffmpeg.input_arguments(source, "mov"), "-f", "rawvideo", str(out)]
    with pytest.raises(TooLargeError) as caught:
        ffmpeg.run(arguments, timeout=30, limits=Limits(file_bytes=500_000))
    assert caught.value.code == "output_too_large"
    assert out.stat().st_size <= 500_000


def test_a_disk_that_fills_up_is_not_laid_to_the_file(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", seconds=2)
    arguments = [*ffmpeg.input_arguments(source, "mov"), "-c", "copy", "-f", "matroska", "/dev/full"]
    with pytest.raises(InfrastructureError) as caught:
        ffmpeg.run(arguments, timeout=30)
    assert caught.value.code == "disk_full"
