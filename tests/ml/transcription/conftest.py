"""A model that says the same to every sound, a library that wants transcripts, and a recording in it."""

from pathlib import Path
from typing import Any

import pytest

from media.models import Derivative, File, Library
from ml.models import Transcript
from tests.ingesting import run_queued, take_in
from tests.makers import make_tone
from tests.ml.graphs import speech


@pytest.fixture
def says_hello(settings: Any, tmp_path: Path) -> Path:
    """The default model of speech: real bytes for the real whisper.cpp, also in a plain clone."""
    settings.MODELS_PATH = tmp_path / "models"
    settings.MODELS_PATH.mkdir()
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.graphs.speech.SAYS_HELLO"]
    return speech.make_whisper(settings.MODELS_PATH / speech.NAME)


@pytest.fixture
def spoken_library(library: Library) -> Library:
    library.transcripts = True
    library.save(update_fields=["transcripts"])
    return library


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Forty seconds: two windows of whisper."""
    return make_tone(tmp_path / "tone.wav", seconds=40.0, amplitude=0.3)


@pytest.fixture
def recording(says_hello: Path, spoken_library: Library, tone: Path) -> File:
    """Taken in, and everything made of it."""
    file = take_in(spoken_library, tone, "tone.wav").file
    run_queued()
    return file


def row_of(file: File, variant: str = "") -> Derivative:
    found: Derivative = Derivative.objects.get(
        original=file.original_id, deriver="transcript", variant=variant
    )
    return found


def transcript_of(file: File, variant: str = "") -> Transcript:
    found: Transcript = Transcript.objects.get(derivative=row_of(file, variant))
    return found
