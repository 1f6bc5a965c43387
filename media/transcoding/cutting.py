"""Pure: where a clip is cut out of a film, exact to the frame, and whether its packets can be taken as they are.

A decoder that is told to begin at a second gives the first frame *after* it. What a person sees at that second is the
frame before, which is still standing. So the cut begins at that frame, and its time is moved to zero.

All seconds count from the beginning of the file, as players do, whatever its time stamps begin with.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from media.tools import graphs
from media.transcoding import recipe

NEAR: Final = 0.001
"""Seconds: a cut is told in milliseconds, time stamps are finer."""
HAIR: Final = 0.00001
"""Seconds by which decoding begins before a frame: less than a tick of most clocks, more than any rounding."""
STANDING: Final = 0.25
"""Seconds that a last frame is believed to stand beyond its own length."""
CONTAINER: Final = (*recipe.STRIPPED, "-map_chapters", "-1", *recipe.CONTAINER)
"""Nothing of the source's tags or chapters: they speak of the whole."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Of the picture, or of the sound of a recording, as they lie in the file."""

    pts: float
    dts: float
    key: bool
    lasts: float = 0.0


@dataclass(frozen=True, slots=True)
class Cut:
    """What ffmpeg is told. `seek` None: from the very beginning."""

    seek: float | None
    lead: float = 0.0
    """Seconds after `seek` at which the clip begins; the frame that stands there may have come before."""
    back: float = 0.0
    """Seconds after `seek` that are decoded and thrown away."""
    stands: bool = True
    """Whether a frame stands at the start. Where none does, the first one after it is shown from there."""

    @property
    def options(self) -> tuple[str, ...]:
        return () if self.seek is None else ("-ss", f"{self.seek:.6f}")

    def of(self, picture: graphs.Track) -> graphs.Track:
        """Through the filters before all others: the standing frame first, at zero.

        They begin anew, and count anew, where the size of a film changes.
        """
        if self.back:
            picture = picture.filter("trim", start=f"{self.back:.6f}")
        first = f"lte(PTS*TB,{self.lead + NEAR:.6f})" if self.stands else "eq(N,0)"
        return picture.filter("settb", "1/90000").filter("setpts", f"if({first},0,PTS-{self.lead:.6f}/TB)")

    @property
    def sound(self) -> str:
        """Links before all others, with their comma."""
        return f"atrim=start={self.lead:.6f},asetpts=PTS-{self.lead:.6f}/TB," if self.lead else ""


@dataclass(frozen=True, slots=True)
class Copy:
    """Seconds for a cut that takes packets as they are."""

    start: float
    picture: float | None
    """How long the picture is read: by decoding times, which run ahead of what is shown. None: to the end."""
    sound: float | None


def packets_of(answer: Mapping[str, Any]) -> list[Packet]:
    """Of ffprobe's JSON, without those that have no time; counted from the beginning of the file."""
    begin = beginning_of(answer)
    found = []
    for packet in answer.get("packets") or ():
        dts, pts = number(packet.get("dts_time")), number(packet.get("pts_time"))
        shown = dts if pts is None else pts
        if shown is not None:
            decoded = shown if dts is None else dts
            key, lasts = "K" in str(packet.get("flags")), number(packet.get("duration_time")) or 0.0
            found.append(Packet(shown - begin, decoded - begin, key, lasts))
    return found


def beginning_of(answer: Mapping[str, Any]) -> float:
    """The time stamp with which the file begins."""
    return number(answer.get("format", {}).get("start_time")) or 0.0


def number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def standing(packets: Iterable[Packet], second: float) -> Packet | None:
    """The frame that is seen at a second; None where none is known that a decoder can begin before."""
    before = [packet for packet in packets if packet.pts <= second + NEAR]
    if not any(packet.key for packet in before):
        return None
    return max(before, key=lambda packet: packet.pts)


def ends_before(packets: Iterable[Packet], second: float) -> bool:
    """Whether the last frame there is has long been taken away again."""
    return all(packet.pts + packet.lasts < second - STANDING for packet in packets)


def cut_at(packets: Sequence[Packet], start: float, back: float = 0.0) -> Cut | None:
    """For decoding from the frame that stands at `start`. `back` seconds more for containers that seek badly."""
    frame = standing(packets, start)
    if frame is None:
        return None
    first = max(0.0, frame.pts - HAIR)
    seek = max(0.0, first - back)
    if seek == 0:
        return Cut(None, max(0.0, start), first)
    return Cut(seek, max(0.0, start - seek), first - seek)


def copy_between(packets: Sequence[Packet], start: float, end: float | None) -> Copy | None:
    """For taking packets as they are; None where a cut is not at a key frame, or frames on both sides hang together.

    `end` None is the end of the file.
    """
    first = key_at(packets, start)
    if first is None or hangs_over(packets, first):
        return None
    if end is None:
        return Copy(first.pts, None, None)
    last = key_at(packets, end)
    if last is None or hangs_over(packets, last):
        return None
    return Copy(first.pts, last.dts - first.pts - NEAR / 2, end - first.pts)


def key_at(packets: Iterable[Packet], second: float) -> Packet | None:
    near = (packet for packet in packets if packet.key and abs(packet.pts - second) <= NEAR)
    return next(near, None)


def hangs_over(packets: Sequence[Packet], key: Packet) -> bool:
    """Whether frames that are shown before a key frame come after it in the file (an open group)."""
    return any(packet.dts > key.dts and packet.pts < key.pts for packet in packets)
