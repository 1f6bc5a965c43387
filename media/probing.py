"""A step: what a file says of itself, read from headers only. No pixel and no sample is decoded here.

`media.sniffing` has said the type from the first bytes; this step refines the kind (an MP4 with sound only is
audio, a cover picture is not a film) and finds size, time, place and streams. Broken metadata never costs the
file: it is left out. A container that cannot be opened raises a DamagedFileError with a code.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from media import exif, motion, streams, zones
from media.errors import (
    DamagedFileError,
    MediaError,
    PermanentError,
    TimedOutError,
    UnsupportedTypeError,
)
from media.exif import Camera, Location
from media.motion import Motion
from media.particulars import Particulars, bounded, particulars_of
from media.sniffing import Kind, Sniffed, described
from media.streams import AudioStream, Chapter, SubtitleStream, VideoStream
from media.subject import Subject
from media.tools import embedded, ffprobe, icons, jxl, magick, pdf, pillow, raw, vips
from media.tools.embedded import Embedded
from media.tools.sources import Source, size_of
from media.xmp import Region
from media.zones import Taken

THINNEST: Final = 200.0
"""Bits a second. A duration that would spread the file thinner than this is a lie of the header."""
LONGEST: Final = 100 * 24 * 3600.0
"""Seconds. Longer is no film; wrong clocks say ten million years."""

SIXTEEN: Final = frozenset({"grey16", "rgb16"})


@dataclass(frozen=True, slots=True)
class Probe:
    """Everything the headers say. Sizes are as displayed: turned upright, with square pixels."""

    kind: Kind
    mime: str
    size: int
    width: int | None = None
    height: int | None = None
    stored_width: int | None = None
    stored_height: int | None = None
    duration: float | None = None
    bit_rate: int | None = None
    container: str | None = None
    rotation: int | None = None
    orientation: int | None = None
    frames: int | None = None
    pages: int | None = None
    has_alpha: bool | None = None
    color_space: str | None = None
    bit_depth: int | None = None
    video: VideoStream | None = None
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[SubtitleStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    cover: int | None = None
    """Index of an embedded picture stream."""
    tags: dict[str, str] = field(default_factory=dict)
    taken_at: datetime | None = None
    """Aware. Where `taken_offset` is None for an image, the camera's wall clock as if in UTC."""
    taken_offset: str | None = None
    """`+02:00`, told or found by the place."""
    taken_zone: str | None = None
    """IANA name of the time zone where the place is."""
    location: Location | None = None
    camera: Camera | None = None
    color_profile: str | None = None
    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    rating: int | None = None
    """-1 rejected, 0 none, 1 to 5 stars."""
    regions: tuple[Region, ...] = ()
    content_id: str | None = None
    """Shared by both halves of a Live Photo."""
    burst_id: str | None = None
    motion: Motion | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    """All tags that can be read, by name; bounded."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON column; what is not known is left out."""
        known = asdict(self, dict_factory=without_none)
        return {name: value for name, value in known.items() if value not in ((), [], {})}


def without_none(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: plain(value) for name, value in pairs if value is not None}


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def probe(path: Path, sniffed: Sniffed, *, timeout: float = ffprobe.TIMEOUT) -> Probe:
    """Raises DamagedFileError, UnsupportedTypeError, TimedOutError, or InfrastructureError."""
    if sniffed.kind == "image":
        return probe_image(path, sniffed)
    if sniffed.mime in pdf.TYPES:
        return probe_document(path, sniffed)
    return probe_streams(path, sniffed, timeout=timeout)


def facts_of(subject: Subject, source: Callable[[], Source]) -> Mapping[str, Any]:
    """Of a film or a recording: what the run of the metadata left behind; else its headers are read now."""
    return subject.probe or probe_streams(source(), described(subject.mime)).as_json()


