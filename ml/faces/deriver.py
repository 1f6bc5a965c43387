"""The deriver `faces`: all faces of a picture or a film, each with a small picture and an embedding.

    no variant         everything: a picture at 2560 pixels, a film by its sampled frames at 1280
    `drawn-<face>`     one face that a person has drawn, or wants kept though the models do not find it any more:
                       its box (and second) is in the parameters

What was found is written by `ml.faces.recording`, in the transaction that names the small pictures.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from media import live
from media.derivers.base import BaseDeriver, Context, Output, Ready, Result, Subject
from media.derivers.filming import film_of
from media.errors import DamagedFileError
from ml import downloads
from ml.faces import crops, inheriting, people, recording
from ml.faces.arcface import Recogniser
from ml.faces.boxes import Box
from ml.faces.scrfd import Detector
from ml.faces.seeing import Eyes, Seen
from ml.faces.tracks import Tracks
from ml.runtime.client import onnx_model
from ml.sampling import frames, pictures

Pixels: TypeAlias = NDArray[np.uint8]

PICTURE_SIDE: Final = 2560
"""Longer side in pixels: four times what the detector sees, so that faces of a group are told apart too."""
FRAME_SIDE: Final = 1280
DIGITS: Final = 6
"""Of shares: a thousandth of a pixel."""


class FacesDeriver(BaseDeriver):
    name: ClassVar[str] = recording.DERIVER
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "face-detection"
    needs_probe: ClassVar[bool] = True
    switch: ClassVar[str] = "faces"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"image", "video"}

    def derive(self, context: Context) -> Result:
        ready = downloads.ready("faces")
        eyes = Eyes(
            Detector(onnx_model(ready.paths["detector"])),
            Recogniser(onnx_model(ready.paths["recogniser"])),
            live.value("FACE_MIN_SCORE"),
        )
        made_with = {"model": ready.spec.id, "min_score": eyes.least}
        if context.variant:
            return drawn(context, eyes, made_with)
        if context.subject.kind == "video":
            return of_film(context, eyes, made_with)
        return of_picture(context, eyes, made_with)

    def record(self, original: Any, result: Ready) -> None:
        recording.record(original, result)

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        return recording.holdings(library_id)

    def forget(self, library_id: UUID) -> None:
        people.forget_library(library_id)

    def hand_over(self, original: Any, twin: Any) -> None:
        inheriting.hand_over(original, twin)


def of_picture(context: Context, eyes: Eyes, made_with: dict[str, Any]) -> Ready:
    pixels = pictures.upright(context, PICTURE_SIDE)
    context.check()
    faces = eyes.faces(pixels)
    context.check()
    found = [
        {**columns(face), "second": None, "spans": [], "sightings": [(None, face.box)]} for face in faces
    ]
    height, width = pixels.shape[:2]
    facts = {"faces": len(faces), "width": width, "height": height}
    return finished(context, found, [crops.cut(pixels, face.box) for face in faces], facts, made_with)


def of_film(context: Context, eyes: Eyes, made_with: dict[str, Any]) -> Ready:
    tracks = Tracks()
    for frame in frames.frames(context, FRAME_SIDE):
        context.check()
        tracks.add(frame.second, eyes.faces(frame.pixels), cutter(frame.pixels))
    duration = float((context.subject.probe or {}).get("duration") or 0)
    found = [
        {
            **columns(track.best),
            "second": round(track.second, 3),
            "spans": [[round(start, 3), round(end, 3)] for start, end in tracks.spans(track, duration)],
            "sightings": track.sightings,
        }
        for track in tracks.tracks
    ]
    facts = {"faces": len(found), "frames": len(tracks.seconds)}
    return finished(context, found, [track.crop for track in tracks.tracks], facts, made_with)


def cutter(pixels: Pixels) -> Any:
    """Makes the small picture of a face of this frame."""
    return lambda face: crops.cut(pixels, face.box)


def finished(
    context: Context,
    found: list[dict[str, Any]],
    pictures_of: Sequence[Pixels],
    facts: dict[str, Any],
    made_with: dict[str, Any],
) -> Ready:
    outputs = []
    for number, (face, crop) in enumerate(zip(found, pictures_of, strict=True), 1):
        face["crop"] = f"face-{number:03d}.webp"
        outputs.append(written(context, crop, face["crop"]))
    return Ready(tuple(outputs), facts, made_with, {"faces": found, "model": made_with["model"]})


def drawn(context: Context, eyes: Eyes, made_with: dict[str, Any]) -> Ready:
    """One face. Where the detector sees none, its small picture alone: an embedding of anything would mislead."""
    given = context.parameters
    box = Box(*(float(given[name]) for name in ("x", "y", "width", "height")))
    pixels = pixels_at(context, given.get("second"))
    context.check()
    face = eyes.face_in(pixels, box)
    name = "face.webp"
    learnt = {"drawn": given["face"], "model": made_with["model"], "crop": name, "embedding": None}
    if face is not None:
        learnt |= {key: columns(face)[key] for key in ("landmarks", "score", "quality", "embedding")}
    outputs = (written(context, crops.cut(pixels, box), name),)
    return Ready(outputs, {"faces": int(face is not None)}, made_with, learnt)


def pixels_at(context: Context, second: float | None) -> Pixels:
    """The picture, or the frame of this second of the film."""
    if context.subject.kind == "image":
        return pictures.upright(context, PICTURE_SIDE)
    film = film_of(context, FRAME_SIDE, FRAME_SIDE)
    shot = film.at([second or 0.0])[0] or film.near([second or 0.0])[0]
    if shot is None:
        raise DamagedFileError(
            "There is no picture at this second of the video. Draw the face in another frame.",
            code="no_frame",
        )
    pixels: Pixels = shot.pixels
    return pixels


def columns(face: Seen) -> dict[str, Any]:
    """What a row says of a face, whatever it was found in."""
    box = face.box
    return {
        "x": round(box.x, DIGITS),
        "y": round(box.y, DIGITS),
        "width": round(box.width, DIGITS),
        "height": round(box.height, DIGITS),
        "landmarks": [[round(x, DIGITS), round(y, DIGITS)] for x, y in face.landmarks],
        "score": face.score,
        "quality": face.quality,
        # A vague one pulls strangers together. The face stays to be seen, and users may say whose it is.
        "embedding": None if face.blurred else face.embedding,
    }


def written(context: Context, crop: Pixels, name: str) -> Output:
    path = context.scratch / name
    crops.write(crop, path)
    return Output(name, path, crops.CONTENT_TYPE)
