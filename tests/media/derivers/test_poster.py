from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.derivers.base import NotNeeded, Ready
from media.derivers.hover import HoverDeriver
from media.derivers.poster import PosterDeriver
from media.errors import (
    DamagedFileError,
    MediaError,
    RunAbandonedError,
    TooLargeError,
    TransientError,
    UnsupportedTypeError,
)
from media.subject import Subject
from media.tools import ffmpeg
from media.transcoding import frames
from media.transcoding.frames import size_within
from media.transcoding.picture import matrix_of, strategies_for
from tests.makers import (
    Pixels,
    corners,
    make_image,
    make_png,
    make_tone,
    make_video,
    pixels_of,
    stored_for,
    turn_video,
)
from tests.media.derivers.contexts import derive, run_of


def poster_of(path: Path, tmp_path: Path) -> tuple[Ready, Pixels]:
    result = derive(PosterDeriver(), path, tmp_path / "scratch")
    return result, pixels_of(tmp_path / "scratch" / "poster.webp")


def film_of(picture: Path, out: Path, *options: str) -> Path:
    """A still picture for two seconds."""
    ffmpeg.run(
        ["-loop", "1", "-t", "2", "-i", picture, "-pix_fmt", "yuv420p", "-r", "10", *options, out], timeout=30
    )
    return out


def test_a_poster_and_its_larger_source(films: Path, tmp_path: Path) -> None:
    result, pixels = poster_of(films / "plain.mp4", tmp_path)
    candidates = [f"candidate-{place}.webp" for place in (10, 25, 50, 75, 90)]
    assert [output.name for output in result.outputs] == ["poster.webp", "poster-large.webp", *candidates]
    assert pixels.shape == (270, 480, 3)
    assert pixels_of(tmp_path / "scratch" / "poster-large.webp").shape == (360, 640, 3)
    assert (result.facts["width"], result.facts["height"]) == (480, 270)
    assert (result.facts["large_width"], result.facts["large_height"]) == (640, 360)
    assert 0 <= result.facts["second"] <= 3
    assert result.facts["dark"] is False
    assert result.facts["color"].startswith("#")
    assert len(result.facts["thumbhash"]) > 20
    assert result.made_with["strategy"] == "sdr"


def test_only_videos_have_posters() -> None:
    deriver = PosterDeriver()
    assert deriver.accepts(Subject("video", "video/mp4", 1))
    assert not deriver.accepts(Subject("audio", "video/mp4", 1))
    assert not deriver.accepts(Subject("image", "image/gif", 1))
    assert deriver.needs_probe


def test_twenty_black_seconds_never_make_a_black_poster(films: Path, tmp_path: Path) -> None:
    result, pixels = poster_of(films / "late.mp4", tmp_path)
    assert result.facts["dark"] is False
    assert pixels.mean() > 40
    assert result.facts["second"] >= 19.5


@pytest.mark.parametrize(("black", "seconds"), [(5.0, 0.3), (0.5, 6.0)])
def test_a_short_light_moment_is_found(tmp_path: Path, black: float, seconds: float) -> None:
    first, second = (black, seconds) if black > seconds else (0.0, seconds)
    graph = (
        f"color=black:size=160x90:rate=10:duration={max(first, 0.1)}[a];"
        f"testsrc2=size=160x90:rate=10:duration={second}[b];"
        "color=black:size=160x90:rate=10:duration=4[c];[a][b][c]concat=n=3:v=1:a=0"
    )
    film = make_video(tmp_path / "a.mp4", source=graph, audio=False, options=["-g", "250"])
    result, pixels = poster_of(film, tmp_path)
    assert result.facts["dark"] is False
    assert pixels.mean() > 40


