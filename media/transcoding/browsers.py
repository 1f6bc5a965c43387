"""The one table of what browsers play, and the question that is asked of it: what stands against this file?

A row holds only where Chromium, Firefox and Safari (17 and later) all play it from a plain file, with these limits:
VP8, VP9 and AV1 are played by a Safari whose machine can; MOV is what browsers read as MP4. Everything that is on no
row is transcoded. docs/video.md shows the table with the reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from media.transcoding.ceilings import LONG_SIDE, SHORT_SIDE, Ceilings

Family: TypeAlias = Literal["mp4", "webm", "mp3", "adts", "ogg", "wav", "flac"]
Facts: TypeAlias = Mapping[str, Any]

FAMILIES: Final[dict[str, Family]] = {
    "video/mp4": "mp4",
    "video/quicktime": "mp4",
    "audio/mp4": "mp4",
    "video/webm": "webm",
    "audio/mpeg": "mp3",
    "audio/aac": "adts",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/flac": "flac",
}
"""By the sniffed type. 3GP is MP4 to ffmpeg and to no browser; Matroska is WebM to Chromium alone."""

EIGHT_BIT: Final = frozenset({"yuv420p", "yuvj420p"})
H264: Final = frozenset(
    {"Constrained Baseline", "Baseline", "Main", "High", "Constrained High", "Progressive High"}
)
PICTURES: Final[dict[tuple[Family, str], frozenset[str] | None]] = {
    ("mp4", "h264"): H264,
    ("mp4", "av1"): frozenset({"Main"}),
    ("webm", "vp8"): None,
    ("webm", "vp9"): frozenset({"Profile 0"}),
    ("webm", "av1"): frozenset({"Main"}),
}
"""Container and codec of the picture, and the profiles; None where the codec has only one that matters."""

AAC: Final = frozenset({"LC", "HE-AAC", "HE-AACv2"})
SOUNDS: Final[dict[tuple[Family, str], frozenset[str] | None]] = {
    ("mp4", "aac"): AAC,
    ("mp4", "mp3"): None,
    ("webm", "opus"): None,
    ("webm", "vorbis"): None,
    ("mp3", "mp3"): None,
    ("adts", "aac"): AAC,
    ("ogg", "vorbis"): None,
    ("ogg", "opus"): None,
    ("flac", "flac"): None,
    ("wav", "pcm_u8"): None,
    ("wav", "pcm_s16le"): None,
    ("wav", "pcm_s24le"): None,
    ("wav", "pcm_f32le"): None,
    ("wav", "pcm_alaw"): None,
    ("wav", "pcm_mulaw"): None,
}
MUSIC_CHANNELS: Final = 2
"""Of a recording. In films browsers mix 5.1 down; of recordings not every player does."""
HIGHEST_RATE: Final = 96_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands against playing a file as it is, by part; a code of a reason, or None."""

    container: str | None = None
    picture: str | None = None
    sound: str | None = None

    @property
    def reason(self) -> str | None:
        """The heaviest: a picture takes minutes to encode, sound seconds, a container nothing."""
        return self.picture or self.sound or self.container


def playable(facts: Facts, mime: str, ceilings: Ceilings | None = None) -> str | None:
    """None where every browser plays the file as it is, else the code of what stands against it."""
    return judged(facts, mime, ceilings).reason


def judged(facts: Facts, mime: str, ceilings: Ceilings | None = None) -> Verdict:
    """`facts` is the probe as JSON, `mime` the sniffed type."""
    family = family_of(facts, mime)
    video = facts.get("video")
    tracks = facts.get("audio") or ()
    limits = ceilings or Ceilings.from_environment()
    return Verdict(
        None if family else "container",
        next(objections(family, facts, video, limits), None) if video else None,
        next(filter(None, (objection_to_sound(family, track, film=bool(video)) for track in tracks)), None),
    )


def family_of(facts: Facts, mime: str) -> Family | None:
    """None for what no browser opens: also a WAV whose sizes were never filled in, that we read as bare samples."""
    family = FAMILIES.get(mime)
    return None if family == "wav" and facts.get("container", "wav") != "wav" else family


def objections(family: Family | None, facts: Facts, video: Facts, ceilings: Ceilings) -> Iterator[str]:
    """Against the picture, the heaviest first. In a container that nobody plays it is measured as if in MP4."""
    key = (family or "mp4", str(video.get("codec")))
    if key not in PICTURES:
        yield "video_codec"
        return
    if video.get("hdr"):
        yield "hdr"
    profiles = PICTURES[key]
    if profiles is not None and video.get("profile") not in profiles:
        yield "profile"
    if video.get("pix_fmt") not in EIGHT_BIT or (video.get("bit_depth") or 8) > 8:
        yield "pixel_format"
    if video.get("interlaced"):
        yield "interlaced"
    if video.get("mirrored"):
        yield "mirrored"
    width, height = int(facts["width"]), int(facts["height"])
    if min(width, height) > SHORT_SIDE or max(width, height) > LONG_SIDE:
        yield "size"
    if (facts.get("bit_rate") or 0) > ceilings.bit_rate:
        yield "bit_rate"


def objection_to_sound(family: Family | None, track: Facts, *, film: bool) -> str | None:
    key = (family or "mp4", str(track.get("codec")))
    if key not in SOUNDS:
        return "audio_codec"
    profiles = SOUNDS[key]
    if profiles is not None and track.get("profile") not in profiles:
        return "audio_profile"
    if not film and (track.get("channels") or 0) > MUSIC_CHANNELS:
        return "channels"
    return "sample_rate" if (track.get("sample_rate") or 0) > HIGHEST_RATE else None
