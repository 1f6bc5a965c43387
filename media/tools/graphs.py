"""Argument lists for ffmpeg, drawn as a graph: inputs, filters, outputs. The only module that knows ffmpeg-python.

    film = graphs.open_input(source, demuxer, "-ss", "12.5")
    small, large = film.track(0).split(2)
    graphs.arguments(
        graphs.write(scratch / "small.webp", small.filter("scale", 480, -2), options=("-frames:v", "1")),
        graphs.write(scratch / "large.webp", large.chain("scale=1280:-2,setsar=1"), options=("-frames:v", "1")),
    )

The list goes to `ffmpeg.run` or `ffmpeg.stream`. `track` takes the index of a stream as the probe tells it, or a
selector (`"a:0"`, `"s?"`). Values given to `filter` are escaped, whatever is in them; `chain` takes words of ours alone
and refuses what would need escaping. A filter that opens a file by name is on no graph: files are inputs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import ffmpeg as drawing

from media.tools import ffmpeg
from media.tools.sources import Source

Value: TypeAlias = str | int | float
PIPE: Final = "pipe:1"
NAME: Final = re.compile(r"[a-z0-9_]+(@[a-z0-9_]+)?")
OPENS_FILES: Final = frozenset(
    {
        "movie",
        "amovie",
        "subtitles",
        "ass",
        "drawtext",
        "lut1d",
        "lut3d",
        "sendcmd",
        "asendcmd",
        "zmq",
        "azmq",
    }
    | {
        "frei0r",
        "ladspa",
        "lv2",
        "arnndn",
        "sofalizer",
        "dnn_processing",
        "dnn_detect",
        "dnn_classify",
        "whisper",
    }
)
"""Filters that read a file, load a plug-in or open a port because an option says so."""


@dataclass(frozen=True, slots=True)
class Track:
    """A stream on its way: of an input, or out of a filter."""

    stream: Any

    def filter(self, name: str, *values: Value, **named: Value) -> "Track":
        """Through one filter. Values and names are escaped."""
        return Track(self.stream.filter(checked(name), *values, **named))

    def chain(self, links: str) -> "Track":
        """Through filters as ffmpeg writes them: `scale=480:-2:flags=bicubic,setsar=1`. Words of ours alone."""
        track = self
        for link in filter(None, links.split(",")):
            name, _, rest = link.partition("=")
            values, named = words_of(rest)
            track = track.filter(name, *values, **named)
        return track

    def split(self, count: int, *, sound: bool = False) -> list["Track"]:
        """The same frames several times: a stream can be used once."""
        node = self.stream.asplit() if sound else self.stream.split()
        return [Track(node[number]) for number in range(count)]


@dataclass(frozen=True, slots=True)
class Input:
    """An opened source."""

    node: Any

    def track(self, selector: int | str) -> Track:
        return Track(self.node[str(selector)])


@dataclass(frozen=True, slots=True)
class Written:
    """One output of a graph."""

    node: Any


def open_input(source: Source, demuxer: str | None, *options: str) -> Input:
    """`options` stand before `-i`: `"-ss", "12.5"`, `"-skip_frame", "nokey"`. UnsupportedTypeError for the demuxer."""
    found, address = ffmpeg.opened(source, demuxer)
    return Input(drawing.input(address, **(paired(options) | found)))


def generate(graph: str) -> Input:
    """Pictures or sound out of nothing, by a graph of ours: `testsrc2=size=256x256:duration=1`."""
    return Input(drawing.input(graph, f="lavfi"))


def combine(
    tracks: Sequence[Track], name: str, *values: Value, outputs: int = 1, **named: Value
) -> list[Track]:
    """Several streams through one filter: `hstack`, `concat`, `amix`."""
    node = drawing.filter_multi_output([track.stream for track in tracks], checked(name), *values, **named)
    return [Track(node[number]) for number in range(outputs)]


def write(target: Path | str, *tracks: Track, options: Sequence[str] = ()) -> Written:
    """An output: a file, or `PIPE`. `options` as ffmpeg takes them, each but once; tracks are mapped in their order."""
    if isinstance(target, str) and target not in {PIPE, "-"}:
        raise ValueError(f"{target!r} is neither a path nor {PIPE}")
    address = f"file:{target}" if isinstance(target, Path) else target
    return Written(drawing.output(*(track.stream for track in tracks), address, **paired(options)))


def arguments(*outputs: Written) -> list[str]:
    """For `ffmpeg.run` and `ffmpeg.stream`. Inputs are numbered as the outputs, read from the first on, use them."""
    nodes = [output.node for output in outputs]
    words: list[str] = drawing.get_args(nodes[0] if len(nodes) == 1 else drawing.merge_outputs(*nodes))
    return words


def checked(name: str) -> str:
    if not NAME.fullmatch(name) or name.partition("@")[0] in OPENS_FILES:
        raise ValueError(f"{name!r} is no filter for a graph")
    return name


def words_of(rest: str) -> tuple[list[str], dict[str, str]]:
    """`480:-2:flags=bicubic` as values and named values."""
    if set(rest) & set("\\'[];\n"):
        raise ValueError(f"{rest!r} needs escaping: give it to `filter`")
    values: list[str] = []
    named: dict[str, str] = {}
    for word in filter(None, rest.split(":")):
        name, equals, value = word.partition("=")
        if equals:
            named[name] = value
        else:
            values.append(word)
    return values, named


def paired(options: Sequence[str]) -> dict[str, str | None]:
    """`("-ss", "1", "-noaccurate_seek")` by name. A word that begins with a dash and no number is a name."""
    found: dict[str, str | None] = {}
    name: str | None = None
    for word in options:
        if len(word) > 1 and word[0] == "-" and word[1].isalpha():
            name = word[1:]
            if name in found:
                raise ValueError(f"-{name} is said twice")
            found[name] = None
        elif name is not None and found[name] is None:
            found[name] = word
        else:
            raise ValueError(f"{word!r} belongs to no option")
    return found
