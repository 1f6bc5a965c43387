"""Films whose frames lie hours apart: what they stand for is never laid into memory frame by frame."""

import os
from pathlib import Path

import pytest

from alcoves.embedded.processes import stat_fields
from media.derivers.base import NotNeeded, Ready
from media.derivers.hover import HoverDeriver
from media.derivers.moment import MomentDeriver
from media.derivers.proxy import ProxyDeriver
from media.tools import ffmpeg
from media.transcoding.frames import Film
from tests.media.derivers.contexts import Run, programs, run_of

SOON = 20.0
"""Seconds of the processor (the longest needs nine) after which a run is given up that would go on for minutes."""


def film(path: Path, times: str, *options: str, source: str = "testsrc2=") -> Path:
    """Fifty frames of 320 x 240 at the seconds that `times` says of the frame N."""
    picture = [
        "-f",
        "lavfi",
        "-i",
        f"{source}size=320x240",
        "-frames:v",
        "50",
        "-vf",
        f"setpts='({times})/TB'",
    ]
    ffmpeg.run([*picture, "-fps_mode", "vfr", *options, path], timeout=60)
    return path


def two_scenes(path: Path, *, rate: int, hours: float, source: str = "testsrc2=") -> Path:
    """Forty frames, and ten more after hours."""
    still = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")
    times = f"if(gte(N,40),{hours * 3600},0)+N/{rate}"
    return film(path, times, *still, source=f"{source}rate={rate}:")


def impatient(path: Path, scratch: Path) -> Run:
    begun = worked()
    return run_of(path, scratch, stop=lambda: worked() - begun > SOON)


def worked() -> float:
    """Seconds the programs of this process have used, those that ended and those that run."""
    ended = os.times()
    ticks = 0
    for pid in programs():
        fields = stat_fields(pid) or ["0"] * 13
        ticks += int(fields[11]) + int(fields[12])
    return ended.children_user + ended.children_system + ticks / os.sysconf("SC_CLK_TCK")


def test_a_preview_is_ten_frames_a_second_and_no_more(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", "N*N*600", "-c:v", "libx264", "-bf", "0", "-g", "5")
    assert HoverDeriver().derive(impatient(source, tmp_path / "scratch")) == NotNeeded("still")


def test_a_fast_film_is_thinned_and_never_filled_up(tmp_path: Path) -> None:
    run = impatient(two_scenes(tmp_path / "a.mkv", rate=240, hours=5.5), tmp_path / "scratch")
    result = ProxyDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts["duration"] == pytest.approx(5.5 * 3600 + 50 / 240, abs=0.05)
    assert result.outputs[0].path.stat().st_size < 1_000_000


def test_the_search_for_light_looks_so_often_and_no_more(tmp_path: Path) -> None:
    run = impatient(
        two_scenes(tmp_path / "a.mkv", rate=25, hours=29, source="color=black:"), tmp_path / "scratch"
    )
    facts = {**(run.subject.probe or {}), "duration": 2.0}
    looked = Film(run.path, "matroska", facts, run.scratch, size=(320, 240), abandoned=run.abandoned)
    assert looked.light() is None


def test_a_clip_ends_where_it_shall_though_its_frame_stands_on(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", "N*600", "-c:v", "mpeg4")
    run = impatient(source, tmp_path / "scratch")
    run.parameters = {"start": 100.0, "end": 102.0, "version": 1}
    result = MomentDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts["duration"] == pytest.approx(2.0, abs=0.01)
