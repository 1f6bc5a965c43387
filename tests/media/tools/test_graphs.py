"""Graphs as argument lists: what ffmpeg makes of them, and what never gets on one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.errors import UnsupportedTypeError
from media.tools import ffmpeg, ffprobe, graphs
from media.tools.graphs import PIPE
from media.tools.sources import Loopback
from tests.makers import make_tone, make_video

RAW = ("-f", "rawvideo", "-pix_fmt", "rgb24")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("graphs") / "film.mp4", seconds=2)


def words_after(words: list[str], name: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words) if word == name]


def test_one_input_one_chain_one_pipe(film: Path) -> None:
    source = graphs.open_input(film, "mov", "-ss", "1", "-noaccurate_seek")
    picture = source.track(0).chain("scale=64:36:flags=bicubic,setsar=1")
    words = graphs.arguments(graphs.write(PIPE, picture, options=("-frames:v", "1", *RAW)))
    before = words[: words.index("-i")]
    assert words_after(before, "-protocol_whitelist") == ["file,pipe"]
    assert words_after(before, "-f") == ["mov"]
    assert words_after(before, "-ss") == ["1"]
    assert "-noaccurate_seek" in before
    assert len(ffmpeg.run(words, timeout=20).stdout) == 64 * 36 * 3


def test_several_outputs_of_one_decode(film: Path, tmp_path: Path) -> None:
    small, large = graphs.open_input(film, "mov").track("v:0").split(2)
    single = ("-frames:v", "1", "-f", "image2", "-update", "1")
    words = graphs.arguments(
        graphs.write(tmp_path / "small.png", small.filter("scale", 32, -2), options=single),
        graphs.write(tmp_path / "large.png", large, options=single),
    )
    assert words.count("-i") == 1
    ffmpeg.run(words, timeout=20)
    assert size_of(tmp_path / "small.png") == (32, 18)
    assert size_of(tmp_path / "large.png") == (320, 180)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_picture_and_sound_mapped_and_copied(film: Path, tmp_path: Path) -> None:
    source = graphs.open_input(film, "mov")
    out = tmp_path / "-odd name %03d.mp4"
    words = graphs.arguments(
        graphs.write(
            out, source.track(0), source.track("a?"), options=("-c", "copy", "-metadata", "title=a=b'c")
        )
    )
    assert words_after(words, "-map") == ["0:0", "0:a?"]
    ffmpeg.run(words, timeout=20)
    answer = ffprobe.read(out, "mov")
    assert [stream["codec_type"] for stream in answer["streams"]] == ["video", "audio"]
    assert answer["format"]["tags"]["title"] == "a=b'c"


def test_several_inputs_are_numbered_as_they_are_used(film: Path, tmp_path: Path) -> None:
    tone = make_tone(tmp_path / "tone.wav")
    picture, sound = graphs.open_input(film, "mov").track("v:0"), graphs.open_input(tone, "wav").track("a:0")
    words = graphs.arguments(graphs.write(tmp_path / "out.mkv", picture, sound, options=("-c:v", "copy")))
    assert words_after(words, "-i") == [f"file:{film}", f"file:{tone}"]
    assert words_after(words, "-map") == ["0:v:0", "1:a:0"]


def test_several_streams_through_one_filter(film: Path) -> None:
    one, two = graphs.open_input(film, "mov").track(0).split(2)
    (beside,) = graphs.combine([one, two.filter("negate")], "hstack", inputs=2)
    words = graphs.arguments(graphs.write(PIPE, beside, options=("-frames:v", "1", *RAW)))
    frame = np.frombuffer(ffmpeg.run(words, timeout=20).stdout, dtype=np.uint8).reshape(180, 640, 3)
    assert np.abs(frame[:, :320].astype(int) + frame[:, 320:] - 255).mean() < 8


def test_pictures_out_of_nothing() -> None:
    made = graphs.generate("testsrc2=size=64x64:rate=5:duration=1").track("v")
    words = graphs.arguments(graphs.write(PIPE, made, options=RAW))
    assert len(ffmpeg.run(words, timeout=20).stdout) == 5 * 64 * 64 * 3


def test_values_are_escaped(film: Path) -> None:
    """Commas, colons, quotes and backslashes of a value end no filter and begin none."""
    picked = graphs.open_input(film, "mov").track(0).filter("select", "eq(n,3)+eq(n,'5')+lt(n\\,1)")
    words = graphs.arguments(graphs.write(PIPE, picked, options=("-fps_mode", "passthrough", *RAW)))
    with pytest.raises(Exception, match=r"damaged|ended with"):
        ffmpeg.run(words, timeout=20)
    picked = graphs.open_input(film, "mov").track(0).filter("select", "eq(n,3)+eq(n,5)")
    words = graphs.arguments(graphs.write(PIPE, picked, options=("-fps_mode", "passthrough", *RAW)))
    assert len(ffmpeg.run(words, timeout=20).stdout) == 2 * 320 * 180 * 3


def test_a_name_of_a_file_cannot_leave_its_place(film: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    value = f"0:0,movie={secret}[x];[x]null"
    drawn = graphs.open_input(film, "mov").track(0).filter("setpts", value)
    words = graphs.arguments(graphs.write(PIPE, drawn, options=RAW))
    with pytest.raises(Exception, match=r"damaged|ended with") as caught:
        ffmpeg.run(words, timeout=20)
    assert "secret.png: No such file" not in getattr(caught.value, "detail", "")


@pytest.mark.parametrize("name", ["movie", "subtitles", "movie@x", "scale=1", "scale,movie", "", "Scale"])
def test_filters_that_open_files_are_on_no_graph(film: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no filter"):
        graphs.open_input(film, "mov").track(0).filter(name)


@pytest.mark.parametrize("links", ["movie=/etc/passwd", "scale='1", "null[x];[x]null", "select=eq(n\\,1)"])
def test_a_chain_takes_plain_words_alone(film: Path, links: str) -> None:
    with pytest.raises(ValueError, match=r"is no filter|needs escaping"):
        graphs.open_input(film, "mov").track(0).chain(links)


def test_outputs_are_files_or_the_pipe(film: Path) -> None:
    with pytest.raises(ValueError, match="neither a path"):
        graphs.write("http://example.org/", graphs.open_input(film, "mov").track(0))


@pytest.mark.parametrize("options", [("-c", "copy", "-c", "aac"), ("copy",), ("-c", "copy", "copy")])
def test_options_that_cannot_be_told_apart(options: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"twice|no option"):
        graphs.paired(options)


def test_numbers_below_zero_are_values() -> None:
    assert graphs.paired(("-map_metadata:g", "-1", "-an")) == {"map_metadata:g": "-1", "an": None}


def test_only_sources_with_a_demuxer_of_ours() -> None:
    with pytest.raises(UnsupportedTypeError):
        graphs.open_input(Path("list.m3u8"), "hls")


def test_a_source_over_the_loopback() -> None:
    source = Loopback("http://127.0.0.1:1/key", 10, lambda start, length: b"")
    words = graphs.arguments(graphs.write(PIPE, graphs.open_input(source, "mov").track(0)))
    assert words_after(words, "-protocol_whitelist") == ["http,tcp"]
    assert words_after(words, "-i") == [source.url]
