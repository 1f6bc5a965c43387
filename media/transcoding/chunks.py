"""Long films in chunks that are encoded apart and joined without a seam, without encoding again.

    plan        where to cut: at key frames of the source, about every ALCOVES_PROXY_CHUNK_SECONDS
    encode      one chunk: the frames whose time lies in [start, end), as the whole film would have them
    sound       all tracks of the whole film, once
    join        the chunks one after the other through a pipe, with the sound, into one MP4

Every run counts time from the beginning of the file (`-copyts -start_at_zero`), and the cuts are compared with the very
same time stamps on both sides of a seam. So each frame is in one chunk, wherever the decoder began to read. Chunks
travel as MPEG-TS, whose clock of 90 kHz is that of our films: time stamps come out as they went in.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from alcoves import env
from media.errors import DamagedFileError, PermanentError, TimedOutError
from media.tools import ffprobe, graphs
from media.tools.sources import Source
from media.transcoding import recipe, sound, x264
from media.transcoding.ceilings import Ceilings
from media.transcoding.recipe import Recipe

SECONDS: Final = 120
FEWEST: Final = 3
"""Chunks that are worth their overhead."""
MOST: Final = 1000
"""Of one film; they get longer instead."""
LONGEST_CHUNK: Final = 3600
LONGEST: Final = 24 * 3600.0
"""The clock of MPEG-TS goes round after 26 hours."""
INDEXED: Final = frozenset({"mov", "matroska"})
"""Containers that find a moment without reading up to it, and whose time stamps are never mended on the way."""
HAIR: Final = 0.0005
"""Seconds by which a cut lies before its key frame: less than any frame lasts, more than any rounding."""
BEFORE: Final = 1.0
"""Seconds before a cut from which on is decoded, where that is needed: the decoder begins a group earlier then."""
REFRESHED: Final = frozenset({"h264"})
"""Codecs of which a key frame may be one that becomes whole little by little, as broadcasters send them."""
LATER: Final = 10
"""Seconds that are added to the time stamps of chunks on their way: MPEG-TS knows no negative ones."""

PICTURE: Final = "picture.ts"
SOUND: Final = "sound.mp4"
AUDIO: Final = "audio"
LOOKS_AROUND: Final = ("bwdif", "select=")
"""Filters that need the frames before and after a frame, so that the cut comes behind them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of the work, with what it must know."""

    variant: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds from the beginning of the film. None: from the first frame, up to the last."""

    start: float | None
    end: float | None

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Span":
        return cls(parameters.get("start"), parameters.get("end"))

    def seconds(self, duration: float) -> float:
        """Its length in a film so long."""
        return max(HAIR, (duration if self.end is None else self.end) - (self.start or 0.0))


