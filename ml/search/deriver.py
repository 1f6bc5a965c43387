"""What a picture or a film means, as vectors: of a picture one, of a film one for each scene that looks different."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final
from uuid import UUID

from media.derivers.base import BaseDeriver, Context, Ready, Result, Subject
from ml.downloads import ready
from ml.sampling import frames, pictures
from ml.search import recording
from ml.search.encoders import BATCH, Encoder, Vectors
from ml.search.fingerprints import fingerprint
from ml.search.recording import Seen
from ml.search.resampling import enough

ALIKE: Final = 0.97
"""Cosine to the frame kept before it, from which on a frame says nothing new."""
FRAME: Final = 2
"""How much longer a frame is decoded than the model looks at: there are many, and they are no stills."""
KINDS: Final = frozenset({"image", "video"})


class EmbeddingDeriver(BaseDeriver):
    name: ClassVar[str] = "embedding"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "object-detection"
    needs_probe: ClassVar[bool] = True
    switch: ClassVar[str] = "semantic"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in KINDS

    def derive(self, context: Context) -> Result:
        encoder = Encoder(ready("search"))
        if context.subject.kind == "image":
            seen, looked_at = [of_picture(context, encoder)], 1
        else:
            seen, looked_at = of_film(context, encoder)
        facts = {"dimensions": encoder.dimensions, "frames": looked_at, "kept": len(seen)}
        return Ready((), facts, {"model": encoder.spec.id}, {"model": encoder.spec.id, "seen": seen})

    def record(self, original: Any, result: Ready) -> None:
        recording.record(original, result.learnt["model"], result.learnt["seen"])

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        return recording.holdings(library_id)

    def hand_over(self, original: Any, twin: Any) -> None:
        recording.hand_over(original, twin)


def of_picture(context: Context, encoder: Encoder) -> Seen:
    pixels = pictures.upright(context, enough(encoder.side))
    context.check()
    return Seen(encoder.pictures([pixels])[0], None, fingerprint(pixels))


def of_film(context: Context, encoder: Encoder) -> tuple[list[Seen], int]:
    """What is kept, and how many frames were looked at. There is one at least, or decoding has said why not."""
    kept: list[Seen] = []
    count = 0
    for seconds, vectors in encoded(context, encoder):
        for second, vector in zip(seconds, vectors, strict=True):
            count += 1
            if not kept or float(vector @ kept[-1].vector) < ALIKE:
                kept.append(Seen(vector, second, None))
    return kept, count


def encoded(context: Context, encoder: Encoder) -> Iterator[tuple[list[float], Vectors]]:
    """Frames in batches: the model is asked seldom, and few frames are in memory."""
    for batch in in_batches(frames.frames(context, FRAME * encoder.side)):
        context.check()
        yield [frame.second for frame in batch], encoder.pictures([frame.pixels for frame in batch])


def in_batches(found: Iterable[frames.Frame]) -> Iterator[list[frames.Frame]]:
    batch: list[frames.Frame] = []
    for frame in found:
        batch.append(frame)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
