"""A registry of small files that no model host has to load: for downloads, choices and licences."""

import hashlib
import random
from typing import Final

from ml.registry.specs import ModelFile, ModelSpec

CONTENT: Final = b"\x08\x08" + random.Random(5).randbytes(1_500_000)
DIGEST: Final = hashlib.sha256(CONTENT).hexdigest()
LABELS: Final = b"index,mid,display_name\n" + b"0,/m/09x0r,Speech\n" * 80


def one(role: str, name: str, *, known: bool = True, minimum_size: int = 1_000_000) -> ModelFile:
    digest = DIGEST if known else None
    return ModelFile(role, name, f"mirrored/{name}", sha256=digest, minimum_size=minimum_size)


MODELS: Final = (
    ModelSpec(
        "small",
        "faces",
        "Small faces",
        (one("detector", "detector.onnx"), one("recogniser", "recogniser.onnx", known=False)),
        licence="InsightFace-NC",
        contract="scrfd+arcface",
        accuracy="good",
        disk_bytes=3_000_000,
        memory_bytes=9_000_000,
        default=True,
    ),
    ModelSpec(
        "open",
        "faces",
        "Open faces",
        (one("detector", "detector.onnx"), one("recogniser", "open.onnx")),
        licence="Apache-2.0",
        contract="scrfd+arcface",
    ),
    ModelSpec(
        "small",
        "objects",
        "Small objects",
        (one("model", "objects.onnx"),),
        "AGPL-3.0",
        "yolo26",
        default=True,
    ),
    ModelSpec(
        "planned",
        "objects",
        "Planned objects",
        (one("model", "planned.onnx"),),
        "Apache-2.0",
        "yolo26",
        available=False,
    ),
    ModelSpec(
        "small",
        "sounds",
        "Small sounds",
        (
            one("model", "sounds.onnx"),
            ModelFile("labels", "labels.csv", "labels.csv", minimum_size=1024),
        ),
        "MIT",
        "audioset",
        default=True,
    ),
    ModelSpec(
        "small",
        "speech",
        "Small speech",
        (one("model", "ggml-small.bin"), one("vad", "vad.bin")),
        "MIT",
        "whisper",
        default=True,
        options={"languages": ("en", "de", "fr")},
    ),
    ModelSpec(
        "english",
        "speech",
        "English speech",
        (one("model", "ggml-english.bin"), one("vad", "vad.bin")),
        "MIT",
        "whisper",
        options={"languages": ("en",)},
    ),
    ModelSpec(
        "small", "search", "Small search", (one("visual", "visual.onnx"),), "MIT", "clip", default=True
    ),
)
