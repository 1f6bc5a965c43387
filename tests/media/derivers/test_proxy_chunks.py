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
from media.errors import InfrastructureError, MediaError, RunAbandonedError, TransientError
from media.tools import ffmpeg, ffprobe
from media.tools import run as door
from media.tools.ranges import RangeServer
from media.tools.sources import Source
from media.transcoding import chunks, x264
from tests.makers import turn_video
from tests.media.derivers.contexts import Run, programs, run_of

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
    mapped: Sequence[str] = (),
) -> Path:
    """A film that counts, made by libx264 unless `options` say otherwise; a tone so many seconds long."""
    graph = COUNTER.format(rate=rate, seconds=seconds) + (f",{then}" if then else "")
    tone = f"sine=frequency=440:duration={seconds if sound is None else sound}"
    inputs = [*before, "-f", "lavfi", "-i", graph, *(["-f", "lavfi", "-i", tone] if sound != 0 else [])]
    ffmpeg.run([*inputs, *mapped, *(options or H264), "-fps_mode", "vfr", path], timeout=60)
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


def slow_at_the_end(folder: Path) -> Path:
    return count(folder / "a.mkv", then="select='lt(t\\,10)+not(mod(n\\,10))'", sound=0)


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
        slow_at_the_end,
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
    expected_result = in_one_pass(source, tmp_path / "one", monkeypatch)
    one = path_of(expected_result)
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
    assert length(many) == pytest.approx(length(one), abs=0.001)
    shown = times(many, "v:0")
    assert length(many) > (shown[-1] - shown[0]) / x264.TIMESCALE
    assert result.facts.get("partial") == expected_result.facts.get("partial")


def length(path: Path) -> float:
    return float(ask(path, "stream=duration", "v:0")["streams"][0]["duration"])


def test_short_films_and_containers_without_an_index_are_encoded_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = count(tmp_path / "short.mp4", seconds=6)
    assert isinstance(ProxyDeriver().derive(run_of(short, tmp_path / "one")), Ready)
    stream = count(tmp_path / "stream.ts", "-c:v", "libx264", "-preset", "ultrafast")
    assert isinstance(ProxyDeriver().derive(run_of(stream, tmp_path / "two")), Ready)
    long = count(tmp_path / "long.mp4")
    monkeypatch.setenv("ALCOVES_PROXY_CHUNK_SECONDS", "0")
    assert isinstance(ProxyDeriver().derive(run_of(long, tmp_path / "three")), Ready)


def test_a_film_with_one_key_frame_is_encoded_in_one_pass(tmp_path: Path) -> None:
    film = count(tmp_path / "a.mp4", *H264[:-1], "999")
    assert isinstance(ProxyDeriver().derive(run_of(film, tmp_path / "scratch")), Ready)


def test_cuts_are_of_one_length_and_never_crowded() -> None:
    assert chunks.wanted_cuts(600, 120) == [120, 240, 360, 480]
    assert chunks.wanted_cuts(290, 120) == []
    assert chunks.wanted_cuts(25 * 3600, 120) == []
    assert chunks.wanted_cuts(0, 120) == []
    assert len(chunks.wanted_cuts(24 * 3600, 1)) == chunks.MOST - 1
    assert chunks.spread([240.0, 0.0, 120.0, 120.0, 130.0, 595.0], 30, 600) == [119.9995, 239.9995]


def test_parts_say_what_is_theirs(tmp_path: Path) -> None:
    parts = divided(count(tmp_path / "a.mp4"), tmp_path / "scratch")
    assert [part.variant for part in parts] == ["audio", "v00001", "v00002", "v00003", "v00004"]
    assert {part.deriver for part in parts} == {"proxy-part"}
    edges = [(part.parameters["start"], part.parameters["end"]) for part in parts[1:]]
    assert edges == [(None, 2.9995), (2.9995, 5.9995), (5.9995, 8.9995), (8.9995, None)]
    assert parts[-1].parameters["until"] == 12


