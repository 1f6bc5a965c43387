from pathlib import Path
from typing import Any

import pytest

from media.derivers import subtitles
from media.derivers.base import NotNeeded, Ready
from media.derivers.subtitles import SubtitlesDeriver
from media.errors import MediaError, RunAbandonedError
from media.subject import Subject
from media.tools import ffmpeg
from media.tools import run as door
from tests.makers import make_video
from tests.media.derivers.contexts import derive, run_of

SPOKEN = (
    "1\n00:00:00,500 --> 00:00:01,500\nGood morning\n\n2\n00:00:01,600 --> 00:00:02,500\n<b>Ada</b> & Tom\n"
)
EVIL = (
    "1\n00:00:00,500 --> 00:00:01,500\n<script>alert(1)</script><img src=x onerror=alert(2)>\n"
    '<font color="red" onclick="x()">red</font> a < b\n'
)


def make_film(
    path: Path, *texts: str, codec: str = "srt", options: tuple[str, ...] = (), seconds: float = 3
) -> Path:
    """A film with a track of subtitles for each text."""
    plain = make_video(path.with_suffix(".plain.mkv"), seconds=seconds, size=(160, 90))
    inputs: list[str | Path] = ["-i", plain]
    for number, text in enumerate(texts):
        source = path.with_suffix(f".{number}.srt")
        source.write_text(text)
        inputs += ["-i", source]
    maps = [word for number in range(len(texts) + 1) for word in ("-map", str(number))]
    ffmpeg.run([*inputs, *maps, "-c", "copy", "-c:s", codec, *options, path], timeout=30)
    return path


def texts_of(result: Ready) -> list[str]:
    return [output.path.read_text(encoding="utf-8") for output in result.outputs]


def test_films_alone_are_accepted() -> None:
    assert SubtitlesDeriver().accepts(Subject("video", "video/mp4", 1))
    assert not SubtitlesDeriver().accepts(Subject("audio", "audio/mpeg", 1))
    assert SubtitlesDeriver.needs_probe


def test_a_film_without_subtitles_needs_none(films: Path, tmp_path: Path) -> None:
    run = run_of(films / "plain.mp4", tmp_path / "scratch")
    assert SubtitlesDeriver().derive(run) == NotNeeded("no_subtitles")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "srt"), ("a.mkv", "ass"), ("a.mkv", "webvtt"), ("a.mp4", "mov_text")]
)
def test_every_kind_of_words_becomes_webvtt(tmp_path: Path, name: str, codec: str) -> None:
    result = derive(SubtitlesDeriver(), make_film(tmp_path / name, SPOKEN, codec=codec), tmp_path / "scratch")
    (output,) = result.outputs
    (text,) = texts_of(result)
    assert (output.name, output.content_type) == ("2.vtt", "text/vtt; charset=utf-8")
    assert text.startswith("WEBVTT\n\n00:00.500 --> 00:01.500\nGood morning\n")
    assert "00:01.600 --> 00:02.500\n" in text
    assert "Ada" in text
    assert "&amp; Tom" in text


def test_tracks_have_their_names_and_come_from_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (
        *(
            "-metadata:s:s:0",
            "language=eng",
            "-metadata:s:s:1",
            "language=fre",
            "-metadata:s:s:1",
            "title=Forced",
        ),
        *("-disposition:s:0", "default", "-disposition:s:1", "forced"),
    )
    source = make_film(tmp_path / "a.mkv", SPOKEN, SPOKEN.replace("Good morning", "Bonjour"), options=options)
    run = run_of(source, tmp_path / "scratch")
    real, calls = ffmpeg.run, []

    def count(*arguments: Any, **named: Any) -> door.Completed:
        calls.append(arguments)
        return real(*arguments, **named)

    monkeypatch.setattr(ffmpeg, "run", count)
    result = SubtitlesDeriver().derive(run)
    assert isinstance(result, Ready)
    assert len(calls) == 1
    about = [
        {name: track[name] for name in ("index", "language", "title", "default", "forced", "name")}
        for track in result.facts["tracks"]
    ]
    assert about == [
        {"index": 2, "language": "eng", "title": None, "default": True, "forced": False, "name": "2.vtt"},
        {"index": 3, "language": "fre", "title": "Forced", "default": False, "forced": True, "name": "3.vtt"},
    ]
    assert ["Good morning" in text for text in texts_of(result)] == [True, False]
    assert ["Bonjour" in text for text in texts_of(result)] == [False, True]


@pytest.mark.parametrize("codec", ["srt", "webvtt", "ass"])
def test_no_script_comes_of_subtitles(tmp_path: Path, codec: str) -> None:
    result = derive(
        SubtitlesDeriver(), make_film(tmp_path / "a.mkv", EVIL, codec=codec), tmp_path / "scratch"
    )
    (text,) = texts_of(result)
    for tag in ("<script", "<img", "<font", "onclick=", "onerror="):
        assert tag not in text.lower()
    assert "alert(1)" in text