def probe_streams(source: Source, sniffed: Sniffed, *, timeout: float = ffprobe.TIMEOUT) -> Probe:
    """Film and sound, wherever they lie: what has a demuxer is read by range."""
    if sniffed.demuxer is None:
        raise UnsupportedTypeError("This type of file has no media in it that could be read.")
    answer = ffprobe.read(source, sniffed.demuxer, timeout=timeout)
    video, audio = streams.video_of(answer), streams.audio_of(answer)
    if video is None and not audio:
        raise DamagedFileError(
            "The file holds neither picture nor sound. Upload it again.", code="no_streams"
        )
    size = size_of(source)
    width, height = video.displayed if video else (None, None)
    location = streams.location_of(answer)
    duration = believable_duration(
        source, sniffed, answer, size, video.index if video else audio[0].index, timeout
    )
    return Probe(
        kind="video" if video else "audio",
        mime=sniffed.mime,
        size=size,
        width=width,
        height=height,
        stored_width=video.stored_width if video else None,
        stored_height=video.stored_height if video else None,
        duration=duration,
        bit_rate=round(size * 8 / duration) if duration else None,
        container=answer["format"].get("format_name"),
        rotation=video.rotation if video else None,
        bit_depth=video.bit_depth if video else None,
        video=video,
        audio=audio,
        subtitles=streams.subtitles_of(answer),
        chapters=streams.chapters_of(answer),
        cover=streams.cover_of(answer),
        tags=streams.tags_of(answer),
        **when(filmed(answer, location)),
        location=location,
        camera=streams.camera_of(answer),
        **streams.words_of(answer),
        raw={"tags": bounded(streams.raw_of(answer))},
    )


def filmed(answer: dict[str, Any], location: Location | None) -> Taken | None:
    created = streams.created_of(answer)
    if created is None:
        return None
    return zones.of_moment(created, local=bool(created.utcoffset()), location=location)


def when(taken: Taken | None) -> dict[str, Any]:
    """The three fields that tell a moment."""
    if taken is None:
        return {}
    at = taken.at.astimezone(UTC)
    return {"taken_at": at, "taken_offset": zones.as_text(taken.offset), "taken_zone": taken.zone}


def believable_duration(
    source: Source, sniffed: Sniffed, answer: dict[str, Any], size: int, stream: int, timeout: float
) -> float | None:
    """The header's duration, or that of the packets where there is none or it cannot be true."""
    told = streams.duration_of(answer)
    if told is not None and told <= LONGEST and size * 8 / told >= THINNEST:
        return round(told, 6)
    measured = ffprobe.end_of_packets(source, sniffed.demuxer, stream, timeout=timeout)
    return round(measured, 6) if measured and measured <= LONGEST else None


def probe_document(path: Path, sniffed: Sniffed) -> Probe:
    """The first page as a picture: the size it can be drawn at."""
    header = pdf.open_header(path)
    width, height = header.displayed
    return Probe(
        kind=sniffed.kind,
        mime=sniffed.mime,
        size=path.stat().st_size,
        width=width,
        height=height,
        pages=header.pages,
        title=exif.text_of(header.title),
    )


def probe_image(path: Path, sniffed: Sniffed) -> Probe:
    """libvips speaks for the types it reads, Pillow for the rest; what is written into it is Pillow's to read."""
    shape = vips_header(path, sniffed.mime)
    details = pillow_header(path, sniffed.mime, required=shape is None)
    told = details.embedded if details else embedded.of_raw(path)
    found = from_vips(shape) if shape else measured(path, sniffed.mime, details, told)
    if details is None and sniffed.mime in pillow.FORMATS and not found.get("width"):
        raise DamagedFileError("The picture is damaged and cannot be read. Upload it again.")
    if sniffed.mime == "image/apng" and details:
        found["frames"] = details.frames
    return Probe(
        kind="image",
        mime=sniffed.mime,
        size=path.stat().st_size,
        **found,
        **told_by(path, sniffed.mime, particulars_of(told)),
    )


