"""Graphs as argument lists: what ffmpeg makes of them, and what never gets on one."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import media
from media.errors import DamagedFileError, UnsupportedTypeError
from media.tools import feeding, ffmpeg, ffprobe, graphs
from media.tools.graphs import PIPE
from media.tools.sources import Loopback
from tests.makers import make_tone, make_video

MEDIA = Path(media.__file__).parent
BY_HAND = re.compile(r"-(i|map|vf|af|lavfi|filter(_complex|:.*)?)")
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


@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("metadata", (), {"mode": "print", "file": "/tmp/told"}),
        ("ametadata@x", (), {"mode": "print", "file": "told"}),
        ("metadata", ("print", "key", "value", "equal", "expr", "told"), {}),
        ("psnr", (), {"stats_file": "told"}),
    ],
)
def test_filters_write_no_files(
    film: Path, name: str, values: tuple[str, ...], options: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"open a file|by their names"):
        graphs.open_input(film, "mov").track(0).filter(name, *values, **options)


def test_what_filters_tell_comes_by_stdout(film: Path) -> None:
    links = "trim=end_frame=1,metadata=mode=add:key=place:value=7,metadata=mode=print:file=-"
    told = graphs.write("-", graphs.open_input(film, "mov").track(0).chain(links), options=("-f", "null"))
    assert "place=7" in ffmpeg.run(graphs.arguments(told), timeout=20).stdout.decode()


def test_a_straight_chain_belongs_to_its_output(film: Path, tmp_path: Path) -> None:
    """Each by its own thread, and what the input says of the stream stays."""
    source = graphs.open_input(film, "mov")
    picture = source.track(0).filter("setpts", "if(eq(N,0),0,PTS)").chain("scale=64:36,setsar=1")
    words = graphs.arguments(
        graphs.write(tmp_path / "one.mkv", picture, source.track("a:0").chain("volume=0.5")),
        graphs.write(tmp_path / "two.mkv", picture),
    )
    assert "-filter_complex" not in words
    assert words_after(words, "-filter:0") == [r"setpts=if(eq(N\,0)\,0\,PTS),scale=64:36,setsar=1"] * 2
    assert words_after(words, "-filter:1") == ["volume=0.5"]
    ffmpeg.run(words, timeout=20)
    assert [one["codec_type"] for one in ffprobe.read(tmp_path / "one.mkv", "matroska")["streams"]] == [
        "video",
        "audio",
    ]


def test_what_may_be_missing_is_not_filtered(film: Path) -> None:
    source = graphs.open_input(film, "mov")
    for tracks in (
        [source.track("a?").chain("volume=1")],
        [source.track("s?"), source.track(0).chain("null")],
    ):
        with pytest.raises(ValueError, match="may be missing"):
            graphs.write(PIPE, *tracks)


def test_a_file_without_a_track_is_damaged(tmp_path: Path) -> None:
    """Where nobody says which, ffmpeg would take what it thinks best."""
    with pytest.raises(DamagedFileError):
        graphs.write(tmp_path / "out.mkv", options=("-c", "copy"))


def test_tags_are_said_for_each(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "tagged.mkv"
    tags = ("-metadata:s:a:0", "language=jpn", "-metadata:s:a:0", "title=-odd name", "-c", "copy")
    words = graphs.arguments(
        graphs.write(out, graphs.open_input(film, "mov").track("a:0"), options=tags), first=("-xerror",)
    )
    assert words[0] == "-xerror"
    assert words_after(words, "-metadata:s:a:0") == ["language=jpn", "title=-odd name"]
    ffmpeg.run(words, timeout=20)
    (track,) = ffprobe.read(out, "matroska")["streams"]
    assert (track["tags"]["language"], track["tags"]["title"]) == ("jpn", "-odd name")


def test_no_word_breaks_in_two() -> None:
    with pytest.raises(ValueError, match="cannot be given"):
        graphs.paired(("-metadata", "title=a\0b"))


def test_chapters_of_another_input_and_a_picture_by_stdin(film: Path, tmp_path: Path) -> None:
    """Of the first input nothing is taken but what is said."""
    tags = tmp_path / "tags.mkv"
    marked = graphs.open_input(film, "mov").track(0)
    named = graphs.write(tags, marked, options=("-c", "copy", "-metadata", "title=Ours"))
    ffmpeg.run(graphs.arguments(named), timeout=20)
    moved = graphs.write(PIPE, marked, options=("-c", "copy", "-f", "mpegts"))
    sent = ffmpeg.run(graphs.arguments(moved), timeout=20).stdout
    out = tmp_path / "out.mkv"
    words = graphs.arguments(
        graphs.write(
            out,
            graphs.open_pipe("mpegts", "-itsoffset", "-1").track("v:0"),
            options=("-c", "copy", "-map_metadata", "0"),
            also=[graphs.open_input(tags, "matroska")],
        )
    )
    assert words_after(words, "-i") == [f"file:{tags}", "pipe:0"]
    assert words_after(words, "-protocol_whitelist") == ["file,pipe", "pipe"]
    with feeding.fed([sent]) as stdin:
        ffmpeg.run(words, timeout=20, stdin=stdin)
    answer = ffprobe.read(out, "matroska")
    assert [one["codec_type"] for one in answer["streams"]] == ["video"]
    assert answer["format"]["tags"]["title"] == "Ours"


def test_stdin_has_a_demuxer_of_ours() -> None:
    with pytest.raises(ValueError, match="no demuxer"):
        graphs.open_pipe("concat")


def test_lists_are_written_nowhere_else() -> None:
    """Words that open inputs, map streams or filter them are of the two doors alone; ffprobe's are built by one."""
    written = {
        f"{path.relative_to(MEDIA)}:{node.lineno}: {node.value}"
        for path in MEDIA.rglob("*.py")
        if path not in {MEDIA / "tools/graphs.py", MEDIA / "tools/ffmpeg.py"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and BY_HAND.fullmatch(node.value)
    }
    assert written == set()


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
