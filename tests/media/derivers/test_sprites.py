import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from media.derivers import sprites
from media.derivers.base import NotNeeded, Ready
from media.derivers.sprites import Plan, SpritesDeriver, frame_size, map_of, plan_of, too_old
from media.errors import DamagedFileError, RunAbandonedError, TimedOutError, TooLargeError, TransientError
from media.subject import Subject
from media.tools import ffmpeg
from media.tools import run as door
from media.transcoding import frames
from tests.makers import Pixels, corners, make_video, pixels_of, turn_video
from tests.media.derivers.contexts import derive, kill_at_start, run_of

GREYS = "geq=lum='16+mod(floor(T),12)*18':cb=128:cr=128"
"""Each second has a grey of its own, 18 steps of luma apart; after twelve they begin anew."""


class Cell(NamedTuple):
    start: float
    end: float
    pixels: Pixels


def clock(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def cells_of(result: Ready) -> list[Cell]:
    """As a player reads the map and cuts the sheets."""
    outputs = {output.name: output.path for output in result.outputs}
    sheets = {name: pixels_of(path) for name, path in outputs.items() if name.endswith(".jpg")}
    cue = re.compile(r"(\S+) --> (\S+)\n(sprite-\d{3}\.jpg)\?v=[0-9a-f]{16}#xywh=(\d+),(\d+),(\d+),(\d+)\n")
    found = []
    for start, end, sheet, *place in cue.findall(outputs["sprites.vtt"].read_text()):
        x, y, width, height = map(int, place)
        pixels = sheets[sheet][y : y + height, x : x + width]
        assert pixels.shape == (height, width, 3)
        found.append(Cell(clock(start), clock(end), pixels))
    return found


def second_of(cell: Cell) -> int:
    """Which second of `GREYS` a cell shows."""
    return round(float(cell.pixels.mean()) / 255 * 219 / 18)


def grey_film(path: Path, seconds: float, keys: int, **options: Any) -> Path:
    source = f"color=black:size=160x90:rate=10:duration={seconds},{GREYS}"
    encode = ["-g", str(keys), "-keyint_min", str(keys), "-sc_threshold", "0"]
    return make_video(path, source=source, audio=False, options=encode, **options)


def test_films_only() -> None:
    deriver = SpritesDeriver()
    assert deriver.accepts(Subject("video", "video/mp4", 1))
    assert not deriver.accepts(Subject("audio", "audio/mpeg", 1))
    assert not deriver.accepts(Subject("image", "image/gif", 1))


@pytest.mark.parametrize(
    ("duration", "interval", "count", "columns", "rows", "sheets"),
    [
        (0.5, 0.2, 3, 3, 1, 1),
        (5, 0.2, 25, 10, 3, 1),
        (60, 2.0, 30, 10, 3, 1),
        (150, 5.0, 30, 10, 3, 1),
        (152, 5.0, 31, 10, 4, 1),
        (500, 5.0, 100, 10, 10, 1),
        (501, 5.0, 101, 10, 10, 2),
        (3600, 5.0, 720, 10, 10, 8),
        (50_000, 5.0, 10_000, 10, 10, 100),
        (100_000, 10.0, 10_000, 10, 10, 100),
        (864_000.5, 86.401, 10_000, 10, 10, 100),
    ],
)
def test_how_many_and_how_far_apart(
    duration: float, interval: float, count: int, columns: int, rows: int, sheets: int
) -> None:
    plan = plan_of(duration, 1920, 1080)
    assert plan.as_facts() == {
        "interval": interval,
        "columns": columns,
        "rows": rows,
        "frame_width": 160,
        "frame_height": 90,
        "count": count,
        "sheets": sheets,
    }
    assert (plan.count - 1) * plan.interval < duration


@pytest.mark.parametrize(
    ("displayed", "frame"),
    [
        ((1920, 1080), (160, 90)),
        ((640, 480), (160, 120)),
        ((1080, 1920), (160, 284)),
        ((100, 1000), (32, 320)),
        ((4000, 20), (160, 2)),
        ((8, 8), (160, 160)),
    ],
)
def test_frames_are_even_and_never_taller_than_twice_their_width(
    displayed: tuple[int, int], frame: tuple[int, int]
) -> None:
    assert frame_size(*displayed) == frame


def test_cells_show_their_own_second(tmp_path: Path) -> None:
    """With a key frame each second nothing needs to be decoded in between."""
    film = grey_film(tmp_path / "a.mp4", 12, keys=10)
    result = derive(SpritesDeriver(), film, tmp_path / "scratch")
    assert result.facts["key_frames"] is True
    cells = cells_of(result)
    assert len(cells) == result.facts["count"] == 30
    assert [second_of(cell) for cell in cells] == [int(cell.start + 1e-6) for cell in cells]
    assert [cell.start for cell in cells[1:]] == [cell.end for cell in cells[:-1]]
    assert cells[-1].end == pytest.approx(12)


@pytest.mark.parametrize("suffix", ["mkv", "ts", "webm"])
def test_key_frames_alone_are_decoded_in_every_container(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within two intervals of a cell its key frame is good enough: the one before, never the one after."""
    monkeypatch.setattr(sprites, "OLD", 6.0)
    codec = {"codec": "libvpx-vp9"} if suffix == "webm" else {}
    film = grey_film(tmp_path / f"a.{suffix}", 12, keys=20, **codec)
    run = run_of(film, tmp_path / "scratch")
    result = SpritesDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts["key_frames"] is True
    assert [second_of(cell) for cell in cells_of(result)] == [
        int(cell.start + 1e-6) // 2 * 2 for cell in cells_of(result)
    ]
    # One look at each key frame: the rest was not decoded.
    assert len(run.told) == 6


def test_where_key_frames_are_rare_the_film_is_decoded(tmp_path: Path) -> None:
    film = grey_film(tmp_path / "a.mp4", 12, keys=1000)
    result = derive(SpritesDeriver(), film, tmp_path / "scratch")
    assert result.facts["key_frames"] is False
    cells = cells_of(result)
    assert [second_of(cell) for cell in cells] == [int(cell.start + 1e-6) for cell in cells]


def test_where_that_takes_too_long_the_key_frames_have_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = grey_film(tmp_path / "a.mp4", 12, keys=1000)
    real = ffmpeg.run

    def slow(arguments: Sequence[str | Path], **options: Any) -> Any:
        if "-skip_frame" not in arguments:
            raise TimedOutError("ffmpeg took longer than 60 seconds.")
        return real(arguments, **options)

    monkeypatch.setattr(ffmpeg, "run", slow)
    result = derive(SpritesDeriver(), film, tmp_path / "scratch")
    assert result.facts["key_frames"] is True
    assert {second_of(cell) for cell in cells_of(result)} == {0}


def crowded_film(path: Path, **options: Any) -> Path:
    """Only key frames, 720 of them for 30 cells, as cameras and editors make them."""
    source = f"color=black:size=160x90:rate=60:duration=12,{GREYS}"
    return make_video(path, source=source, audio=False, codec="mjpeg", options=["-q:v", "2"], **options)


@pytest.mark.parametrize("suffix", ["mov", "mkv", "avi"])
def test_where_all_are_key_frames_each_cell_is_sought(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the ways that decode everything comes to its end: an hour of such a film takes too long."""
    film = crowded_film(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(sprites.Film, "complete", lambda *_: pytest.fail("all was decoded"))
    run = run_of(film, tmp_path / "scratch")
    result = SpritesDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts["key_frames"] is True
    cells = cells_of(result)
    assert len(cells) == 30
    assert [second_of(cell) for cell in cells] == [int(cell.start + 1e-6) for cell in cells]
    percents = [percent for percent, _ in run.told[sprites.CROWD :]]
    assert percents == sorted(percents)
    assert any(left is not None for _, left in run.told[-3:])


def test_seeking_without_an_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sprites, "LONGEST_SEARCH", 0.0)
    with pytest.raises(TimedOutError, match="Convert it"):
        derive(SpritesDeriver(), crowded_film(tmp_path / "a.mov"), tmp_path / "scratch")


def test_where_no_place_can_be_sought_the_film_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames.Film, "near", lambda _, places: [None] * len(places))
    result = derive(SpritesDeriver(), crowded_film(tmp_path / "a.mov"), tmp_path / "scratch")
    assert result.facts["key_frames"] is False
    cells = cells_of(result)
    assert [second_of(cell) for cell in cells] == [int(cell.start + 1e-6) for cell in cells]


def test_a_place_that_cannot_be_had_shows_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = frames.Film.near

    def holed(film: Any, places: Sequence[float]) -> Any:
        return [
            None if 3 < place < 6 else shot for place, shot in zip(places, real(film, places), strict=True)
        ]

    monkeypatch.setattr(frames.Film, "near", holed)
    result = derive(SpritesDeriver(), crowded_film(tmp_path / "a.mov"), tmp_path / "scratch")
    for cell in cells_of(result):
        assert second_of(cell) == (2 if 3 < cell.start < 6 else int(cell.start + 1e-6))


def test_an_ffmpeg_that_is_killed_while_seeking_is_a_reason_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of six: without it five cells would show the picture before them."""
    real, calls = ffmpeg.run, []

    def killed(arguments: Sequence[str | Path], **options: Any) -> Any:
        if "-noaccurate_seek" in arguments:
            calls.append(1)
            if len(calls) == 2:
                raise door.ExitedError("ffmpeg", -9, "")
        return real(arguments, **options)

    monkeypatch.setattr(ffmpeg, "run", killed)
    with pytest.raises(TransientError):
        derive(SpritesDeriver(), crowded_film(tmp_path / "a.mov"), tmp_path / "scratch")


@pytest.mark.parametrize(
    ("times", "old"),
    [
        ([0, 5, 10, 15, 20, 25, 30, 35, 40, 45], False),
        ([0, 10.4, 20.8, 31.2, 41.6], False),
        ([0, 1, 2, 3, 20, 25, 30, 35, 40, 45], False),
        ([0, 1, 2, 3, 25, 30, 35, 40, 45], True),
        ([0, 20, 40], True),
        ([0], True),
        ([46], False),
        ([], False),
    ],
)
def test_how_old_key_frames_may_be(times: list[float], old: bool) -> None:
    assert too_old(times, Plan(5000, 10, 10, 1, 160, 90)) is old


def test_limits_of_time_follow_the_film(films: Path, tmp_path: Path) -> None:
    run = run_of(films / "plain.mp4", tmp_path)
    assert run.subject.probe is not None
    for duration, limit in ((10, 60), (600, 300), (36_000, 600)):
        plan = plan_of(duration, 160, 90)
        assert sprites.Film(run, run.subject.probe, duration, plan).timeout == limit


def test_several_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid of two by two: eight sheets for thirty cells, and the last one half empty."""
    monkeypatch.setattr(sprites, "SIDE", 2)
    film = grey_film(tmp_path / "a.mp4", 12, keys=4)
    result = derive(SpritesDeriver(), film, tmp_path / "scratch")
    assert (result.facts["columns"], result.facts["rows"], result.facts["sheets"]) == (2, 2, 8)
    assert [output.name for output in result.outputs] == [
        "sprites.vtt",
        *(f"sprite-{number:03d}.jpg" for number in range(1, 9)),
    ]
    assert {output.content_type for output in result.outputs[1:]} == {"image/jpeg"}
    cells = cells_of(result)
    assert [second_of(cell) for cell in cells] == [int(cell.start + 1e-6) for cell in cells]


def test_the_map_is_webvtt_with_relative_addresses() -> None:
    text = map_of(Plan(5000, 3, 2, 1, 160, 90), 3612.5, ["a" * 16, "b" * 16])
    assert text.split("\n") == [
        "WEBVTT",
        "",
        "00:00:00.000 --> 00:00:05.000",
        f"sprite-001.jpg?v={'a' * 16}#xywh=0,0,160,90",
        "",
        "00:00:05.000 --> 00:00:10.000",
        f"sprite-001.jpg?v={'a' * 16}#xywh=160,0,160,90",
        "",
        "00:00:10.000 --> 00:00:15.000",
        f"sprite-002.jpg?v={'b' * 16}#xywh=0,0,160,90",
        "",
    ]
    assert "01:00:00.000 --> 01:00:05.000" in map_of(plan_of(3612.5, 16, 9), 3612.5, ["a" * 16] * 8)


def test_the_quality_is_that_of_sixty(films: Path, tmp_path: Path) -> None:
    """By its tables. The first number of each is ffmpeg's own, and finer."""
    result = derive(SpritesDeriver(), films / "plain.mp4", tmp_path / "scratch")
    Image.new("RGB", (16, 16)).save(tmp_path / "sixty.jpg", quality=60)
    with Image.open(result.outputs[1].path) as ours, Image.open(tmp_path / "sixty.jpg") as theirs:
        for number in (0, 1):
            told: Any = [image.quantization[number] for image in (ours, theirs)]  # type: ignore[attr-defined]
            assert told[0][1:] == told[1][1:]
            assert told[0][0] <= told[1][0]


def test_colours_are_those_of_the_film(tmp_path: Path) -> None:
    """HD and SD, whose matrices differ: patches of known colours come back as they were."""
    pixels = corners(1280, 720)
    for size in ("1280x720", "640x360"):
        (tmp_path / "frame.rgb").write_bytes(pixels.tobytes())
        matrix = "bt709" if size == "1280x720" else "smpte170m"
        scaled = f"scale={size.replace('x', ':')}:out_color_matrix={matrix}:out_range=tv,format=yuv420p"
        film = tmp_path / f"{size}.mp4"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "1280x720", "-r", "10", "-stream_loop", "19"]
        told = ["-colorspace", matrix, "-color_range", "tv", "-c:v", "libx264", "-crf", "5"]
        ffmpeg.run([*source, "-i", tmp_path / "frame.rgb", "-vf", scaled, *told, film], timeout=60)
        cells = cells_of(derive(SpritesDeriver(), film, tmp_path / size))
        expected = pixels[::8, ::8]
        for row, column in ((20, 40), (20, 120), (70, 40), (70, 120)):
            difference = cells[3].pixels[row, column].astype(int) - expected[row, column]
            assert np.abs(difference).max() < 12


