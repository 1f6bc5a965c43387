"""Pure: from ffprobe's JSON to what we keep of a film or a recording."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

from media.exif import CAPTION_LIMIT, HIGHEST, LONGEST_TEXT, TEXT_LIMIT, Camera, Location, number, text_of

Json = Mapping[str, Any]

HDR: Final = {"smpte2084": "pq", "arib-std-b67": "hlg"}
FASTEST: Final = 960
MOVING: Final = 1.01
"""Average and nominal frame rate that differ by more mean a variable frame rate."""

TAGS: Final = (
    *("title", "artist", "album", "album_artist", "composer", "genre"),
    *("track", "disc", "date", "comment", "encoder"),
)
MAKES: Final = ("com.apple.quicktime.make", "com.android.manufacturer", "make")
MODELS: Final = ("com.apple.quicktime.model", "com.android.model", "model")
CAPTIONS: Final = ("com.apple.quicktime.description", "description", "synopsis")
KEYWORDS: Final = ("com.apple.quicktime.keywords", "keywords")
RATINGS: Final = ("com.apple.quicktime.rating.user",)
ISO_6709: Final = re.compile(r"([+-]\d{1,3}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?")
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
"""The zero of the MP4 epoch is 1904, that of Unix 1970: both mean 'never set'."""
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""A clock that is merely wrong; at the end of the calendar no other time zone can be told."""


@dataclass(frozen=True, slots=True)
class VideoStream:
    index: int
    codec: str
    profile: str | None
    pix_fmt: str | None
    bit_depth: int | None
    stored_width: int
    stored_height: int
    sar: float
    rotation: int
    """Degrees clockwise that the player turns the stored picture: 0, 90, 180, 270."""
    mirrored: bool
    fps: float | None
    fps_nominal: float | None
    vfr: bool
    interlaced: bool
    color_primaries: str | None
    color_transfer: str | None
    color_space: str | None
    color_range: str | None
    hdr: str | None
    level: int | None = None

    @property
    def displayed(self) -> tuple[int, int]:
        """Square pixels, turned upright."""
        width = max(1, round(self.stored_width * self.sar))
        return (self.stored_height, width) if self.rotation in {90, 270} else (width, self.stored_height)


@dataclass(frozen=True, slots=True)
class AudioStream:
    index: int
    codec: str
    profile: str | None
    channels: int
    sample_rate: int
    language: str | None
    title: str | None
    default: bool


@dataclass(frozen=True, slots=True)
class SubtitleStream:
    index: int
    codec: str
    language: str | None
    title: str | None
    default: bool
    forced: bool


@dataclass(frozen=True, slots=True)
class Chapter:
    start: float
    end: float
    title: str | None


def video_of(answer: Json) -> VideoStream | None:
    """The moving picture: not a cover, not an empty track; the default one, else the one with most pixels."""
    candidates = [item for item in streams(answer, "video") if is_moving(item)]
    if not candidates:
        return None
    best = max(
        candidates, key=lambda item: (flag(item, "default"), count(item, "width") * count(item, "height"))
    )
    return video_stream(best)


def is_moving(item: Json) -> bool:
    if flag(item, "attached_pic") or count(item, "width") <= 0 or count(item, "height") <= 0:
        return False
    # An empty track keeps a size and a duration; only its frame rate says that nothing is in it.
    # A single frame has no rate either, but its pixel format was found in its data.
    return rate(item.get("avg_frame_rate")) is not None or item.get("pix_fmt") is not None


def track_of(facts: Json) -> int | None:
    """By the facts of a probe: the stream index of the default sound track, else of the first."""
    tracks = facts.get("audio") or ()
    chosen = next((track for track in tracks if track.get("default")), tracks[0] if tracks else None)
    return None if chosen is None else int(chosen["index"])


def cover_of(answer: Json) -> int | None:
    """The index of the embedded picture of a recording."""
    return next(
        (count(item, "index") for item in streams(answer, "video") if flag(item, "attached_pic")), None
    )