def test_the_joined_film_is_as_one_pass_would_have_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chapters, title, languages, one set of parameters, the index first, and nothing of MPEG-TS left."""
    told = tmp_path / "told.txt"
    chapter = "[CHAPTER]\nTIMEBASE=1/1\nSTART=4\nEND=9\ntitle=Middle\n"
    told.write_text(f";FFMETADATA1\ntitle=Counting\nlocation=+48.2+16.3/\n{chapter}")
    film = count(
        tmp_path / "a.mkv",
        *(*H264, "-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng"),
        *("-metadata:s:a:1", "title=Comments", "-output_ts_offset", "3"),
        before=["-f", "ffmetadata", "-i", str(told)],
        mapped=["-map_metadata", "0", *("-map", "1:v", "-map", "2:a", "-map", "2:a")],
    )
    one = ffprobe.read(path_of(in_one_pass(film, tmp_path / "one", monkeypatch)), "mov")
    result, _ = in_chunks(film, tmp_path)
    many = ffprobe.read(path_of(result), "mov")
    assert many["chapters"] == one["chapters"]
    assert many["chapters"][0]["tags"]["title"] == "Middle"
    assert many["format"]["tags"] == one["format"]["tags"]
    assert many["format"]["tags"]["title"] == "Counting"
    for seen, expected in zip(many["streams"], one["streams"], strict=True):
        assert seen["disposition"] == expected["disposition"]
        assert seen["tags"] == {name: tag for name, tag in expected["tags"].items() if name != "encoder"}
        for name in ("codec_name", "profile", "level", "duration_ts", "start_pts", "nb_frames", "time_base"):
            assert seen.get(name) == expected.get(name), name
    content = path_of(result).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert not units_of(path_of(result)) & {7, 8, 9}
    assert result.made_with["chunks"] == 4


def units_of(path: Path) -> set[int]:
    """Types of the units of H.264 in the samples, as they lie in the file."""
    answer = ask(path, "packet=pos,size", "v:0")
    content, found = path.read_bytes(), set()
    for packet in answer["packets"]:
        place, end = int(packet["pos"]), int(packet["pos"]) + int(packet["size"])
        while place < end:
            found.add(content[place + 4] & 31)
            place += 4 + int.from_bytes(content[place : place + 4], "big")
    return found


def test_a_chunk_that_came_back_short_is_not_passed_over(tmp_path: Path) -> None:
    film = count(tmp_path / "a.mp4")
    finished = [made(part, film, tmp_path / part.variant) for part in divided(film, tmp_path / "divide")]
    cut = finished[2].contents[chunks.PICTURE]
    finished[2] = replace(finished[2], contents={chunks.PICTURE: cut[: len(cut) // 2 // 188 * 188]})
    with pytest.raises(TransientError) as told:
        joined(film, tmp_path / "join", finished)
    assert told.value.code == "seam"


def test_a_store_that_fails_in_the_middle_of_the_join_says_so(tmp_path: Path) -> None:
    film = count(tmp_path / "a.mp4")
    finished = [made(part, film, tmp_path / part.variant) for part in divided(film, tmp_path / "divide")]

    class Lost(MadePart):
        def open(self, name: str) -> AbstractContextManager[BinaryIO]:
            raise InfrastructureError("The store is away. Start it.", code="store_unavailable")

    finished[3] = Lost(finished[3].variant, finished[3].parameters, finished[3].facts)
    with pytest.raises(InfrastructureError):
        joined(film, tmp_path / "join", finished)


def test_a_chunk_that_is_abandoned_ends_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = count(tmp_path / "a.mp4", seconds=60)
    part = replace(divided(film, tmp_path / "divide")[1], parameters={"start": None, "end": None})
    run = replace(run_of(film, tmp_path / "part"), variant=part.variant, parameters=part.parameters)
    monkeypatch.setattr(door, "ASK_EVERY", 0.0)
    run.stop = lambda: bool(programs())
    with pytest.raises(RunAbandonedError):
        ProxyPartDeriver().derive(run)
    assert not programs()


def test_a_span_in_which_nothing_is_shown_is_left_out(tmp_path: Path) -> None:
    film = count(tmp_path / "a.mp4")
    parts = divided(film, tmp_path / "divide")
    empty = made(replace(parts[-1], parameters={"start": 100.0, "end": 120.0}), film, tmp_path / "empty")
    assert empty.facts == {"reason": "nothing_decoded"}
    finished = [made(part, film, tmp_path / part.variant) for part in parts[:-1]]
    result = joined(film, tmp_path / "join", [*finished, empty])
    assert len(times(path_of(result), "v:0")) == 225


def test_a_source_that_is_gone_is_told(tmp_path: Path) -> None:
    film = count(tmp_path / "a.mp4")
    part = divided(film, tmp_path / "divide")[1]
    run = replace(run_of(film, tmp_path / "part"), variant=part.variant, parameters=part.parameters)
    film.unlink()
    with pytest.raises(MediaError):
        ProxyPartDeriver().derive(run)


@dataclass
class RunOfBucket(Run):
    """As where the original lies in a bucket: read by range, over the loopback."""

    server: RangeServer | None = None

    def source_input(self) -> Source:
        assert self.server is not None
        return self.server.source


def test_a_film_in_a_bucket_is_cut_and_encoded_by_range(tmp_path: Path) -> None:
    film = count(tmp_path / "a.mp4")

    def opener(start: int, end: int | None) -> BinaryIO:
        return io.BytesIO(film.read_bytes()[start:end])

    with RangeServer(opener, film.stat().st_size) as server:

        def run(scratch: Path, **changes: Any) -> Run:
            plain = run_of(film, scratch)
            return replace(RunOfBucket(plain.path, scratch, plain.subject, server=server), **changes)

        result = ProxyDeriver().derive(run(tmp_path / "divide"))
        assert isinstance(result, Divided)
        finished = []
        for part in result.parts:
            ready = ProxyPartDeriver().derive(
                run(tmp_path / part.variant, variant=part.variant, parameters=part.parameters)
            )
            assert isinstance(ready, Ready)
            contents = {output.name: output.path.read_bytes() for output in ready.outputs}
            finished.append(MadePart(part.variant, part.parameters, ready.facts, contents))
        whole = ProxyDeriver().derive(run(tmp_path / "join", parts=finished))
        assert isinstance(whole, Ready)
        assert server.trouble() is None
    assert numbers(pixels(path_of(whole))) == list(range(300))
