"""The small models beside the clone as rows of a registry: same contracts as the real ones, right answers known."""

from typing import Final

from ml.registry.specs import ModelFile, ModelSpec


def file(role: str, name: str, minimum_size: int = 1024) -> ModelFile:
    return ModelFile(role, name, name, minimum_size=minimum_size)


SHARED: Final[tuple[ModelSpec, ...]] = (
    ModelSpec(
        "fixture-faces",
        "faces",
        "YuNet and a map fitted on the shipped faces",
        (
            file("detector", "yunet_n_scrfd_contract.onnx"),
            file("recogniser", "face_embedding_fixture_512.onnx"),
        ),
        licence="Apache-2.0",
        contract="scrfd+arcface",
        default=True,
    ),
    ModelSpec(
        "fixture-objects",
        "objects",
        "YOLOX-Nano in the YOLO26 contract",
        (file("model", "yolox_nano_yolo26_contract.onnx"),),
        licence="Apache-2.0",
        contract="yolo26",
        default=True,
    ),
    ModelSpec(
        "fixture-sounds",
        "sounds",
        "EfficientAT mn04",
        (
            file("model", "efficientat_mn04_as_waveform.onnx"),
            file("labels", "audioset_class_labels_indices.csv"),
        ),
        licence="MIT",
        contract="audioset",
        default=True,
        options={"sample_rate": 32_000},
    ),
    ModelSpec(
        "fixture-speech",
        "speech",
        "A whisper that knows one recording",
        (file("model", "ggml-fixture-jfk-tiny.en.bin"), file("vad", "ggml-silero-v6.2.0.bin")),
        licence="MIT",
        contract="whisper",
        default=True,
        options={"languages": ["en"]},
    ),
    ModelSpec(
        "fixture-search",
        "search",
        "A CLIP that knows the words of COCO",
        (
            file("visual", "clip_fixture_visual.onnx"),
            file("textual", "clip_fixture_textual.onnx"),
            file("vocabulary", "clip_bpe_simple_vocab_16e6.txt.gz"),
        ),
        licence="Apache-2.0",
        contract="clip",
        default=True,
        options={"dimensions": 512, "side": 224},
    ),
)