def video_stream(item: Json) -> VideoStream:
    rotation, mirrored = turn_of(item)
    fps, nominal = rate(item.get("avg_frame_rate")), rate(item.get("r_frame_rate"))
    transfer = item.get("color_transfer")
    return VideoStream(
        index=count(item, "index"),
        codec=str(item.get("codec_name") or "unknown"),
        profile=known(item.get("profile")),
        pix_fmt=item.get("pix_fmt"),
        bit_depth=bit_depth_of(item),
        stored_width=count(item, "width"),
        stored_height=count(item, "height"),
        sar=sar_of(item.get("sample_aspect_ratio")),
        rotation=rotation,
        mirrored=mirrored,
        fps=fps,
        fps_nominal=nominal,
        vfr=bool(fps and nominal and max(fps, nominal) / min(fps, nominal) > MOVING),
        interlaced=item.get("field_order") in {"tt", "bb", "tb", "bt"},
        color_primaries=item.get("color_primaries"),
        color_transfer=transfer,
        color_space=item.get("color_space"),
        color_range=item.get("color_range"),
        hdr=HDR.get(str(transfer)),
        level=count(item, "level") if count(item, "level") > 0 else None,
    )


def turn_of(item: Json) -> tuple[int, bool]:
    """Clockwise degrees and mirroring, from the display matrix (a b / c d of its nine numbers)."""
    for data in item.get("side_data_list") or ():
        numbers = [
            int(value) for value in re.findall(r"(?<![\w])-?\d+(?!\d*:)", str(data.get("displaymatrix", "")))
        ]
        if len(numbers) != 9:
            continue
        a, b, _, c, d = numbers[:5]
        angle = math.degrees(math.atan2(b, a))
        return round(angle / 90) * 90 % 360, a * d - b * c < 0
    legacy = str((item.get("tags") or {}).get("rotate"))
    return (int(legacy) % 360 if legacy.lstrip("-").isdigit() else 0), False


def sar_of(value: Any) -> float:
    """Width of a pixel over its height; unknown and absurd ones are square."""
    found = re.fullmatch(r"(\d+):(\d+)", str(value))
    if not found or int(found[1]) == 0 or int(found[2]) == 0:
        return 1.0
    ratio = int(found[1]) / int(found[2])
    return ratio if 0.1 <= ratio <= 10 else 1.0


def bit_depth_of(item: Json) -> int | None:
    if found := re.search(
        r"p(\d\d)(?:le|be)$|^(?:x2rgb|x2bgr)(10)|^p0(\d\d)|^gray(\d\d)", str(item.get("pix_fmt"))
    ):
        return int(next(group for group in found.groups() if group))
    raw = str(item.get("bits_per_raw_sample") or "")
    if raw.isdigit() and int(raw) > 0:
        return int(raw)
    return 8 if item.get("pix_fmt") else None


def audio_of(answer: Json) -> tuple[AudioStream, ...]:
    return tuple(
        AudioStream(
            index=count(item, "index"),
            codec=str(item.get("codec_name") or "unknown"),
            profile=known(item.get("profile")),
            channels=count(item, "channels"),
            sample_rate=count(item, "sample_rate"),
            language=language_of(item),
            title=tag_of(item, "title"),
            default=flag(item, "default"),
        )
        for item in streams(answer, "audio")
    )


def subtitles_of(answer: Json) -> tuple[SubtitleStream, ...]:
    return tuple(
        SubtitleStream(
            index=count(item, "index"),
            codec=str(item.get("codec_name") or "unknown"),
            language=language_of(item),
            title=tag_of(item, "title"),
            default=flag(item, "default"),
            forced=flag(item, "forced"),
        )
        for item in streams(answer, "subtitle")
    )


def chapters_of(answer: Json, *, most: int = 1000) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(
            seconds(item.get("start_time")) or 0.0,
            seconds(item.get("end_time")) or 0.0,
            tag_of(item, "title"),
        )
        for item in list(answer.get("chapters") or ())[:most]
    )


def duration_of(answer: Json) -> float | None:
    """What the container says, else the longest stream."""
    own = seconds(answer.get("format", {}).get("duration"))
    if own:
        return own
    lengths = [length for item in answer.get("streams") or () if (length := seconds(item.get("duration")))]
    return max(lengths, default=None)


