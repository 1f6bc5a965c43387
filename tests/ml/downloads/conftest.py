"""A mirror, a folder and bytes that look like a model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ml.downloads.fetching import Wanted
from tests.ml.downloads.mirror import Mirror, running_mirror, whole
from tests.ml.downloads.registries import CONTENT, LABELS, MODELS


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as running:
        yield running


@pytest.fixture
def content() -> bytes:
    """More than a megabyte that begins as ONNX does (a protobuf varint, ir_version)."""
    return CONTENT


@pytest.fixture
def wanted(tmp_path: Path) -> Callable[..., Wanted]:
    def make(url: str, **others: Any) -> Wanted:
        return Wanted(url, tmp_path / "models" / "model.onnx", **{"limit": 50_000_000, **others})

    return make


@pytest.fixture
def installation(settings: Any, tmp_path: Path, mirror: Mirror) -> Mirror:
    """The registry of small files, a mirror that has all of them, and an empty folder of models."""
    settings.MODEL_REGISTRIES = ["tests.ml.downloads.registries.MODELS"]
    settings.MODELS_PATH = tmp_path / "models"
    settings.STORE_RESERVE_BYTES = 0
    settings.MODEL_BASE_URL = mirror.url
    settings.DERIVERS = {"faces": "tests.ml.downloads.derivers.FacesDeriver"}
    fill(mirror)
    return mirror


def fill(mirror: Mirror) -> None:
    for spec in MODELS:
        for file in spec.files:
            if spec.available:
                mirror.answer(f"/{file.path}", whole(LABELS if file.role == "labels" else CONTENT))