def test_hours_of_black_are_not_searched_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Music over a black picture: the candidates that were found have to do."""
    monkeypatch.setattr(frames, "SEARCH_TIMEOUT", 0.0)
    film = make_video(tmp_path / "a.mp4", source="color=black:size=64x64:rate=5:duration=6", audio=False)
    assert poster_of(film, tmp_path)[0].facts["dark"] is True
    hover = HoverDeriver().derive(run_of(film, tmp_path / "hover"))
    assert hover == NotNeeded("still")


def test_a_black_film_has_a_black_poster_and_says_so(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", source="color=black:size=64x64:rate=5:duration=2", audio=False)
    result, pixels = poster_of(film, tmp_path)
    assert result.facts["dark"] is True
    assert pixels.mean() < 3


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_film_that_lies_on_its_side_has_an_upright_poster(tmp_path: Path, degrees: int) -> None:
    upright = corners(160, 96)
    # ffmpeg counts its display rotation the other way round than EXIF: 90 is what EXIF calls 8.
    orientation = {90: 8, 180: 3, 270: 6}[degrees]
    stored = make_image(tmp_path / "a.png", stored_for(orientation, upright))
    film = turn_video(film_of(stored, tmp_path / "a.mp4"), tmp_path / "b.mp4", degrees)
    _, pixels = poster_of(film, tmp_path)
    assert pixels.shape == (96, 160, 3)
    assert np.abs(pixels.astype(int) - upright).mean() < 8


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    film = make_video(
        tmp_path / "a.mp4", size=(180, 144), seconds=1, audio=False, options=["-vf", "setsar=2"]
    )
    result, _ = poster_of(film, tmp_path)
    assert (result.facts["width"], result.facts["height"]) == (360, 144)


def test_a_single_frame_is_enough(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", audio=False, options=["-frames:v", "1"])
    result, pixels = poster_of(film, tmp_path)
    assert pixels.shape == (180, 320, 3)
    assert result.facts["dark"] is False


@pytest.mark.parametrize("codec", ["libx265", "libvpx", "libvpx-vp9", "mpeg4", "ffv1"])
def test_other_codecs(tmp_path: Path, codec: str) -> None:
    film = make_video(tmp_path / "a.mkv", codec=codec, seconds=0.5, audio=False)
    assert poster_of(film, tmp_path)[1].shape == (180, 320, 3)


# SDR white at 203 nits, where HDR broadcasts put it (ITU-R BT.2408).
HDR = "zscale=tin=bt709:min=bt709:pin=bt709:rin=tv:t={transfer}:m=bt2020nc:p=bt2020:r=tv:npl=203"


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.parametrize("brighter", [-60, 0, 60])
def test_hdr_looks_like_its_sdr_original(tmp_path: Path, transfer: str, brighter: int) -> None:
    pixels = np.clip(photo().astype(int) + brighter, 0, 255).astype(np.uint8)
    source = make_image(tmp_path / "a.png", np.asarray(Image.fromarray(pixels).resize((320, 180))))
    to_709 = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    tags = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    chain = f"{to_709},{HDR.format(transfer=transfer)},format=yuv420p10le,{tags}"
    options = [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=error",
        "-pix_fmt",
        "yuv420p10le",
    ]
    film = film_of(source, tmp_path / "hdr.mp4", "-vf", chain, *options)
    result, pixels = poster_of(film, tmp_path)
    assert result.made_with["strategy"] == "hdr"
    original = pixels_of(source).astype(int)
    assert np.abs(pixels.astype(int) - original).mean() < 10


def photo() -> Pixels:
    """Soft shapes in the middle of the range, as photographs have them."""
    rows, columns = np.mgrid[0:90, 0:160]
    red = 110 + 70 * np.sin(columns / 17)
    green = 110 + 70 * np.cos(rows / 13)
    blue = 110 + 60 * np.sin((rows + columns) / 23)
    return np.stack((red, green, blue), axis=2).astype(np.uint8)


def test_strategies_by_source_and_build() -> None:
    sdr = {"stored_width": 1920, "stored_height": 1080}
    hdr = {"stored_width": 3840, "stored_height": 2160, "hdr": "pq", "color_space": "bt2020nc"}
    assert list(strategies_for(sdr, (320, 180), zscale=True)) == ["sdr", "sdr_no_seek", "plain"]
    assert list(strategies_for(hdr, (320, 180), zscale=True)) == [
        "hdr",
        "hdr_declared",
        "sdr",
        "sdr_no_seek",
        "plain",
    ]
    assert list(strategies_for(hdr, (320, 180), zscale=False)) == [
        "hdr_swscale",
        "sdr",
        "sdr_no_seek",
        "plain",
    ]


def test_every_strategy_runs_on_this_build(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=0.3, audio=False)
    video = {"stored_width": 320, "stored_height": 180, "hdr": "hlg"}
    chains = strategies_for(video, (64, 36), zscale=True) | strategies_for(video, (64, 36), zscale=False)
    tagged = "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv,"
    for name, chain in chains.items():
        out = [*ffmpeg.input_arguments(film, "mov"), "-frames:v", "1", "-vf", tagged + chain]
        done = ffmpeg.run([*out, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"], timeout=20)
        assert len(done.stdout) == 64 * 36 * 3, name


def test_colour_matrices() -> None:
    assert matrix_of({"color_space": "bt709", "stored_height": 100}) == "bt709"
    assert matrix_of({"color_space": "bt2020nc", "stored_height": 100}) == "bt2020"
    assert matrix_of({"color_space": "smpte170m", "stored_height": 1080}) == "bt601"
    assert matrix_of({"stored_height": 1080}) == "bt709"
    assert matrix_of({"stored_height": 480}) == "bt601"


@pytest.mark.parametrize(
    ("size", "expected"),
    [((7680, 4320), (1280, 720)), ((1080, 1920), (720, 1280)), ((321, 241), (320, 240)), ((1, 1), (2, 2))],
)
def test_frame_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert size_within({"width": size[0], "height": size[1]}, 1280, 1280) == expected


def test_a_film_of_too_many_pixels_is_refused_before_decoding(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALCOVES_VIDEO_MAX_MEGAPIXELS", "1")
    run = run_of(films / "plain.mp4", tmp_path / "scratch")
    assert run.subject.probe is not None
    probe = dict(run.subject.probe)
    probe["video"] = probe["video"] | {"stored_width": 4000, "stored_height": 3000}
    run.subject = Subject("video", "video/mp4", 1, probe)
    with pytest.raises(TooLargeError):
        PosterDeriver().derive(run)


def test_a_cut_film_gives_what_it_has_or_a_clear_error(films: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat.mp4"
    ffmpeg.run(["-i", films / "plain.mp4", "-c", "copy", "-movflags", "+faststart", flat], timeout=20)
    data = flat.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    result, pixels = poster_of(tmp_path / "cut.mp4", tmp_path)
    assert pixels.shape == (270, 480, 3)
    assert result.facts["dark"] is False


def test_no_decodable_frame_is_told(films: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat.mp4"
    ffmpeg.run(["-i", films / "silent.mp4", "-c", "copy", "-movflags", "+faststart", flat], timeout=20)
    run = run_of(flat, tmp_path / "scratch")
    data = flat.read_bytes()
    start = data.index(b"mdat") + 4
    flat.write_bytes(data[:start])
    with pytest.raises(DamagedFileError):
        PosterDeriver().derive(run)


def test_a_missing_decoder_is_told(films: Path, tmp_path: Path) -> None:
    unknown = tmp_path / "unknown.mp4"
    unknown.write_bytes((films / "silent.mp4").read_bytes().replace(b"avc1", b"zzz1"))
    run = run_of(films / "silent.mp4", tmp_path / "scratch")
    run.path = unknown
    with pytest.raises((UnsupportedTypeError, DamagedFileError)) as caught:
        PosterDeriver().derive(run)
    assert isinstance(caught.value, MediaError)
    assert not caught.value.retry


def test_an_abandoned_run_stops(films: Path, tmp_path: Path) -> None:
    run = run_of(films / "plain.mp4", tmp_path / "scratch", stop=lambda: True)
    with pytest.raises(RunAbandonedError):
        PosterDeriver().derive(run)
    assert list(run.scratch.iterdir()) == []


PLACES = (10, 25, 50, 75, 90)


def listed(result: Ready) -> dict[int, dict[str, float]]:
    return {one["place"]: one for one in result.facts["candidates"]}


def test_candidates_tell_their_own_second(tmp_path: Path) -> None:
    """One key frame a second: the frame that is shown is the one before the place, and it says so."""
    film = make_video(tmp_path / "a.mp4", seconds=10, audio=False, options=["-g", "25", "-sc_threshold", "0"])
    found = listed(poster_of(film, tmp_path)[0])
    assert [found[place]["second"] for place in PLACES] == [1, 2, 5, 7, 9]
    pictures = [pixels_of(tmp_path / "scratch" / f"candidate-{place}.webp") for place in PLACES]
    assert {picture.shape for picture in pictures} == {(180, 320, 3)}
    for one, other in pairwise(pictures):
        assert np.abs(one.astype(int) - other).mean() > 1


@pytest.mark.parametrize("seconds", [1, 4, 70])
def test_places_on_one_key_frame_are_decoded_exactly(tmp_path: Path, seconds: int) -> None:
    film = make_video(
        tmp_path / "a.mp4", seconds=seconds, size=(64, 36), rate=10, audio=False, options=["-g", "9999"]
    )
    found = listed(poster_of(film, tmp_path)[0])
    exact = [found[place]["second"] for place in PLACES[1:]]
    assert exact == pytest.approx([seconds * place / 100 for place in PLACES[1:]], abs=0.101)


def test_the_sharp_frame_is_taken_and_the_blurred_ones_are_not(tmp_path: Path) -> None:
    """Four fifths of the film are out of focus."""
    sharp = make_image(tmp_path / "a.png", corners(320, 180))
    blur = "gblur=sigma=12:enable='not(between(t,4,6))'"
    film = tmp_path / "a.mp4"
    options: list[str | Path] = [
        "-loop",
        "1",
        "-t",
        "10",
        "-i",
        sharp,
        "-vf",
        f"tile=1x1,{blur}",
        "-r",
        "10",
        "-g",
        "10",
    ]
    ffmpeg.run([*options, "-pix_fmt", "yuv420p", film], timeout=30)
    result, _ = poster_of(film, tmp_path)
    assert 4 <= result.facts["second"] < 6
    scores = {place: one["score"] for place, one in listed(result).items()}
    assert max(scores, key=lambda place: scores[place]) == 50


def test_the_frame_of_a_second_that_was_chosen(films: Path, tmp_path: Path) -> None:
    run = run_of(films / "late.mp4", tmp_path / "scratch")
    run.variant, run.parameters = "at-21000", {"second": 21.0}
    result = PosterDeriver().derive(run)
    assert isinstance(result, Ready)
    assert [output.name for output in result.outputs] == ["poster.webp", "poster-large.webp"]
    assert result.facts["second"] == pytest.approx(21.0, abs=0.06)
    run.parameters = {"second": 3.0}
    dark = PosterDeriver().derive(run)
    assert isinstance(dark, Ready)
    assert (dark.facts["second"], dark.facts["dark"]) == (3.0, True)


def test_large_films_are_taken_one_place_at_a_time(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[int] = []
    run_one = frames.Film.run

    def counted(film: frames.Film, arguments: Sequence[str]) -> Mapping[int, float]:
        inputs.append(list(arguments).count("-i"))
        return run_one(film, arguments)

    monkeypatch.setattr(frames.Film, "run", counted)
    assert len(listed(poster_of(films / "plain.mp4", tmp_path)[0])) == 5
    assert inputs[0] == 5
    inputs.clear()
    monkeypatch.setattr(frames, "LARGE", 100)
    assert len(listed(poster_of(films / "plain.mp4", tmp_path)[0])) == 5
    assert set(inputs) == {1}


def test_a_source_in_a_bucket_is_read_by_range(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never the whole file: only `source_input` is asked for."""
    run = run_of(films / "plain.mp4", tmp_path / "scratch")

    def copied() -> Path:
        raise AssertionError("The source was copied.")

    monkeypatch.setattr(run, "source_path", copied)
    assert isinstance(PosterDeriver().derive(run), Ready)