def tags_of(answer: Json) -> dict[str, str]:
    """The container's tags we keep, in lower case; those of a stream where the container has none (Ogg)."""
    found: dict[str, str] = {}
    for source in all_tags(answer):
        for name, value in source.items():
            key = name.lower()
            if key in TAGS and key not in found and (text := text_of(value)):
                found[key] = text
    return found


def created_of(answer: Json) -> datetime | None:
    """The container's time beats the streams'. Apple writes the local time with its offset in an own tag."""
    names = ("com.apple.quicktime.creationdate", "creation_time")
    for source in all_tags(answer):
        for name in names:
            if (moment := moment_of(source.get(name))) is not None:
                return moment
    return None


def moment_of(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment if EARLIEST <= moment < LATEST else None


def location_of(answer: Json) -> Location | None:
    """ISO 6709: `+48.2082+016.3738+183/`. The null island is no place."""
    for source in all_tags(answer):
        for name in ("com.apple.quicktime.location.ISO6709", "location", "location-eng"):
            found = ISO_6709.match(str(source.get(name, "")))
            if not found:
                continue
            latitude, longitude, altitude = float(found[1]), float(found[2]), number(found[3])
            if abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0):
                known = altitude is not None and abs(altitude) <= HIGHEST
                return Location(latitude, longitude, altitude if known else None)
    return None


def camera_of(answer: Json) -> Camera | None:
    camera = Camera(make=named(answer, MAKES), model=named(answer, MODELS))
    return None if camera == Camera() else camera


def words_of(answer: Json) -> dict[str, Any]:
    """What people and phones wrote into the container, by the names of the probe."""
    stars = number(named(answer, RATINGS))
    return {
        "title": named(answer, ("title", "com.apple.quicktime.title")),
        "caption": named(answer, CAPTIONS, CAPTION_LIMIT),
        "keywords": tuple(
            word.strip() for word in (named(answer, KEYWORDS) or "").split(",") if word.strip()
        ),
        "rating": round(stars) if stars is not None and -1 <= stars <= 5 else None,
        "content_id": named(answer, ("com.apple.quicktime.content.identifier",), 64),
    }


def named(answer: Json, names: tuple[str, ...], limit: int = TEXT_LIMIT) -> str | None:
    """The first of these tags that says something."""
    for source in all_tags(answer):
        for name in names:
            if (text := text_of(source.get(name), limit)) is not None:
                return text
    return None


def raw_of(answer: Json) -> dict[str, str]:
    """All tags of the container; those of its streams only where they add a name."""
    found: dict[str, str] = {}
    for source in all_tags(answer):
        for name, value in source.items():
            key, text = text_of(name), text_of(value, LONGEST_TEXT)
            if key is not None and text is not None:
                found.setdefault(key, text)
    return found


def all_tags(answer: Json) -> Iterable[Json]:
    yield answer.get("format", {}).get("tags") or {}
    for item in answer.get("streams") or ():
        yield item.get("tags") or {}


def streams(answer: Json, kind: str) -> list[Json]:
    return [item for item in answer.get("streams") or () if item.get("codec_type") == kind]


def flag(item: Json, name: str) -> bool:
    return bool((item.get("disposition") or {}).get(name))


def count(item: Json, name: str) -> int:
    try:
        return int(item.get(name) or 0)
    except (TypeError, ValueError):
        return 0


def seconds(value: Any) -> float | None:
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) and result > 0 else None


def rate(value: Any) -> float | None:
    """`30000/1001` as frames a second."""
    try:
        fraction = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None
    # Containers whose clock ticks in milliseconds (FLV, Matroska) claim 1000 when they do not know.
    return round(float(fraction), 4) if 0 < fraction <= FASTEST else None


def known(value: Any) -> str | None:
    return str(value) if value not in {None, "", "unknown"} else None


def language_of(item: Json) -> str | None:
    language = tag_of(item, "language")
    return None if language in {None, "und", "unknown"} else language


def tag_of(item: Json, name: str) -> str | None:
    return text_of((item.get("tags") or {}).get(name))
