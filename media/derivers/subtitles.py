"""The subtitles inside a film as WebVTT, one file for each track of words, all of them by one process.

Tracks that are pictures of words (DVD, Blu-ray, DVB) cannot become text here: they are listed in the facts. What comes
out is made harmless before it is kept (`media.transcoding.captions`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from alcoves import queues
from media.derivers.base import SMALL_SCRATCH, BaseDeriver, Context, NotNeeded, Output, Ready, Result, Subject
from media.errors import DamagedFileError, TooLargeError
from media.sniffing import described
from media.tools import ffmpeg, graphs
from media.tools.progress import ProgressParser
from media.tools.run import ExitedError, Limits
from media.transcoding import captions

MOST_TRACKS: Final = 100
MOST_BYTES: Final = 16 * 1024 * 1024
ALL_BYTES: Final = 128 * 1024 * 1024
"""Of one track, and of all of them: ten hours of speech are 1 MB. A packed film may hold a thousand times its size."""
AS_THEY_ARE: Final = ("-sub_charenc_mode:s", "ignore")
"""ffmpeg leaves out a cue that is not UTF-8; an old code page is better read as one."""
AS_WEBVTT: Final = ("-c:s", "webvtt", "-f", "webvtt")
Track = Mapping[str, Any]


class SubtitlesDeriver(BaseDeriver):
    name: ClassVar[str] = "subtitles"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "waveform"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "video"

    def scratch_bytes(self, subject: Subject) -> int:
        """As ffmpeg writes them, and made harmless."""
        return 2 * ALL_BYTES if (subject.probe or {}).get("subtitles") else SMALL_SCRATCH

    def derive(self, context: Context) -> Result:
        facts = context.subject.probe or {}
        found: Sequence[Track] = facts.get("subtitles") or ()
        if not found:
            return NotNeeded("no_subtitles")
        tracks = [track for track in found if track["codec"] in captions.TEXT][:MOST_TRACKS]
        whole = not tracks or extract(context, tracks, facts.get("duration"))
        most = share_of(tracks)
        made = [
            (track, path) for track in tracks if (path := cleaned(context.scratch, track, most)) is not None
        ]
        return Ready(
            tuple(Output(path.name, path, "text/vtt; charset=utf-8") for _, path in made),
            {
                "tracks": [described_track(track, path.name) for track, path in made],
                "not_extractable": [described_track(track, None) for track in found if track not in tracks],
                **({} if whole else {"partial": True}),
            },
            {"ffmpeg": ffmpeg.capabilities().version},
        )


def share_of(tracks: Sequence[Track]) -> int:
    """Bytes that each track may take."""
    return min(MOST_BYTES, ALL_BYTES // max(1, len(tracks)))


def extract(context: Context, tracks: Sequence[Track], duration: float | None) -> bool:
    """Every track into `<index>.raw`. False where only a part came: the file broke off, or is too much."""
    demuxer = described(context.subject.mime).demuxer
    film = graphs.open_input(context.source_input(), demuxer, *AS_THEY_ARE)
    outputs = [
        graphs.write(context.scratch / f"{index}.raw", film.track(index), options=AS_WEBVTT)
        for index in [track["index"] for track in tracks]
    ]
    try:
        ffmpeg.run(
            graphs.arguments(*outputs),
            timeout=queues.BY_NAME["waveform"].time_limit * 0.95,
            abandoned=context.abandoned,
            progress=ProgressParser(duration, context.progress),
            limits=Limits(memory_bytes=ffmpeg.LIMITS.memory_bytes, file_bytes=share_of(tracks)),
        )
    except (DamagedFileError, TooLargeError, ExitedError) as error:
        if not any(path.stat().st_size for path in context.scratch.glob("*.raw")):
            raise ffmpeg.explain(error) if isinstance(error, ExitedError) else error from error
        return False
    return True


def cleaned(scratch: Path, track: Track, most: int) -> Path | None:
    """`<index>.vtt`, cut off where it gets longer than `most`; None for a track that nothing came of."""
    raw, path = scratch / f"{track['index']}.raw", scratch / f"{track['index']}.vtt"
    if not raw.exists():
        return None
    with raw.open("rb") as reader, path.open("w", encoding="utf-8") as writer:
        for line in captions.clean(map(captions.decoded, reader)):
            if (most := most - len(line) - 1) < 0:
                break
            writer.write(f"{line}\n")
    return path


def described_track(track: Track, name: str | None) -> dict[str, Any]:
    """What a menu of subtitles shows. `name` is that of the output."""
    return {
        "index": track["index"],
        "language": track.get("language"),
        "title": track.get("title"),
        "default": bool(track.get("default")),
        "forced": bool(track.get("forced")),
        "codec": track["codec"],
        "name": name,
    }
