"""A library in which sounds are heard, by the tiny model unless a test takes the real one."""

from pathlib import Path
from typing import Any

import pytest

from media.models import Library
from tests.ml.graphs import sounds
from tests.ml.hosts import use

DERIVERS = {
    "metadata": "media.derivers.metadata.MetadataDeriver",
    "sounds": "ml.audio_events.deriver.SoundsDeriver",
}


@pytest.fixture
def hearing(library: Library, settings: Any) -> Library:
    """With the switch on, and nothing else that would be made: no transcript that might have to come first."""
    settings.DERIVERS = DERIVERS
    library.audio_events = True
    library.save()
    return library


@pytest.fixture
def tiny(settings: Any, tmp_path: Path) -> Path:
    folder = sounds.write(tmp_path / "models")
    use(settings, folder, "tests.ml.graphs.sounds.MODELS")
    return folder
