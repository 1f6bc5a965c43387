"""The deriver `objects`: what is to be seen in a picture, or in a film and when.

A picture is looked at once, a film by its sampled frames. What was found is written by `ml.objects.recording`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Final
from uuid import UUID

from media import live
from media.derivers.base import BaseDeriver, Context, Ready, Result, Subject
from ml import downloads
from ml.objects import recording
from ml.objects.spans import Look, Span, spans_of
from ml.objects.yolo import Detection, Detector
from ml.runtime.client import onnx_model
from ml.sampling import frames, pictures

DIGITS: Final = 6
"""Of shares: a thousandth of a pixel."""
WHOLE: Final = 2
"""Times the side of the square up to which a picture is decoded in its own size."""
MOST_SPANS: Final = 1000
"""Of one film: the surest."""


class ObjectsDeriver(BaseDeriver):
    name: ClassVar[str] = recording.DERIVER
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "object-detection"
    needs_probe: ClassVar[bool] = True
    switch: ClassVar[str] = "objects"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"image", "video"}

    def derive(self, context: Context) -> Result:
        ready = downloads.ready("objects")
        eyes = Eyes(
            Detector(onnx_model(ready.paths["model"])),
            live.value("OBJECT_DETECTION_MIN_SCORE"),
            live.value("OBJECT_DETECTION_MAX_DETECTIONS"),
        )
        found = of_film(context, eyes) if context.subject.kind == "video" else of_picture(context, eyes)
        made_with = {
            "model": ready.spec.id,
            "min_score": eyes.least,
            "max_detections": eyes.most,
        }
        facts = {"objects": len(found), "labels": dict(Counter(one["label"] for one in found))}
        return Ready((), facts, made_with, {"objects": found})

    def record(self, original: Any, result: Ready) -> None:
        recording.record(original, result.learnt["objects"])

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        return recording.holdings(library_id)

    def hand_over(self, original: Any, twin: Any) -> None:
        recording.hand_over(original, twin)


@dataclass(frozen=True, slots=True)
class Eyes:
    """The model of one run, how sure it must be, and how many objects are kept. A change counts from the next run."""

    detector: Detector
    least: float
    most: int

    def look(self, pixels: Sequence[Any]) -> list[list[Detection]]:
        return self.detector.find(pixels, self.least, self.most)


def of_picture(context: Context, eyes: Eyes) -> list[dict[str, Any]]:
    pixels = pictures.upright(context, decoded_side(context.subject, eyes.detector.side))
    context.check()
    (found,) = eyes.look([pixels])
    context.check()
    return [columns(one) for one in found]


def decoded_side(subject: Subject, side: int) -> int:
    """The longer side in pixels at which a picture is decoded.

    A decoder makes large pictures smaller on its way, which saves half of the time. Those that are not much larger
    than the square are decoded whole and made smaller as in training, by which boxes get truer by some pixels.
    """
    probe = subject.probe or {}
    longest = max(int(probe.get(name) or 0) for name in ("width", "height"))
    return longest if side < longest <= WHOLE * side else side


def of_film(context: Context, eyes: Eyes) -> list[dict[str, Any]]:
    """Batch by batch, so that only so many frames are held at once."""
    looks: list[Look] = []
    for batch in batches(frames.frames(context, eyes.detector.side), eyes.detector.at_once):
        context.check()
        found = eyes.look([frame.pixels for frame in batch])
        looks += [Look(frame.second, seen) for frame, seen in zip(batch, found, strict=True)]
    duration = float((context.subject.probe or {}).get("duration") or 0)
    spans = sorted(spans_of(looks, duration), key=lambda span: -span.best.score)[:MOST_SPANS]
    return [{**columns(span.best), **times(span)} for span in spans]


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def columns(found: Detection) -> dict[str, Any]:
    return {
        "label": found.label,
        "class_index": found.index,
        "score": round(found.score, DIGITS),
        "x": round(found.x, DIGITS),
        "y": round(found.y, DIGITS),
        "width": round(found.width, DIGITS),
        "height": round(found.height, DIGITS),
    }


def times(span: Span) -> dict[str, float]:
    return {
        "second": round(span.second, 3),
        "start_seconds": round(span.start, 3),
        "end_seconds": round(span.end, 3),
    }
