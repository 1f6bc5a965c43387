from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.derivers.base import Ready
from media.derivers.poster import PosterDeriver
from media.errors import DamagedFileError, MediaError, RunAbandonedError, TooLargeError, UnsupportedTypeError
from media.subject import Subject
from media.tools import ffmpeg
from media.transcoding.frames import size_within
from media.transcoding.picture import matrix_of, strategies_for
from tests.makers import Pixels, corners, make_image, make_video, pixels_of, stored_for, turn_video
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
def test_hdr_looks_like_its_sdr_original(tmp_path: Path, transfer: str) -> None:
    source = make_image(tmp_path / "a.png", np.asarray(Image.fromarray(photo()).resize((320, 180))))
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
