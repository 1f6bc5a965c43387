"""Films in chunks against the same film in one pass: each frame once, at the same time, and the sound where it was."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from media.derivers.base import Divided, NotNeeded, Part, Ready
from media.derivers.proxy import ProxyDeriver
from media.derivers.proxy_part import ProxyPartDeriver
from media.tools import ffmpeg, ffprobe
from media.transcoding import chunks
from tests.makers import turn_video
from tests.media.derivers.contexts import run_of

BITS, BLOCK, HEIGHT = 12, 16, 64
COUNTER = (
    f"nullsrc=size={BITS * BLOCK}x{HEIGHT}:rate={{rate}}:duration={{seconds}},format=yuv444p,"
    f"geq=lum='if(bitand(N\\,pow(2\\,floor(X/{BLOCK})))\\,235\\,16)':cb=128:cr=128"
)
"""Each frame shows its number as black and white blocks, in 4:4:4, which no browser plays."""
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25")


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_PROXY_CHUNK_SECONDS", "3")
    monkeypatch.setenv("ALCOVES_VIDEO_ENCODER", "software")


def count(
    path: Path,
    *options: str,
    rate: str = "25",
    seconds: float = 12,
    then: str = "",
    sound: float | None = None,
    before: Sequence[str] = (),
) -> Path:
    """A film that counts, made by libx264 unless `options` say otherwise; a tone so many seconds long."""
    graph = COUNTER.format(rate=rate, seconds=seconds) + (f",{then}" if then else "")
    tone = f"sine=frequency=440:duration={seconds if sound is None else sound}"
    inputs = [*before, "-f", "lavfi", "-i", graph, *(["-f", "lavfi", "-i", tone] if sound != 0 else [])]
    ffmpeg.run([*inputs, *(options or H264), "-fps_mode", "vfr", path], timeout=60)
    return path


@dataclass
class MadePart:
    """A finished part as the engine hands it on, from a folder instead of a store."""

    variant: str
    parameters: Mapping[str, Any]
    facts: Mapping[str, Any]
    contents: Mapping[str, bytes] = field(default_factory=dict)

    def size(self, name: str) -> int:
        return len(self.contents[name])

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return io.BytesIO(self.contents[name])


def in_one_pass(path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    monkeypatch.setenv("ALCOVES_PROXY_CHUNK_SECONDS", "0")
    result = ProxyDeriver().derive(run_of(path, scratch))
    monkeypatch.setenv("ALCOVES_PROXY_CHUNK_SECONDS", "3")
    assert isinstance(result, Ready)
    return result


def divided(path: Path, scratch: Path) -> tuple[Part, ...]:
    result = ProxyDeriver().derive(run_of(path, scratch))
    assert isinstance(result, Divided)
    return result.parts


def made(part: Part, path: Path, scratch: Path) -> MadePart:
    run = replace(run_of(path, scratch), variant=part.variant, parameters=part.parameters)
    result = ProxyPartDeriver().derive(run)
    if isinstance(result, NotNeeded):
        return MadePart(part.variant, part.parameters, {"reason": result.reason})
    assert isinstance(result, Ready)
    contents = {output.name: output.path.read_bytes() for output in result.outputs}
    assert run.told[-1][0] == 100
    return MadePart(part.variant, part.parameters, result.facts, contents)


def joined(path: Path, scratch: Path, parts: Sequence[MadePart]) -> Ready:
    result = ProxyDeriver().derive(replace(run_of(path, scratch), parts=parts))
    assert isinstance(result, Ready)
    return result


def in_chunks(path: Path, folder: Path) -> tuple[Ready, list[MadePart]]:
    parts = divided(path, folder / "divide")
    finished = [made(part, path, folder / part.variant) for part in parts]
    return joined(path, folder / "join", finished), finished


def pixels(path: Path) -> NDArray[np.uint8]:
    """Frames x rows x columns of luma."""
    size = ask(path, "stream=width,height", "v:0")["streams"][0]
    arguments: list[str | Path] = [
        "-i",
        path,
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-pix_fmt",
        "gray",
        "-f",
        "rawvideo",
        "pipe:1",
    ]
    raw = ffmpeg.run(arguments, timeout=60, stdout_limit=1 << 30).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size["height"], size["width"])


def numbers(frames: NDArray[np.uint8]) -> list[int]:
    row = frames[:, HEIGHT // 2, BLOCK // 2 :: BLOCK] > 125
    return [int(value) for value in row @ (1 << np.arange(BITS))]


def ask(path: Path, shown: str, stream: str) -> dict[str, Any]:
    options = ["-select_streams", stream, "-show_entries", shown, "-of", "json"]
    answer: dict[str, Any] = json.loads(ffprobe.ask(path, "mov", options, timeout=30))
    return answer


def times(path: Path, stream: str) -> list[int]:
    return sorted(packet["pts"] for packet in ask(path, "packet=pts", stream)["packets"])


def path_of(result: Ready) -> Path:
    return result.outputs[0].path


def fixed_rate(folder: Path) -> Path:
    return count(folder / "a.mp4")


def ntsc(folder: Path) -> Path:
    return count(folder / "a.mkv", rate="30000/1001")


def film_rate(folder: Path) -> Path:
    return count(folder / "a.mov", rate="24000/1001")


def variable_rate(folder: Path) -> Path:
    """Full rate, then every fifth frame, then full rate again."""
    chosen = "select='lt(t\\,4)+not(mod(n\\,5))*lt(t\\,9)+gte(t\\,9)'"
    return count(folder / "a.mp4", rate="30000/1001", then=chosen)


def standing_still(folder: Path) -> Path:
    """A recording of a screen on which nothing moves for longer than ffmpeg takes for a jump in time."""
    return count(folder / "a.mkv", seconds=26, then="select='lt(t\\,5)+gte(t\\,18)'")


def open_groups(folder: Path) -> Path:
    told = "open-gop=1:keyint=50:min-keyint=50:bframes=3:b-pyramid=normal:scenecut=0"
    return count(folder / "a.mp4", "-c:v", "libx264", "-preset", "fast", "-x264-params", told)


def open_groups_hevc(folder: Path) -> Path:
    told = "open-gop=1:keyint=40:min-keyint=40:bframes=4:log-level=error"
    return count(folder / "a.mkv", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", told)


def late_start(folder: Path) -> Path:
    return count(folder / "a.mkv", *H264, "-output_ts_offset", "7.3")


def picture_after_sound(folder: Path) -> Path:
    return count(folder / "a.mp4", *H264, before=["-itsoffset", "1.5"], sound=14)


def sound_longer(folder: Path) -> Path:
    return count(folder / "a.mp4", sound=14)


def sound_shorter(folder: Path) -> Path:
    return count(folder / "a.mp4", sound=5)


def silent(folder: Path) -> Path:
    return count(folder / "a.mp4", sound=0)


def cut_by_edit_list(folder: Path) -> Path:
    """Frames before the beginning that are decoded and never shown."""
    whole = count(folder / "whole.mp4", *H264[:-1], "40")
    ffmpeg.run(["-ss", "1.3", "-i", whole, "-c", "copy", folder / "a.mp4"], timeout=30)
    return folder / "a.mp4"


def interlaced(folder: Path) -> Path:
    return count(folder / "a.mov", *H264, "-x264-params", "tff=1:bframes=2", "-field_order", "tt")


def too_fast(folder: Path) -> Path:
    """120 frames a second, of which 60 are kept."""
    return count(folder / "a.mp4", *H264[:-1], "100", rate="120")


def turned(folder: Path) -> Path:
    return turn_video(count(folder / "upright.mp4"), folder / "a.mp4", 180)


FILMS = [
    *(fixed_rate, ntsc, film_rate, variable_rate, standing_still, open_groups, open_groups_hevc, late_start),
    *(
        picture_after_sound,
        sound_longer,
        sound_shorter,
        silent,
        cut_by_edit_list,
        interlaced,
        too_fast,
        turned,
    ),
]


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.__name__)
def test_no_frame_is_missing_twice_or_late(
    film: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = film(tmp_path)
    one = path_of(in_one_pass(source, tmp_path / "one", monkeypatch))
    result, parts = in_chunks(source, tmp_path)
    many = path_of(result)
    assert sum(part.variant.startswith("v") for part in parts) >= chunks.FEWEST
    assert times(many, "v:0") == times(one, "v:0")
    seen, expected = pixels(many), pixels(one)
    assert seen.shape == expected.shape
    assert np.abs(seen.astype(int) - expected).mean(axis=(1, 2)).max() < 6
    if film is not turned:
        assert numbers(seen) == numbers(expected)
        assert len(set(numbers(seen))) == len(seen)
    assert times(many, "a") == times(one, "a")
    assert {**result.facts, "size": 0, "bit_rate": 0} == {**in_facts(one, result), "size": 0, "bit_rate": 0}


def in_facts(one: Path, result: Ready) -> dict[str, Any]:
    """What the one pass has to agree with: its length to the millisecond."""
    duration = float(ask(one, "format=duration", "v:0")["format"]["duration"])
    assert result.facts["duration"] == pytest.approx(duration, abs=0.04)
    return {**result.facts}
