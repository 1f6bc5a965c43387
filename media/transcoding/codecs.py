"""Type strings for players: `video/mp4; codecs="avc1.640028, mp4a.40.2"` (RFC 6381), from what a probe says.

Levels of VP9 are in no header that is read; they are reckoned from size and rate (VP9 levels, libvpx's table).
"""

from collections.abc import Mapping
from typing import Any, Final

Facts = Mapping[str, Any]

AVC: Final = {
    "Constrained Baseline": "42E0",
    "Baseline": "4200",
    "Main": "4D40",
    "Extended": "5800",
    "High": "6400",
    "Progressive High": "6408",
    "Constrained High": "640C",
    "High 10": "6E00",
    "High 10 Intra": "6E10",
    "High 4:2:2": "7A00",
    "High 4:2:2 Intra": "7A10",
    "High 4:4:4 Predictive": "F400",
}
"""Profile and constraint flags, in hex."""
HEVC: Final = {"Main": "1.6", "Main 10": "2.4", "Main Still Picture": "3.E", "Rext": "4.10"}
AV1: Final = {"Main": 0, "High": 1, "Professional": 2}
VP9: Final = {"Profile 0": 0, "Profile 1": 1, "Profile 2": 2, "Profile 3": 3}
VP9_LEVELS: Final = (
    (10, 829_440, 36_864),
    (11, 2_764_800, 73_728),
    (20, 4_608_000, 122_880),
    (21, 9_216_000, 245_760),
    (30, 20_736_000, 552_960),
    (31, 36_864_000, 983_040),
    (40, 83_558_400, 2_228_224),
    (41, 160_432_128, 2_228_224),
    (50, 311_951_360, 8_912_896),
    (51, 588_251_136, 8_912_896),
    (52, 1_176_502_272, 8_912_896),
    (60, 1_176_502_272, 35_651_584),
    (61, 2_353_004_544, 35_651_584),
    (62, 4_706_009_088, 35_651_584),
)
"""Level, samples a second, samples of a frame."""

SOUNDS: Final = {
    "mp3": "mp4a.6B",
    "opus": "opus",
    "vorbis": "vorbis",
    "flac": "flac",
    "alac": "alac",
    "ac3": "ac-3",
    "eac3": "ec-3",
}
AAC: Final = {"HE-AAC": "mp4a.40.5", "HE-AACv2": "mp4a.40.29", "Main": "mp4a.40.1", "LTP": "mp4a.40.4"}
BARE: Final = frozenset({"audio/mpeg", "audio/aac", "audio/flac"})
"""Types that are a codec themselves: browsers know no parameter for them."""
WAVES: Final = {"audio/wav": "1"}
AS_MP4: Final = {"video/quicktime": "video/mp4"}
"""Browsers play MOV by their reader of MP4, and say of its own name that they do not know it."""


def type_of(mime: str, facts: Facts) -> str:
    """The whole type string of a file; without codecs where one of them has no name."""
    named = AS_MP4.get(mime, mime)
    if named.startswith("video/") and not facts.get("video"):
        named = named.replace("video/", "audio/", 1)
    if named in BARE:
        return named
    names = names_of(facts)
    if named in WAVES:
        names = ["1"] if sound_codec(facts).startswith("pcm_") else []
    return f'{named}; codecs="{", ".join(names)}"' if names else named


def names_of(facts: Facts) -> list[str]:
    """Of the picture and of each kind of sound; empty where one cannot be named."""
    found: list[str | None] = [of_picture(facts["video"])] if facts.get("video") else []
    found += [of_sound(track) for track in facts.get("audio") or ()]
    names = [name for name in dict.fromkeys(found) if name]
    return names if len(names) == len(set(found)) else []


def sound_codec(facts: Facts) -> str:
    tracks = facts.get("audio") or ()
    return str(tracks[0].get("codec")) if tracks else ""


def of_picture(video: Facts) -> str | None:
    """`avc1.640029`, `hvc1.1.6.L93.B0`, `av01.0.05M.08`, `vp09.00.31.08`, `vp8`."""
    codec, profile, level = video.get("codec"), str(video.get("profile")), video.get("level")
    bits = int(video.get("bit_depth") or 8)
    if codec == "h264" and profile in AVC and level:
        return f"avc1.{AVC[profile]}{int(level):02X}"
    if codec == "hevc" and profile in HEVC and level:
        return f"hvc1.{HEVC[profile]}.L{int(level)}.B0"
    if codec == "av1" and profile in AV1:
        return f"av01.{AV1[profile]}.{int(level or 0):02d}M.{bits:02d}"
    if codec == "vp9" and profile in VP9:
        return f"vp09.{VP9[profile]:02d}.{vp9_level(video)}.{bits:02d}"
    return "vp8" if codec == "vp8" else None


def vp9_level(video: Facts) -> int:
    samples = int(video["stored_width"]) * int(video["stored_height"])
    rate = float(video.get("fps") or 30)
    return next(
        (level for level, second, frame in VP9_LEVELS if samples <= frame and samples * rate <= second), 62
    )


def of_sound(track: Facts) -> str | None:
    if track.get("codec") == "aac":
        return AAC.get(str(track.get("profile")), "mp4a.40.2")
    return SOUNDS.get(str(track.get("codec")))