def test_turned_and_stretched_films_are_upright(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=2, size=(320, 180), audio=False)
    upright = cells_of(derive(SpritesDeriver(), film, tmp_path / "upright"))
    turned = derive(SpritesDeriver(), turn_video(film, tmp_path / "b.mp4", 90), tmp_path / "turned")
    assert (turned.facts["frame_width"], turned.facts["frame_height"]) == (160, 284)
    small = np.asarray(Image.fromarray(cells_of(turned)[0].pixels).resize((90, 160)))
    # Turned by 90 degrees against the clock.
    assert np.abs(np.rot90(small, -1).astype(int) - upright[0].pixels).mean() < 12
    wide = make_video(
        tmp_path / "c.mp4", seconds=2, size=(180, 180), audio=False, options=["-vf", "setsar=2"]
    )
    assert derive(SpritesDeriver(), wide, tmp_path / "wide").facts["frame_height"] == 80


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_looks_like_its_sdr_original(tmp_path: Path, transfer: str) -> None:
    """SDR white at 203 nits, where HDR broadcasts put it (ITU-R BT.2408)."""
    soft = (
        "color=black:size=320x180:rate=10:duration=2,format=yuv420p,"
        "geq=lum='110+50*sin(X/34)+T*10':cb='128+30*sin(Y/26)':cr='128+30*cos(X/46)'"
    )
    told = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    to_hdr = f"zscale=t={transfer}:m=bt2020nc:p=bt2020:r=tv:npl=203,format=yuv420p10le"
    tags = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    plain = make_video(tmp_path / "a.mp4", source=f"{soft},{told}", audio=False)
    hevc = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"]
    film = tmp_path / "b.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", f"{soft},{told},{to_hdr},{tags}", *hevc, film], timeout=60)
    original, mapped = (
        cells_of(derive(SpritesDeriver(), one, tmp_path / one.stem))[5].pixels.astype(int)
        for one in (plain, film)
    )
    assert np.abs(mapped - original).mean() < 10


