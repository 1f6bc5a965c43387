"""A library in which objects are found, by the tiny model unless a test takes the real one."""

from pathlib import Path
from typing import Any

import pytest

from media.models import Library
from tests.ml.graphs import objects
from tests.ml.hosts import use

DERIVERS = {
    "metadata": "media.derivers.metadata.MetadataDeriver",
    "objects": "ml.objects.deriver.ObjectsDeriver",
}


@pytest.fixture
def seeing(library: Library, settings: Any) -> Library:
    """With the switch on, and nothing else that would be made."""
    settings.DERIVERS = DERIVERS
    library.objects_on = True
    library.save()
    return library


@pytest.fixture
def tiny(settings: Any, tmp_path: Path) -> Path:
    folder = objects.write(tmp_path / "models")
    use(settings, folder, "tests.ml.graphs.objects.MODELS")
    return folder