def told_by(path: Path, mime: str, told: Particulars) -> dict[str, Any]:
    """The particulars of a picture as fields of a probe."""
    return {
        **when(told.taken),
        "location": told.location,
        "camera": told.camera,
        "color_profile": told.profile,
        "title": told.title,
        "caption": told.caption,
        "keywords": told.keywords,
        "rating": told.rating,
        "regions": told.regions,
        "content_id": told.content_id,
        "burst_id": told.burst_id,
        "motion": motion.motion_of(path, mime, told.film),
        "raw": told.raw,
    }


def vips_header(path: Path, mime: str) -> vips.ImageHeader | None:
    return vips.open_header(path) if mime in vips.TYPES else None


def pillow_header(path: Path, mime: str, *, required: bool) -> pillow.PillowHeader | None:
    """Where libvips has the size already, what Pillow cannot read is only missing EXIF; of a RAW, LibRaw has it."""
    if mime in icons.TYPES:
        icons.check(path, vips.PixelLimits.from_environment())
    try:
        return pillow.open_header(path, mime)
    except MediaError:
        if required and mime in pillow.DECODED:
            raise
        return None


def from_vips(shape: vips.ImageHeader) -> dict[str, Any]:
    width, height = shape.displayed
    return {
        "width": width,
        "height": height,
        "stored_width": shape.width,
        "stored_height": shape.height,
        "orientation": shape.orientation,
        "rotation": ROTATIONS[shape.orientation],
        "frames": shape.pages,
        "has_alpha": shape.has_alpha,
        "color_space": shape.interpretation,
        "bit_depth": shape.bits,
    }


ROTATIONS: Final = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
"""Degrees clockwise of each EXIF orientation; 2, 4, 5 and 7 are mirrored besides."""


def measured(path: Path, mime: str, details: pillow.PillowHeader | None, told: Embedded) -> dict[str, Any]:
    """The size of what libvips does not read, by the reader of its type."""
    if mime in raw.TYPES:
        return from_raw(path, told)
    if mime in jxl.TYPES:
        header = jxl.open_header(path)
        return {"width": header.width, "height": header.height}
    if mime in magick.TYPES:
        return from_magick(path, mime)
    return from_pillow(details, mime) if details and mime in pillow.DECODED else {}


def from_magick(path: Path, mime: str) -> dict[str, Any]:
    """Nothing where ImageMagick is not installed: the preview says why."""
    try:
        header = magick.open_header(path, mime, vips.PixelLimits.from_environment().megapixels)
    except UnsupportedTypeError:
        return {}
    return {"width": header.width, "height": header.height}


def from_pillow(details: pillow.PillowHeader, mime: str) -> dict[str, Any]:
    # HEIC is turned by its own boxes and pi-heif applies them; the EXIF orientation was read before.
    orientation = exif.orientation_of(details.embedded.main) if not mime.startswith("image/hei") else 1
    width, height = upright(details.width, details.height, orientation)
    return {
        "width": width,
        "height": height,
        "stored_width": details.width,
        "stored_height": details.height,
        "orientation": orientation,
        "rotation": ROTATIONS.get(orientation or 1),
        "frames": details.frames,
        "has_alpha": details.has_alpha,
        "color_space": details.mode.lower(),
        "bit_depth": details.bits,
    }


def from_raw(path: Path, told: Embedded) -> dict[str, Any]:
    """What the sensor saw; where that cannot be read, what the camera says of the picture."""
    try:
        header = raw.open_header(path)
        stored, orientation = (header.width, header.height), header.orientation
    except (PermanentError, TimedOutError):
        width, height = exif.whole(told.exif.get(0xA002)), exif.whole(told.exif.get(0xA003))
        stored, orientation = (width or 0, height or 0), exif.orientation_of(told.main) or 1
    found = {"orientation": orientation, "rotation": ROTATIONS[orientation]}
    if min(stored) < 1:
        return found
    width, height = upright(*stored, orientation)
    return {**found, "width": width, "height": height, "stored_width": stored[0], "stored_height": stored[1]}


def upright(width: int, height: int, orientation: int | None) -> tuple[int, int]:
    return (height, width) if orientation in {5, 6, 7, 8} else (width, height)