def test_a_clip_of_one_frame_needs_none(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=0.04, audio=False)
    assert SpritesDeriver().derive(run_of(film, tmp_path / "s")) == NotNeeded("one_frame")


def test_a_film_that_does_not_say_how_long_it_is(films: Path, tmp_path: Path) -> None:
    run = run_of(films / "plain.mp4", tmp_path / "s")
    run.subject = Subject(
        "video", "video/mp4", 1, {name: value for name, value in probe_of(run).items() if name != "duration"}
    )
    assert SpritesDeriver().derive(run) == NotNeeded("no_duration")


def probe_of(run: Any) -> dict[str, Any]:
    return dict(run.subject.probe)


def test_frames_too_large_to_decode_are_refused(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALCOVES_VIDEO_MAX_MEGAPIXELS", "0.1")
    with pytest.raises(TooLargeError):
        SpritesDeriver().derive(run_of(films / "plain.mp4", tmp_path / "s"))


def test_a_film_cut_short_gives_what_it_has(tmp_path: Path) -> None:
    film = grey_film(tmp_path / "a.mkv", 12, keys=10)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    run = run_of(film, tmp_path / "s")
    result = SpritesDeriver().derive(run)
    assert isinstance(result, Ready)
    shown = [second_of(cell) for cell in cells_of(result)]
    assert shown == sorted(shown)
    assert len(set(shown)) >= 4


def test_a_film_that_cannot_be_opened_any_more_is_damaged(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=1)
    run = run_of(film, tmp_path / "s")
    film.write_bytes(film.read_bytes()[:200])
    with pytest.raises(DamagedFileError):
        SpritesDeriver().derive(run)


def test_a_film_whose_frames_are_gone_is_damaged(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", seconds=2, audio=False, options=["-movflags", "+faststart"])
    run = run_of(film, tmp_path / "s")
    content = film.read_bytes()
    start = content.index(b"mdat") + 4
    film.write_bytes(content[:start] + b"\0" * (len(content) - start))
    with pytest.raises(DamagedFileError):
        SpritesDeriver().derive(run)


def test_an_abandoned_run_stops_and_ends_its_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ASK_EVERY", 0.0)
    run = run_of(make_video(tmp_path / "a.mp4", seconds=5), tmp_path / "s", stop=lambda: True)
    with pytest.raises(RunAbandonedError):
        SpritesDeriver().derive(run)


def test_a_scratch_with_a_percent_sign(films: Path, tmp_path: Path) -> None:
    """ffmpeg counts where a name has one."""
    (tmp_path / "100%d 'x': y").mkdir()
    result = derive(SpritesDeriver(), films / "plain.mp4", tmp_path / "100%d 'x': y")
    assert result.outputs[1].path.exists()


@pytest.mark.parametrize("number", [1, 2], ids=["key frames", "all frames"])
def test_an_ffmpeg_that_is_killed_is_a_reason_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    film = run_of(grey_film(tmp_path / "a.mp4", 240, keys=5000), tmp_path / "s")
    ffmpeg.capabilities()
    killed = kill_at_start(monkeypatch, number=number)
    with pytest.raises(TransientError):
        SpritesDeriver().derive(film)
    assert len(killed) == 1


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("av1.mp4", (160, 90), 11),
        ("h264_aac.flv", (160, 106), 6),
        ("hdr10_hevc.mp4", (160, 90), 6),
        ("hevc_8k.mp4", (160, 90), 2),
        ("mpeg4_mp3.avi", (160, 66), 21),
        ("odd_321x241_h264_444.mp4", (160, 120), 11),
        ("phone_rot_minus90_portrait.mp4", (160, 106), 15),
        ("rot270_5s.mp4", (160, 284), 25),
        ("truncated_faststart.mp4", (160, 120), 30),
        ("vfr_switch.mp4", (160, 90), 19),
    ],
)
def test_shared_films(
    shared_media: Path, tmp_path: Path, name: str, size: tuple[int, int], count: int
) -> None:
    result = derive(SpritesDeriver(), shared_media / "video" / name, tmp_path)
    assert (result.facts["frame_width"], result.facts["frame_height"]) == size
    cells = cells_of(result)
    assert len(cells) == result.facts["count"] == count
    assert max(cell.pixels.std() for cell in cells) > 10