@pytest.fixture
def song(tmp_path: Path) -> Callable[..., Path]:
    """A recording with a cover."""

    def make(cover: Path, name: str = "song.mp3") -> Path:
        tone, out = make_tone(tmp_path / "tone.wav", seconds=0.5), tmp_path / name
        streams = ["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic"]
        ffmpeg.run(["-i", tone, "-i", cover, *streams, out], timeout=20)
        return out

    return make


@pytest.mark.parametrize("name", ["song.mp3", "song.flac", "song.m4a"])
def test_the_cover_of_a_recording_is_its_poster(song: Callable[..., Path], tmp_path: Path, name: str) -> None:
    cover = make_image(tmp_path / "cover.png", corners(600, 600))
    run = run_of(song(cover, name), tmp_path / "scratch")
    assert run.subject.kind == "audio"
    assert PosterDeriver().accepts(run.subject)
    result = PosterDeriver().derive(run)
    assert isinstance(result, Ready)
    assert [output.name for output in result.outputs] == ["poster.webp", "poster-large.webp"]
    assert (result.facts["large_width"], result.facts["width"]) == (600, 480)
    large = pixels_of(tmp_path / "scratch" / "poster-large.webp")
    assert np.abs(large.astype(int) - corners(600, 600)).mean() < 4


