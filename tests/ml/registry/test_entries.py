"""The table of models: whole, honest, and as the reference has it."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from media.errors import RequestError
from ml.errors import UnknownModelError
from ml.registry import licences, places, table
from ml.registry.entries import MODELS
from ml.registry.specs import PIPELINES, SMALLEST, ModelFile, ModelSpec, Pipeline

FILES = [(spec, file) for spec in MODELS for file in spec.files]
CONTRACTS = {
    "faces": {"scrfd+arcface": {"detector", "recogniser"}},
    "objects": {"yolo26": {"model"}},
    "sounds": {"audioset": {"model", "labels"}},
    "speech": {"whisper": {"model", "vad"}},
    "search": {"clip": {"visual", "textual", "vocabulary"}, "siglip": {"visual", "textual", "vocabulary"}},
}


def model(pipeline: Pipeline, name: str) -> ModelSpec:
    spec = table.find_model(pipeline, name)
    assert spec is not None, name
    return spec


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_each_pipeline_has_one_default_that_can_be_had(pipeline: Pipeline) -> None:
    defaults = [spec for spec in MODELS if spec.pipeline == pipeline and spec.default]
    assert len(defaults) == 1
    assert defaults[0].available
    assert table.default_of(pipeline) == defaults[0]


def test_ids_are_unique_in_their_pipeline() -> None:
    assert len({(spec.pipeline, spec.id) for spec in MODELS}) == len(MODELS)


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.id)
def test_a_row_is_whole(spec: ModelSpec) -> None:
    assert spec.licence in licences.BY_ID
    assert {file.role for file in spec.files} == CONTRACTS[spec.pipeline][spec.contract]
    assert spec.disk_bytes > 0
    assert spec.memory_bytes is None or spec.memory_bytes > spec.disk_bytes
    assert spec.accuracy
    assert spec.title
    known = sum(file.size or 0 for file in spec.files)
    assert known < 1.1 * spec.disk_bytes + 35_000_000


@pytest.mark.parametrize(("spec", "file"), FILES, ids=lambda one: getattr(one, "name", None))
def test_a_file_is_named_safely_and_checked(spec: ModelSpec, file: ModelFile) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name)
    assert not PurePosixPath(file.path).is_absolute()
    assert ".." not in PurePosixPath(file.path).parts
    assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    assert file.size is None or file.size >= file.minimum_size
    assert file.origin.startswith("https://") or not spec.available
    if file.role not in {"labels", "vad"}:
        assert file.minimum_size == SMALLEST == 1_000_000


def test_files_of_one_name_are_one_file() -> None:
    by_name: dict[str, ModelFile] = {}
    for _, file in FILES:
        assert by_name.setdefault(file.name, file) == file


def test_labels_are_small() -> None:
    assert {file.minimum_size for _, file in FILES if file.role == "labels"} == {1024}


def test_all_entries_of_the_reference_are_there() -> None:
    sounds = {spec.id: spec for spec in MODELS if spec.pipeline == "sounds"}
    assert list(sounds) == [
        *("efficientat_mn04", "efficientat_mn10", "efficientat_mn40"),
        *("ced_tiny", "ced_small", "ced_base", "pann_cnn14"),
    ]
    assert {name for name, spec in sounds.items() if spec.available} == {"efficientat_mn10", "pann_cnn14"}
    assert [spec.accuracy.split()[0] for spec in sounds.values()] == [
        *("0.432", "0.471", "0.487", "0.481", "0.496", "0.500", "0.431"),
    ]
    assert {spec.options["sample_rate"] for name, spec in sounds.items() if name.startswith("ced")} == {
        16_000
    }
    speech = [
        (spec.id, spec.disk_bytes // 1_000_000, (spec.memory_bytes or 0) // 1_000_000, spec.accuracy)
        for spec in MODELS
        if spec.pipeline == "speech"
    ]
    assert speech == [
        ("tiny", 75, 390, "7.5 % WER (clean)"),
        ("base", 142, 500, "5.0 % WER (clean)"),
        ("small", 466, 1000, "3.4 % WER (clean)"),
        ("medium", 1500, 2500, "3.0 % WER (clean)"),
        ("large-v3", 3100, 3900, "2.7 % WER (clean)"),
        ("large-v3-q5_0", 1080, 1300, "2.9 % WER (clean)"),
        ("large-v3-turbo-q5_0", 574, 900, "3.0 % WER (clean)"),
        ("large-v3-turbo-q4_0", 470, 800, "3.2 % WER (clean)"),
        ("distil-large-v3.5-q5", 600, 1000, "3.0 % WER (clean)"),
    ]
    assert [table.default_of(pipeline).id for pipeline in PIPELINES] == [
        *("buffalo_l", "yolo26x_fp16", "efficientat_mn10", "large-v3", "siglip2-base"),
    ]


def test_nothing_is_guessed() -> None:
    """Figures of the reference, or of the authors where the head of `entries` says so; else nobody has told them."""
    known = {(spec.pipeline, spec.id): spec for spec in MODELS}
    assert {spec.pipeline for spec in MODELS if spec.memory_bytes is not None} == {"speech"}
    assert {key: spec.accuracy for key, spec in known.items() if key[0] not in {"sounds", "speech"}} == {
        ("faces", "buffalo_l"): "95.40 % AP on WIDER FACE (easy), 97.25 % on IJB-C at 1e-4",
        ("objects", "yolo26x_fp16"): "56.9 mAP on COCO",
        ("objects", "yolox_x"): "51.1 mAP on COCO",
        ("search", "siglip2-base"): "78.2 % on ImageNet without training for it",
        ("search", "siglip2-base-int8"): "unknown",
        ("search", "clip-vit-b-32"): "63.3 % on ImageNet without training for it",
    }


def test_languages_are_those_the_models_know() -> None:
    assert {"en", "fr", "de", "es", "it", "pt", "nl", "ja", "zh", "ko", "ru"} <= set(
        model("speech", "tiny").options["languages"]
    )
    assert len(model("speech", "tiny").options["languages"]) == 99
    assert len(model("speech", "large-v3").options["languages"]) == 100
    assert model("speech", "distil-large-v3.5-q5").options["languages"] == ("en",)


def test_what_is_not_free_for_all_has_to_be_accepted() -> None:
    assert {spec.id for spec in MODELS if licences.BY_ID[spec.licence].must_accept} == {
        "buffalo_l",
        "yolo26x_fp16",
    }
    assert all(licence.terms.endswith(".") for licence in licences.LICENCES)


def test_what_cannot_be_had_is_refused_with_what_can() -> None:
    with pytest.raises(UnknownModelError, match="efficientat_mn10, pann_cnn14") as caught:
        table.available_model("sounds", "ced_base")
    assert isinstance(caught.value, RequestError)
    assert caught.value.http_status == 400
    with pytest.raises(UnknownModelError):
        table.available_model("sounds", "large-v3")


def test_a_later_registry_replaces_rows_and_defaults(settings: Any) -> None:
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.registries.SHARED"]
    assert table.default_of("faces").id == "fixture-faces"
    assert table.find_model("faces", "buffalo_l") is not None
    settings.MODEL_REGISTRIES = ["tests.ml.registries.SHARED"]
    assert table.find_model("faces", "buffalo_l") is None


PLAIN = ModelSpec("own", "faces", "Own", (), "MIT", "scrfd+arcface")
OWN: list[ModelSpec] = []
"""The registry of an operator, as a test fills it."""


@pytest.mark.parametrize(
    ("row", "trouble"),
    [
        (replace(PLAIN, licence="Mine"), "the licence 'Mine'"),
        (replace(PLAIN, pipeline="smells"), "the pipeline 'smells'"),  # type: ignore[arg-type]
        (replace(PLAIN, files=(ModelFile("detector", "../own.onnx", "own.onnx"),)), "no plain name"),
    ],
)
def test_a_row_of_an_operator_that_cannot_be_right_is_told(
    row: ModelSpec, trouble: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.ml.registry.test_entries.OWN", [row])
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.registry.test_entries.OWN"]
    with pytest.raises(ImproperlyConfigured, match=trouble):
        table.all_models()


def test_a_pipeline_without_a_default_is_told(settings: Any) -> None:
    settings.MODEL_REGISTRIES = ["tests.ml.registry.test_entries.OWN"]
    with pytest.raises(ImproperlyConfigured, match="default for faces"):
        table.default_of("faces")


def test_what_is_here_is_known_by_its_size(settings: Any, tmp_path: Any) -> None:
    settings.MODELS_PATH = tmp_path
    spec = model("speech", "tiny")
    assert len(places.missing(spec)) == 2
    path = places.path_of(spec, spec.file("model"))
    with path.open("wb") as file:
        file.truncate(spec.file("model").size)
    assert [file.role for file in places.missing(spec)] == ["vad"]
    with path.open("wb") as file:
        file.truncate(1_000_000)
    assert len(places.missing(spec)) == 2


def test_a_role_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        model("faces", "buffalo_l").file("labels")


def test_known_digests_are_those_of_the_shared_files(shared_models: Path) -> None:
    """Where the small models beside the clone are the real files, they must be those of the registry."""
    known = {file.name: file for _, file in FILES if file.sha256}
    for name in ("ggml-silero-v6.2.0.bin", "clip_bpe_simple_vocab_16e6.txt.gz"):
        content = (shared_models / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == known[name].sha256
        assert len(content) == known[name].size
