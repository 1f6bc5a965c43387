"""The few seconds of film that some phones append to a picture, as a file of its own that every browser plays."""

from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from media.derivers.base import BaseDeriver, Context, Output, Ready, Result, Subject
from media.errors import DamagedFileError, MediaError, PermanentError
from media.probing import probe
from media.sniffing import sniff_path
from media.tools import ffmpeg, graphs
from media.transcoding.ceilings import Ceilings

BLOCK: Final = 1024 * 1024
FILMS: Final = frozenset({"video/mp4", "video/quicktime"})
PLAYED_AS: Final = "video/mp4"
FIRST_FRAME: Final = 30.0
"""Seconds, for a frame that takes milliseconds."""


class MotionDeriver(BaseDeriver):
    name: ClassVar[str] = "motion"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "thumbnail"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image" and place_of(subject) is not None

    def derive(self, context: Context) -> Result:
        place = place_of(context.subject)
        if place is None:
            raise damaged("the picture says that it has one, but not where")
        path = context.scratch / "motion.mp4"
        with context.open_source(*place) as source, path.open("wb") as target:
            copied = copy(context, source, target)
        if copied < place[1] - place[0]:
            raise damaged(f"{copied} bytes of {place[1] - place[0]}")
        film = film_of(path)
        facts = {name: film[name] for name in ("duration", "width", "height") if film.get(name)}
        return Ready((Output("motion.mp4", path, PLAYED_AS),), facts)


def place_of(subject: Subject) -> tuple[int, int] | None:
    """First and last byte (excluded) of the film, where the metadata names a place inside of the file."""
    told = (subject.probe or {}).get("motion")
    if not isinstance(told, dict):
        return None
    start, length = told.get("offset"), told.get("length")
    if not isinstance(start, int) or not isinstance(length, int):
        return None
    return (start, start + length) if 0 < start < start + length <= subject.size else None


def copy(context: Context, source: BinaryIO, target: BinaryIO) -> int:
    done = 0
    while block := source.read(BLOCK):
        context.check()
        done += target.write(block)
    return done


def film_of(path: Path) -> dict[str, Any]:
    """What the copied bytes are. DamagedFileError where they are no film, or one that was cut short."""
    sniffed = sniff_path(path)
    if sniffed.mime not in FILMS:
        raise damaged(f"sniffed as {sniffed.mime}")
    try:
        found = probe(path, sniffed)
        # A film that was cut short still has its table of contents: only a first frame shows that there is one.
        opening = Ceilings.from_environment().opening
        first = graphs.open_input(path, sniffed.demuxer, *opening).track("v:0")
        seen = graphs.write("-", first, options=("-frames:v", "1", "-f", "null"))
        ffmpeg.run(graphs.arguments(seen), timeout=FIRST_FRAME)
    except PermanentError as error:
        raise damaged(error.message) from error
    if found.kind != "video" or not found.duration:
        raise damaged("no moving picture in it")
    return found.as_json()


def damaged(detail: str) -> MediaError:
    return DamagedFileError(
        "The film inside this picture is damaged; the picture itself is well. Upload the file from the phone again.",
        code="damaged",
        detail=detail,
    )