def test_a_recording_without_a_cover_has_no_poster(tmp_path: Path) -> None:
    run = run_of(make_tone(tmp_path / "a.flac", seconds=0.3), tmp_path / "scratch")
    assert not PosterDeriver().accepts(run.subject)
    assert PosterDeriver().derive(run) == NotNeeded("no_cover")


def test_a_hostile_cover_is_refused_and_told(song: Callable[..., Path], tmp_path: Path) -> None:
    film = song(make_image(tmp_path / "cover.png", corners(60, 60)))
    bomb = make_png(tmp_path / "bomb.png", 60_000, 60_000).read_bytes()[:60]
    data = film.read_bytes()
    start = data.index(b"\x89PNG")
    film.write_bytes(data[:start] + bomb + data[start + len(bomb) :])
    with pytest.raises(DamagedFileError) as caught:
        PosterDeriver().derive(run_of(film, tmp_path / "scratch"))
    assert caught.value.code == "damaged_cover"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("bear_id3_cover.mp3", (1280, 1280)),
        ("bear_with_picture.flac", (371, 320)),
        ("jfk_cover.mp3", (300, 168)),
    ],
)
def test_shared_covers(shared_media: Path, tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    result = derive(PosterDeriver(), shared_media / "audio" / name, tmp_path)
    assert (result.facts["large_width"], result.facts["large_height"]) == size
    assert pixels_of(tmp_path / "poster.webp").std() > 10


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("flower.mp4", 5),
        ("timeline_faces_objects_speech.mp4", 5),
        ("odd_321x241_h264_444.mp4", 5),
        ("empty_second_video_track.mp4", 5),
        ("vfr_switch.mp4", 5),
        ("black_20s.mp4", 5),
        ("hevc_8k.mp4", 4),
        ("truncated_faststart.mp4", 2),
        ("one_frame.mp4", 0),
    ],
)
def test_candidates_of_shared_films(shared_media: Path, tmp_path: Path, name: str, count: int) -> None:
    found = listed(derive(PosterDeriver(), shared_media / "video" / name, tmp_path))
    assert len(found) == count
    assert len({one["second"] for one in found.values()}) == count
    for place in found:
        assert pixels_of(tmp_path / f"candidate-{place}.webp").shape[1] <= 320


