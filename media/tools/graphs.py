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

A chain that leads from one input straight to one output is written as a filter of that output. ffmpeg gives each of
them a thread, and knows the stream's own frame rate and disposition; in one great graph all would wait for each other.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

import ffmpeg as drawing

from media.errors import DamagedFileError
from media.tools import ffmpeg
from media.tools.sources import Source

Value: TypeAlias = str | int | float
PIPE: Final = "pipe:1"
GRAPH: Final = "-filter_complex"
NO_STREAM: Final = "99999?"
"""ffmpeg opens at most a thousand streams of a file."""
AGAIN: Final = "\0"
"""In no word that is given to a program."""
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
NAME_FILES: Final = frozenset(
    {"file", "filename", "stats_file", "psfile", "fontfile", "axisfile", "textfile"}
)
"""Options of filters that are of use without."""


@dataclass(frozen=True, slots=True)
class Link:
    """One filter of a chain."""

    name: str
    values: tuple[Value, ...]
    named: Mapping[str, Value]

    def of(self, stream: Any) -> Any:
        return stream.filter(self.name, *self.values, **self.named)

    def __str__(self) -> str:
        """As ffmpeg reads it, escaped."""
        words = drawing.get_args(drawing.output(self.of(drawing.input(PIPE)), PIPE))
        spelled: str = words[words.index(GRAPH) + 1]
        return spelled.removeprefix("[0]").removesuffix("[s0]")


@dataclass(frozen=True, slots=True)
class Track:
    """A stream on its way: of an input, or out of a filter that knows several."""

    stream: Any
    links: tuple[Link, ...] = ()

    def filter(self, name: str, *values: Value, **named: Value) -> "Track":
        """Through one filter. Values and names are escaped."""
        return Track(self.stream, (*self.links, Link(checked(name, values, named), values, named)))

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
        stream = self.drawn()
        node = stream.asplit() if sound else stream.split()
        return [Track(node[number]) for number in range(count)]

    def drawn(self) -> Any:
        """Its end in the graph."""
        stream = self.stream
        for link in self.links:
            stream = link.of(stream)
        return stream

    @property
    def is_straight(self) -> bool:
        """Whether it comes from an input by no other way than its own links."""
        return isinstance(self.stream.node, drawing.nodes.InputNode)

    @property
    def is_optional(self) -> bool:
        return str(self.stream.selector or "").endswith("?")


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
    """`options` stand before `-i`: `"-ss", "12.5"`, `"-skip_frame", "nokey"`. UnsupportedTypeError for the demuxer.

    What is opened twice in the very same way becomes one input, read once.
    """
    found, address = ffmpeg.opened(source, demuxer)
    return Input(drawing.input(address, **(paired(options) | found)))


def open_pipe(demuxer: str, *options: str) -> Input:
    """What is fed to stdin (`media.tools.feeding`)."""
    if demuxer not in ffmpeg.DEMUXERS:
        raise ValueError(f"{demuxer!r} is no demuxer of ours")
    return Input(drawing.input("pipe:0", **paired(options), protocol_whitelist="pipe", f=demuxer))


def generate(graph: str) -> Input:
    """Pictures or sound out of nothing, by a graph of ours: `testsrc2=size=256x256:duration=1`."""
    return Input(drawing.input(graph, f="lavfi"))


def combine(
    tracks: Sequence[Track], name: str, *values: Value, outputs: int = 1, **named: Value
) -> list[Track]:
    """Several streams through one filter: `hstack`, `concat`, `amix`."""
    streams = [track.drawn() for track in tracks]
    node = drawing.filter_multi_output(streams, checked(name, values, named), *values, **named)
    return [Track(node[number]) for number in range(outputs)]


def write(
    target: Path | str, *tracks: Track, options: Sequence[str] = (), also: Sequence[Input] = ()
) -> Written:
    """An output: a file, or `PIPE`. `options` as ffmpeg takes them; tracks are mapped in their order.

    `also` are inputs of which no stream is taken, but chapters or tags (`-map_chapters 0`): they are opened first.
    DamagedFileError without a track: ffmpeg would choose for itself.
    """
    if isinstance(target, str) and target not in {PIPE, "-"}:
        raise ValueError(f"{target!r} is neither a path nor {PIPE}")
    if not tracks:
        raise DamagedFileError("Nothing of this file can be played. Upload it again.")
    told, streams = paired(options), [one.node[NO_STREAM] for one in also]
    for number, track in enumerate(tracks):
        if track.links and track.is_straight:
            if any(before.is_optional for before in tracks[: number + 1]):
                raise ValueError("what may be missing has no number to filter it by")
            told[f"filter:{number}"] = ",".join(map(str, track.links))
        streams.append(track.stream if track.is_straight else track.drawn())
    address = f"file:{target}" if isinstance(target, Path) else target
    return Written(drawing.output(*streams, address, **told))


def arguments(*outputs: Written, first: Sequence[str] = ()) -> list[str]:
    """For `ffmpeg.run` and `ffmpeg.stream`. Inputs are numbered as the outputs, read from the first on, use them.

    `first` are options of the whole command, in their order: a device before what is done with it.
    """
    nodes = [output.node for output in outputs]
    words = drawing.get_args(nodes[0] if len(nodes) == 1 else drawing.merge_outputs(*nodes))
    return [*first, *said_again(words)]


def said_again(words: Sequence[str]) -> Iterator[str]:
    """An option with several values (`paired`) is said once for each."""
    for name, word in pairwise(["", *words]):
        value, *others = word.split(AGAIN)
        yield value
        for other in others:
            yield from (name, other)


def checked(name: str, values: Sequence[Value], named: Mapping[str, Value]) -> str:
    """A filter that opens nothing. To stdout (`-`) it may write: what `metadata` tells."""
    if not NAME.fullmatch(name) or name.partition("@")[0] in OPENS_FILES:
        raise ValueError(f"{name!r} is no filter for a graph")
    if any(option in NAME_FILES and value != "-" for option, value in named.items()):
        raise ValueError(f"{name!r} shall open a file")
    if name.partition("@")[0] in {"metadata", "ametadata"} and values:
        raise ValueError(f"{name!r} takes options by their names")
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
    """`("-ss", "1", "-noaccurate_seek")` by name. A word that begins with a dash and no number is a name.

    Only tags are said several times; their values are kept in one, apart by AGAIN.
    """
    found: dict[str, str | None] = {}
    name, is_open = "", False
    for word in options:
        if AGAIN in word:
            raise ValueError(f"{word!r} cannot be given to a program")
        if len(word) > 1 and word[0] == "-" and word[1].isalpha():
            name, is_open = word[1:], True
            if name in found and not name.startswith("metadata"):
                raise ValueError(f"-{name} is said twice")
            found.setdefault(name, None)
        elif is_open:
            before = found[name]
            found[name] = word if before is None else f"{before}{AGAIN}{word}"
            is_open = False
        else:
            raise ValueError(f"{word!r} belongs to no option")
    return found