def test_pictures_of_words_are_listed(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", SPOKEN, codec="srt")
    run = run_of(source, tmp_path / "scratch")
    assert run.subject.probe is not None
    picture = {"index": 9, "codec": "hdmv_pgs_subtitle", "language": "ger", "default": False, "forced": False}
    probe = {**run.subject.probe, "subtitles": [*run.subject.probe["subtitles"], picture]}
    run.subject = Subject("video", run.subject.mime, run.subject.size, probe)
    result = SubtitlesDeriver().derive(run)
    assert isinstance(result, Ready)
    assert [output.name for output in result.outputs] == ["2.vtt"]
    (left,) = result.facts["not_extractable"]
    assert (left["index"], left["codec"], left["language"], left["name"]) == (
        9,
        "hdmv_pgs_subtitle",
        "ger",
        None,
    )


def test_a_film_with_pictures_of_words_alone_is_ready_without_files(tmp_path: Path) -> None:
    subtitles = [{"index": 2, "codec": "dvd_subtitle"}]
    run = run_of(make_video(tmp_path / "a.mp4", seconds=0.5), tmp_path / "scratch")
    assert run.subject.probe is not None
    probe = {**run.subject.probe, "subtitles": subtitles}
    run.subject = Subject("video", run.subject.mime, run.subject.size, probe)
    result = SubtitlesDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.outputs == ()
    assert len(result.facts["not_extractable"]) == 1


def test_letters_of_an_old_code_page_are_read(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", SPOKEN)
    content = source.read_bytes()
    source.write_bytes(content.replace(b"Good morning", b"Gr\xfc\xdfe, Ren\xe9!"))
    result = derive(SubtitlesDeriver(), source, tmp_path / "scratch")
    assert "Grüße, René!" in texts_of(result)[0]
    assert "Tom" in texts_of(result)[0]


def test_a_film_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    source = make_film(
        tmp_path / "a.mkv", SPOKEN + "\n3\n00:00:07,000 --> 00:00:08,000\nThe end\n", seconds=8
    )
    run = run_of(source, tmp_path / "scratch")
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    result = SubtitlesDeriver().derive(run)
    assert isinstance(result, Ready)
    assert "Good morning" in texts_of(result)[0]
    assert "The end" not in texts_of(result)[0]


def test_a_film_that_cannot_be_opened_any_more_fails(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", SPOKEN)
    run = run_of(source, tmp_path / "scratch")
    source.write_bytes(bytes(2000))
    with pytest.raises(MediaError):
        SubtitlesDeriver().derive(run)


def test_an_abandoned_run_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ASK_EVERY", 0.0)
    run = run_of(make_film(tmp_path / "a.mkv", SPOKEN), tmp_path / "scratch", stop=lambda: True)
    with pytest.raises(RunAbandonedError):
        SubtitlesDeriver().derive(run)


@pytest.mark.shared
def test_the_subtitles_of_the_shared_films(shared_media: Path, tmp_path: Path) -> None:
    film = shared_media / "video/multi_audio_subs_chapters.mkv"
    result = derive(SubtitlesDeriver(), film, tmp_path / "scratch")
    assert [(track["language"], track["forced"]) for track in result.facts["tracks"]] == [
        ("eng", False),
        ("fre", True),
    ]
    english, french = texts_of(result)
    assert "ask not what your country can do for you" in english
    assert "votre pays" in french
    first = derive(SubtitlesDeriver(), shared_media / "video/mkv_h264_ac3_srt.mkv", tmp_path / "other")
    assert "This is the first subtitle." in texts_of(first)[0]


def test_what_is_too_much_is_cut_off_and_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subtitles, "ALL_BYTES", 32 * 1024)
    endless = "".join(f"{at}\n00:00:01,{at:03} --> 00:00:01,999\n{'much ' * 40}\n\n" for at in range(1000))
    film = make_film(tmp_path / "a.mkv", SPOKEN, endless)
    result = derive(SubtitlesDeriver(), film, tmp_path / "scratch")
    assert result.facts["partial"]
    short, long = texts_of(result)
    assert "Good morning" in short
    assert 8 * 1024 < len(long) <= 16 * 1024
    assert SubtitlesDeriver().scratch_bytes(run_of(film, tmp_path / "other").subject) == 64 * 1024


def test_what_grows_when_it_is_made_harmless_is_cut_off_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subtitles, "ALL_BYTES", 16 * 1024)
    result = derive(
        SubtitlesDeriver(),
        make_film(tmp_path / "a.mkv", f"1\n00:00:00,500 --> 00:00:01,500\n{(chr(38) * 1000 + chr(10)) * 10}"),
        tmp_path / "scratch",
    )
    (text,) = texts_of(result)
    assert "&amp;" in text
    assert len(text) <= 16 * 1024
