"""A mirror, a folder and bytes that look like a model."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ml.downloads.fetching import Wanted
from tests.ml.downloads.mirror import Mirror, running_mirror


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as running:
        yield running


@pytest.fixture
def content() -> bytes:
    """More than a megabyte that begins as ONNX does (a protobuf varint, ir_version)."""
    return b"\x08\x08" + random.Random(5).randbytes(1_500_000)


@pytest.fixture
def wanted(tmp_path: Path) -> Callable[..., Wanted]:
    def make(url: str, **others: Any) -> Wanted:
        return Wanted(url, tmp_path / "models" / "model.onnx", **{"limit": 50_000_000, **others})

    return make