def test_ffmpeg_killed_in_the_middle_is_tried_again(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the kernel when memory is short: no fault of the film, and nothing stays behind."""
    run = run_of(films / "plain.mp4", tmp_path / "scratch")
    program = tmp_path / "ffmpeg"
    program.write_text(
        f'#!/bin/sh\ncase " $* " in *" -i "*) kill -9 $$ ;; esac\nexec {ffmpeg.binary()} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("ALCOVES_FFMPEG_BINARY", str(program))
    with pytest.raises(TransientError) as caught:
        PosterDeriver().derive(run)
    assert caught.value.retry
    with pytest.raises(TransientError):
        HoverDeriver().derive(run)
    assert list(run.scratch.iterdir()) == []


def test_a_kill_does_not_lead_to_the_next_strategy(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would show an HDR film grey for ever, because memory was short once."""
    program, once = tmp_path / "ffmpeg", tmp_path / "once"
    program.write_text(
        f'#!/bin/sh\ncase " $* " in *" -i "*) mkdir {once} 2>/dev/null && kill -9 $$ ;; esac\n'
        f'exec {ffmpeg.binary()} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("ALCOVES_FFMPEG_BINARY", str(program))
    with pytest.raises(TransientError):
        PosterDeriver().derive(run_of(films / "plain.mp4", tmp_path / "scratch"))
    assert once.exists()
