"""A few seconds of a video that move without sound where its card is pointed at: an animated WebP.

It begins where the first of a few places is not dark, so that what opens black does not stay black under the
pointer. HDR is tone-mapped and turned films are upright, as in posters: `media.transcoding.picture`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from media.derivers.base import BaseDeriver, Context, NotNeeded, Output, Ready, Result, Subject
from media.derivers.filming import film_of
from media.errors import DamagedFileError, ToolMissingError, UnsupportedTypeError
from media.images import choosing
from media.images.decoded import Animation
from media.images.encoding import encode_animation
from media.tools import ffmpeg, graphs, vips
from media.tools.run import ExitedError
from media.transcoding.frames import WITHOUT_SEEK, Film

NAME: Final = "hover.webp"
SECONDS: Final = 3.0
RATE: Final = 10
WIDTH: Final = 480
TALLEST: Final = 854
"""Of a phone held upright. What is taller gets narrower."""
QUALITY: Final = 70
MOST_BYTES: Final = 1_500_000
WAYS: Final = ((1, QUALITY), (2, QUALITY), (2, 50), (3, 30))
"""Every how many frames one is kept, and their quality: the first that is small enough, else the last."""
PLACES: Final = (0.10, 0.25, 0.50, 0.75, 0.90)
TIMEOUT: Final = 240.0


class HoverDeriver(BaseDeriver):
    name: ClassVar[str] = "hover"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "thumbnail"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "video"

    def derive(self, context: Context) -> Result:
        film = film_of(context, WIDTH, TALLEST)
        start = start_of(film)
        context.progress(20)
        frames, strategy = frames_of(film, start)
        context.progress(60)
        if len(set(frames)) < 2:
            return NotNeeded("still")
        path = context.scratch / NAME
        every, quality = write([vips.from_pixels(frame, *film.size, 3) for frame in frames], path, context)
        return Ready(
            (Output(NAME, path, "image/webp"),),
            {
                "second": round(start, 3),
                "frames": len(frames[::every]),
                "duration": round(len(frames) / RATE, 3),
                "width": film.size[0],
                "height": film.size[1],
            },
            {"strategy": strategy, "quality": quality, "ffmpeg": ffmpeg.capabilities().version},
        )


def start_of(film: Film) -> float:
    """The first place that is not dark; a film shorter than the preview is shown whole."""
    latest = film.duration - SECONDS
    if latest <= 0:
        return 0.0
    places = [min(latest, film.duration * place) for place in PLACES]
    for second, shot in zip(places, film.near(places), strict=True):
        if shot is not None and choosing.score(shot.pixels).visible:
            return second
    light = film.light()
    return places[0] if light is None else min(latest, light)


def frames_of(film: Film, start: float) -> tuple[list[bytes], str]:
    """All frames of the preview as RGB, by the first strategy that gives any.

    A film of one frame may be too short for a single tick of RATE. Raises what ffmpeg said last where nothing comes.
    """
    for name, chain in film.strategies.items():
        frames = list(read(film, 0.0 if name in WITHOUT_SEEK else start, chain))
        if frames:
            return frames, name
    if (first := film.first()) is not None:
        return [first.pixels.tobytes()], first.strategy
    raise film.problem or DamagedFileError(
        "No frame of the video can be decoded. Upload it again.", code="no_frame"
    )


def read(film: Film, start: float, chain: str) -> Iterator[bytes]:
    width, height = film.size
    pixels = np.zeros(width * height * 3, dtype=np.uint8)
    seek = ("-ss", f"{start:.3f}") if start else ()
    threads = ("-threads", "2") if film.large else ()
    span = (*seek, "-t", f"{SECONDS:g}", *threads, "-an", "-sn", "-dn")
    # Counted in the chain: where hours lie between two frames, `fps` would fill memory with all that they stand for.
    # And behind it: where the size changes the chain begins anew.
    most = round(SECONDS * RATE)
    paced = film.film(*span).chain(f"fps={RATE},trim=end_frame={most},{chain}")
    options = ("-frames:v", str(most), "-pix_fmt", "rgb24", "-f", "rawvideo")
    arguments = graphs.arguments(graphs.write(graphs.PIPE, paced, options=options))
    try:
        with ffmpeg.stream(arguments, timeout=TIMEOUT, abandoned=film.abandoned) as stream:
            while stream.readinto(pixels.data) == len(pixels):
                yield pixels.tobytes()
            with ffmpeg.explained():
                stream.complete()
    except (UnsupportedTypeError, ToolMissingError):
        raise
    except (DamagedFileError, ExitedError) as error:
        film.problem = error  # What came before it is shown.


def write(frames: Sequence[vips.Image], path: Path, context: Context) -> tuple[int, int]:
    """In the first way that is small enough; returns which it was."""
    for every, quality in WAYS:
        context.check()
        kept = frames[::every]
        delays = tuple(1000 * every // RATE for _ in kept)
        encode_animation(Animation(tuple(kept), delays, 0), path, quality)
        if path.stat().st_size <= MOST_BYTES:
            break
    return every, quality