def plan(source: Source, demuxer: str | None, facts: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The sound, then the chunks in their order; empty where the film is better encoded in one pass."""
    wanted = wanted_cuts(float(facts.get("duration") or 0), seconds())
    if demuxer not in INDEXED or not wanted:
        return ()
    cuts, until = find_cuts(source, demuxer, int(facts["video"]["index"]), wanted)
    if len(cuts) < FEWEST - 1:
        return ()
    edges = [None, *cuts, None]
    chunks = [
        Piece(f"v{number:05}", {"start": a, "end": b}) for number, (a, b) in enumerate(pairwise(edges), 1)
    ]
    chunks[-1] = replace(chunks[-1], parameters={**chunks[-1].parameters, "until": until})
    return (*([Piece(AUDIO, {})] if sound.tracks_of(facts) else []), *chunks)


def seconds() -> int:
    """Length of a chunk; 0 where the operator wants none."""
    return env.integer("ALCOVES_PROXY_CHUNK_SECONDS", SECONDS, low=0, high=LONGEST_CHUNK)


def wanted_cuts(duration: float, target: int) -> list[float]:
    """Chunks of one length, near the target."""
    count = min(MOST, round(duration / target)) if target and duration <= LONGEST else 0
    return [duration * number / count for number in range(1, count)] if count >= FEWEST else []


def find_cuts(
    source: Source, demuxer: str, stream: int, wanted: Sequence[float], begins: float = 0.0
) -> tuple[list[float], float | None]:
    """A hair before key frames near these moments, and when the last frame ends, by one look into the index.

    Fewer where there are fewer key frames. `begins` is what the time stamps of the file begin with, as far as known.
    """
    places = [
        *(f"{begins + second:.3f}%+#1" for second in wanted),
        f"{begins + wanted[-1] + wanted[0] - 1:.3f}%",
    ]
    shown = [
        *("-select_streams", str(stream), "-of", "json"),
        *("-read_intervals", ",".join(places)),
        *("-show_entries", "format=start_time:packet=pts_time,duration_time,flags"),
    ]
    try:
        answer = json.loads(ffprobe.ask(source, demuxer, shown, timeout=ffprobe.TIMEOUT) or b"{}")
    except (PermanentError, TimedOutError):
        return [], None
    told = float(answer.get("format", {}).get("start_time") or 0)
    if abs(told - begins) > BEFORE:
        return find_cuts(source, demuxer, stream, wanted, told)
    packets = [packet for packet in answer.get("packets") or () if "pts_time" in packet]
    ends = [float(packet["pts_time"]) + float(packet.get("duration_time") or 0) - told for packet in packets]
    keys = [float(packet["pts_time"]) - told for packet in packets if packet["flags"].startswith("K")]
    return spread(keys, wanted[0] / 2, max(ends, default=0.0)), max(ends, default=None)


def spread(keys: Sequence[float], apart: float, until: float) -> list[float]:
    """Cuts in their order, none nearer to the next than this: a long group may answer for several moments."""
    cuts: list[float] = []
    for key in sorted(keys):
        if key - (cuts[-1] if cuts else 0.0) >= apart <= until - key:
            cuts.append(round(key - HAIR, 6))
    return cuts


def of_film(facts: Mapping[str, Any], ceilings: Ceilings, span: Span, *, zscale: bool) -> Recipe:
    """The film's own recipe for the frames of one chunk; always for libx264, so that chunks fit each other."""
    whole = recipe.of_film(facts, ceilings, zscale=zscale, begins=span.start or 0.0)
    return Recipe(
        first=(*ON_THE_FILMS_CLOCK, *whole.first),
        input=("-noaccurate_seek", *seek(span, facts["video"]["codec"], whole.filters), *whole.input),
        picture=whole.picture,
        filters=trimmed(whole.filters, span),
        encoder=whole.encoder,
        tracks=(),
        sound=("-an",),
        container=CHUNK,
    )


ON_THE_FILMS_CLOCK: Final = ("-copyts", "-start_at_zero")
CHUNK: Final = (
    *(*recipe.STRIPPED, "-map_chapters", "-1", "-sn", "-dn", "-muxdelay", "0", "-muxpreload", "0"),
    *("-output_ts_offset", str(LATER), "-mpegts_flags", "+initial_discontinuity", "-f", "mpegts"),
)


def seek(span: Span, codec: str, filters: str) -> tuple[str, ...]:
    """To the key frame of the cut, or to one before it. Leading frames of an open group belong to the chunk before."""
    if span.start is None:
        return ()
    early = codec in REFRESHED or looks_around(filters)
    return ("-ss", f"{max(0.0, span.start - BEFORE) if early else span.start + 2 * HAIR:.6f}")


def trimmed(filters: str, span: Span) -> str:
    """Exactly the frames of the span. Other frames are thrown away before the filters, where no filter needs them."""
    ends = {"start": span.start, "end": span.end}
    cut = ":".join(f"{name}={second:.6f}" for name, second in ends.items() if second is not None)
    return f"{filters},trim={cut}" if looks_around(filters) else f"trim={cut},{filters}"


def looks_around(filters: str) -> bool:
    return any(link.startswith(LOOKS_AROUND) for link in filters.split(","))


def sound_arguments(facts: Mapping[str, Any], film: graphs.Input, target: Path) -> list[str]:
    """Every track of the film, from its very beginning."""
    tracks = sound.tracks_of(facts)
    options = (*sound.arguments(tracks), *recipe.STRIPPED, "-map_chapters", "-1", "-vn", "-sn", "-dn")
    return graphs.arguments(
        graphs.write(target, *sound.encoded(film, tracks), options=(*options, "-f", "mp4"))
    )


def join(
    facts: Mapping[str, Any],
    films: Sequence[Mapping[str, Any]],
    until: float | None,
    target: Path,
    *,
    chapters: graphs.Input | None,
    sounds: graphs.Input | None,
) -> list[str]:
    """The chunks by stdin, with the sound.

    `films` is what `look_at` says of each chunk, `until` when the last frame ends. `chapters` is the source itself,
    where it has any; nothing else is taken of it.
    """
    chunks = graphs.open_pipe("mpegts", "-itsoffset", str(-LATER))
    tracks = sound.tracks_of(facts) if sounds else []
    kept = [{**track, "index": place} for place, track in enumerate(tracks)]
    options = ("-c:v", "copy", "-bsf:v", mended(facts, films, until), *sound.copied(kept))
    streams = [chunks.track("v:0"), *(sound.packets(sounds, kept) if sounds else ())]
    written = graphs.write(
        target,
        *streams,
        options=(*options, *recipe.container(facts)),
        also=[chapters] if chapters else (),
    )
    return graphs.arguments(written, first=("-copyts",))


def mended(facts: Mapping[str, Any], films: Sequence[Mapping[str, Any]], until: float | None) -> str:
    """What MPEG-TS has added goes: delimiters, and parameter sets where all chunks have the same; the header has them.

    What it cannot carry comes back: how long frames last, above all the last one, which no other follows.
    """
    alike = len({film["header"] for film in films}) == 1
    usual = max(1, round(x264.TIMESCALE / x264.fastest_rate(facts["video"])))
    last = int(films[-1]["last"])
    ends = usual if until is None else max(1, round(until * x264.TIMESCALE) - last)
    own = f"if(eq(PTS,{last}),{ends},if(gt(DURATION,0),DURATION,{usual}))"
    return f"filter_units=remove_types={'7-9' if alike else '9'},{recipe.lasting(own)}"


def look_at(path: Path) -> dict[str, Any] | None:
    """Of a chunk that was encoded: frames, when the last one is shown (in ticks, on the film's clock) and a digest of
    its parameter sets. None where nothing is in it.
    """
    shown = ["-select_streams", "v:0", "-show_data_hash", "md5", "-of", "json"]
    shown += ["-show_entries", "stream=extradata_hash:packet=pts"]
    try:
        answer = json.loads(ffprobe.ask(path, "mpegts", shown, timeout=ffprobe.TIMEOUT) or b"{}")
    except DamagedFileError:
        return None
    times = [int(packet["pts"]) for packet in answer.get("packets") or () if "pts" in packet]
    if not times:
        return None
    last = max(times) - LATER * x264.TIMESCALE
    return {"frames": len(times), "last": last, "header": answer["streams"][0].get("extradata_hash")}


def frames_of(path: Path) -> int:
    """Of a film that was joined, by its index."""
    shown = ["-select_streams", "v:0", "-show_entries", "stream=nb_frames", "-of", "csv=p=0"]
    return int(ffprobe.ask(path, "mov", shown, timeout=ffprobe.TIMEOUT).strip() or 0)


def begins(source: Source, demuxer: str | None) -> float:
    """What the time stamps of a file begin with, in seconds."""
    shown = ["-show_entries", "format=start_time", "-of", "json"]
    answer = json.loads(ffprobe.ask(source, demuxer, shown, timeout=ffprobe.TIMEOUT) or b"{}")
    return float(answer.get("format", {}).get("start_time") or 0)
