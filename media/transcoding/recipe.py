"""How a film becomes a proxy, in pieces: whoever encodes it whole, in chunks or as a clip takes the same ones.

    film = graphs.open_input(source, demuxer, *plan.input)
    options = (*plan.encoder, *plan.sound, *plan.container)
    graphs.arguments(graphs.write(target, *plan.tracks_of(film), options=options), first=plan.first)

A chunk of the picture leaves the sound out; the sound is encoded once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from media.streams import AudioStream, VideoStream
from media.tools import graphs
from media.tools.encoders import SOFTWARE, Encoder
from media.transcoding import codecs, picture, sound, timeouts, x264
from media.transcoding.ceilings import Ceilings

INPUT: Final = ("-analyzeduration", "10000000", "-probesize", "20000000")
"""As far as the probe looked, so that a stream that starts late is found here too."""

CONTAINER: Final = (
    *("-sn", "-dn", "-movflags", "+faststart", "-video_track_timescale", str(x264.TIMESCALE), "-f", "mp4"),
)
STRIPPED: Final = ("-map_metadata:g", "-1", "-map_metadata:s", "-1")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which streams, through which filters, with which options of ffmpeg by their place."""

    first: tuple[str, ...]
    """Of the whole command."""
    input: tuple[str, ...]
    picture: int
    """The index of its stream."""
    filters: str
    """Its chain."""
    encoder: tuple[str, ...]
    tracks: tuple[Mapping[str, Any], ...]
    """Of the sound."""
    sound: tuple[str, ...]
    container: tuple[str, ...]
    """No places, no devices, the title kept; the index first."""

    def tracks_of(self, film: graphs.Input) -> list[graphs.Track]:
        """The picture, then the sound."""
        return [film.track(self.picture).chain(self.filters), *sound.encoded(film, self.tracks)]


def of_film(
    facts: Mapping[str, Any],
    ceilings: Ceilings,
    *,
    zscale: bool,
    encoder: Encoder = SOFTWARE,
    begins: float = 0.0,
) -> Recipe:
    """For one encoder. `facts` is the probe as JSON, with a video stream in it; `begins`: see `x264.arguments`."""
    tracks = sound.tracks_of(facts)
    return Recipe(
        first=encoder.before,
        input=(*INPUT, *ceilings.opening),
        picture=int(facts["video"]["index"]),
        filters=f"{picture.film(facts, zscale=zscale)},{encoder.filters}",
        encoder=x264.arguments(facts, ceilings, encoder, begins=begins),
        tracks=tuple(tracks),
        sound=sound.arguments(tracks),
        container=container(facts),
    )


def container(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What is written around the streams: chapters and the title, and nothing else of the source's tags."""
    title = facts.get("title")
    return (*STRIPPED, *(("-metadata", f"title={title}") if title else ()), "-map_chapters", "0", *CONTAINER)


def lasting(own: str = "DURATION", until: str = "") -> str:
    """A bitstream filter by which the last frame stands as long as it shall: to the end of all, or exactly `until`.

    MP4 takes the length of a film from the packet that is decoded last. Where frames are reordered and not equally
    long, that would end the film before its last frames are shown. All other packets last until the next one, whatever
    they say. `own` is how long a packet lasts, both are expressions in ticks.
    """
    end = until or f"st(0,max(ld(0),PTS+{own}))-STARTPTS"
    return f"setts=pts=PTS:dts=DTS:duration='max({'1' if until else own},{end}-DTS+STARTDTS)'"


TONE_MAPPING: Final = 4


def time_limit(facts: Mapping[str, Any], seconds: float | None) -> float:
    """For encoding so much of the film. Tone mapping takes several times as long as the rest."""
    hdr = (facts.get("video") or {}).get("hdr")
    return timeouts.encoding(seconds * TONE_MAPPING if seconds and hdr else seconds, lines(facts))


def lines(facts: Mapping[str, Any]) -> int:
    """Of the shorter side; of sound none."""
    return min(int(facts.get("width") or 0), int(facts.get("height") or 0))


BITS_A_PIXEL: Final = 0.13
"""Of films at CRF 23: 8 Mbit/s for 1080p at 30 frames a second."""
SOUND_BITS: Final = 200_000
OVERHEAD: Final = 64 * 1024 * 1024
UNKNOWN_DURATION: Final = 24 * 3600.0


NICE: Final = 5
"""Of every encode that nobody looks at while it runs."""


def expected_bytes(facts: Mapping[str, Any]) -> int:
    """What a proxy takes as a rule: for reserving room."""
    bits = 0
    if facts.get("video"):
        width, height = picture.proxy_size(int(facts["width"]), int(facts["height"]))
        bits = round(width * height * x264.fastest_rate(facts["video"]) * BITS_A_PIXEL)
    return round(bits / 8 * seconds_of(facts)) + sound_bytes(facts)


def sound_bytes(facts: Mapping[str, Any]) -> int:
    """What its sound alone takes."""
    return round(SOUND_BITS / 8 * len(sound.tracks_of(facts)) * seconds_of(facts))


def seconds_of(facts: Mapping[str, Any]) -> float:
    return float(facts.get("duration") or 60.0)


def most_bytes(facts: Mapping[str, Any], ceilings: Ceilings) -> int:
    """What a proxy can take at most: above it, something is wrong and ffmpeg is ended."""
    bits = SOUND_BITS * (1 + len(sound.tracks_of(facts))) + (
        2 * ceilings.bit_rate if facts.get("video") else 0
    )
    return round(bits / 8 * float(facts.get("duration") or UNKNOWN_DURATION)) + OVERHEAD


def facts_of(
    video: VideoStream | None, audio: tuple[AudioStream, ...], duration: float, size: int, mime: str
) -> dict[str, Any]:
    """What the row keeps of a proxy that was read back."""
    seen: dict[str, Any] = {
        "video": asdict(video) if video else None,
        "audio": [asdict(track) for track in audio],
    }
    width, height = video.displayed if video else (None, None)
    return {
        "width": width,
        "height": height,
        "duration": round(duration, 6),
        "size": size,
        "bit_rate": round(size * 8 / duration),
        "video_codec": video.codec if video else None,
        "audio_codec": audio[0].codec if audio else None,
        "type": codecs.type_of(mime, seen),
    }
