"""The still picture of a video: the best of five frames, or the one a person has chosen; of a recording its cover.

Key frames near 10, 25, 50, 75 and 90 % are looked at first, because they cost least; all five come from one process.
Places that fell on the same key frame, and all of them where none is light, are decoded exactly. Where those are dark
too, the whole film is searched. The best by contrast and sharpness is the poster; all five are kept small, so that
people can choose another one. How frames are made of HDR and odd films: `media.transcoding.picture`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from media.derivers.base import BaseDeriver, Context, NotNeeded, Output, Ready, Result, Subject
from media.derivers.filming import film_of
from media.errors import DamagedFileError, MediaError, PermanentError
from media.images import choosing, posters
from media.images.choosing import Score
from media.images.encoding import encode
from media.sniffing import described
from media.tools import ffmpeg, graphs, vips
from media.tools.run import ExitedError, Limits
from media.transcoding.frames import Film, Shot

PLACES: Final = (10, 25, 50, 75, 90)
"""Percent of the film."""
ONE_GROUP: Final = 1.5
"""Seconds: a shorter film is likely to have one key frame, so that its frames are decoded at once."""
COVER_TIMEOUT: Final = 30.0
COVER_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame and how good it is. `place` is its percentage of the film; None for one that was searched."""

    place: int | None
    shot: Shot = field(repr=False)
    score: Score

    @property
    def name(self) -> str:
        return f"candidate-{self.place}.webp"

    def as_facts(self) -> dict[str, Any]:
        return {
            "place": self.place,
            "second": round(self.shot.second, 3),
            "score": round(self.score.quality, 3),
            "dark": not self.score.visible,
        }


class PosterDeriver(BaseDeriver):
    name: ClassVar[str] = "poster"
    version: ClassVar[int] = 2
    queue: ClassVar[str] = "thumbnail"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        has_cover = subject.kind == "audio" and (subject.probe or {}).get("cover") is not None
        return subject.kind == "video" or has_cover

    def derive(self, context: Context) -> Result:
        if context.subject.kind == "audio":
            return cover_of(context)
        film = film_of(context, posters.LARGE, posters.LARGE)
        second = context.parameters.get("second")
        if second is not None:
            return chosen(context, film, float(second))
        found = candidates_of(film, context)
        context.progress(70)
        return best_of(context, found)

    def record(self, original: Any, result: Ready) -> None:
        """Another poster is another picture: its sizes are made ahead anew."""
        original.forget_warmth()


def candidates_of(film: Film, context: Context) -> list[Candidate]:
    """One for each place that can be decoded; and one more where only a search finds light."""
    context.check()
    found = of_places(film, film.near, PLACES) if film.duration > ONE_GROUP else {}
    kept = alone(found.values()) if any_visible(found.values()) else set()
    if missing := [place for place in PLACES if place not in kept]:
        context.check()
        found |= of_places(film, film.at, missing)
    if not any_visible(found.values()):
        context.check()
        if (second := film.light()) is not None:
            return [*found.values(), *scored((None, shot) for shot in film.at([second, second + 0.5]))]
    return list(found.values()) or [first_of(film)]


def first_of(film: Film) -> Candidate:
    """Raises what ffmpeg said last where not a single frame can be decoded."""
    if first := scored([(None, film.first())]):
        return first[0]
    raise film.problem or DamagedFileError(
        "No frame of the video can be decoded. Upload it again.", code="no_frame"
    )


def of_places(film: Film, take: Any, places: Sequence[int]) -> dict[int, Candidate]:
    shots = take([film.duration * place / 100 for place in places]) if film.duration > 0 else []
    return {one.place: one for one in scored(zip(places, shots, strict=False)) if one.place is not None}


def scored(shots: Iterable[tuple[int | None, Shot | None]]) -> list[Candidate]:
    return [Candidate(place, shot, choosing.score(shot.pixels)) for place, shot in shots if shot is not None]


def alone(found: Iterable[Candidate]) -> set[int | None]:
    """Places with a key frame of their own: of several that fell on the same one, the first."""
    first: dict[float, int | None] = {}
    for one in found:
        first.setdefault(round(one.shot.second, 2), one.place)
    return set(first.values())


def any_visible(found: Iterable[Candidate]) -> bool:
    return any(one.score.visible for one in found)


def best_of(context: Context, found: Sequence[Candidate]) -> Ready:
    best = max(found, key=lambda one: one.score)
    outputs, facts = written(context, best.shot)
    for one in found:
        if one.place is not None:
            small = posters.narrow(image_of(one.shot), posters.CANDIDATE)
            encode(small, context.scratch / one.name, "webp", posters.QUALITY)
            outputs += (Output(one.name, context.scratch / one.name, posters.CONTENT_TYPE),)
    listed = [one.as_facts() for one in found if one.place is not None]
    told = {"second": round(best.shot.second, 3), "dark": not best.score.visible, "candidates": listed}
    return Ready(outputs, facts | told, made_with(best.shot))


def chosen(context: Context, film: Film, second: float) -> Ready:
    """The frame of the second that a person has asked for."""
    shot = film.at([second])[0] or film.near([second])[0]
    if shot is None:
        raise DamagedFileError(
            "There is no picture at this second of the video. Choose another one.", code="no_frame"
        )
    outputs, facts = written(context, shot)
    dark = not choosing.score(shot.pixels).visible
    return Ready(outputs, facts | {"second": round(shot.second, 3), "dark": dark}, made_with(shot))


def written(context: Context, shot: Shot) -> tuple[tuple[Output, ...], dict[str, Any]]:
    return outputs_in(context), posters.write(image_of(shot), context.scratch)


def outputs_in(context: Context) -> tuple[Output, ...]:
    names = (posters.SMALL_NAME, posters.LARGE_NAME)
    return tuple(Output(name, context.scratch / name, posters.CONTENT_TYPE) for name in names)


def image_of(shot: Shot) -> vips.Image:
    height, width = shot.pixels.shape[:2]
    return vips.from_pixels(shot.pixels.tobytes(), width, height, 3)


def made_with(shot: Shot) -> dict[str, Any]:
    return {"strategy": shot.strategy, "ffmpeg": ffmpeg.capabilities().version}


def cover_of(context: Context) -> Result:
    """The picture inside a recording. It comes from outside, so it is opened like every picture that is uploaded."""
    index = (context.subject.probe or {}).get("cover")
    if index is None:
        return NotNeeded("no_cover")
    path = context.scratch / "cover"
    recording = graphs.open_input(context.source_input(), described(context.subject.mime).demuxer)
    packet = ("-c", "copy", "-frames:v", "1", "-f", "rawvideo")
    arguments = graphs.arguments(graphs.write(path, recording.track(index), options=packet))
    limits = Limits(memory_bytes=ffmpeg.LIMITS.memory_bytes, file_bytes=COVER_BYTES)
    try:
        ffmpeg.run(arguments, timeout=COVER_TIMEOUT, abandoned=context.abandoned, limits=limits)
        image, deadline = posters.read(path, vips.PixelLimits.from_environment())
    except (PermanentError, ExitedError) as error:
        raise unreadable_cover(error) from error
    facts = posters.write(image, context.scratch, deadline)
    return Ready(outputs_in(context), facts, {"strategy": "cover"})


def unreadable_cover(error: MediaError) -> MediaError:
    return DamagedFileError(
        "The cover picture inside this recording cannot be read; the sound is well. Upload a picture instead.",
        code="damaged_cover",
        detail=error.detail or error.message,
    )
