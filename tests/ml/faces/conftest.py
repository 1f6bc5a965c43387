"""Tiny models of faces, and libraries in which faces are looked for."""

from pathlib import Path
from typing import Any

import pytest

from media.models import Library
from tests.ml.graphs import faces as graphs


@pytest.fixture(scope="session")
def graph_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.write(tmp_path_factory.mktemp("graphs") / "models")


@pytest.fixture
def tiny_models(settings: Any, graph_files: Path) -> Path:
    """The tiny graphs as if they had been fetched, and the default of the pipeline."""
    settings.MODELS_PATH = graph_files
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.graphs.faces.MODELS"]
    return graph_files


@pytest.fixture
def faced(library: Library) -> Library:
    """A library that has faces switched on."""
    library.faces = True
    library.save()
    return library
