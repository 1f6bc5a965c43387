"""Where the files of models lie on this machine. The files are the truth of what is here; rows only tell of them."""

import time
from pathlib import Path
from typing import Final

from django.conf import settings

from ml.registry.specs import ModelFile, ModelSpec, Pipeline

VOICE_DETECTOR: Final = "vad"
"""The role of the file without which speech is transcribed too, only worse: an operator may switch it off."""
OFF: Final = "off"


def folder(pipeline: Pipeline) -> Path:
    """One for all workers of an installation, as the stores are."""
    own = settings.SPEECH_MODELS_PATH if pipeline == "speech" else ""
    return Path(own or settings.MODELS_PATH)


def path_of(spec: ModelSpec, file: ModelFile) -> Path:
    return folder(spec.pipeline) / file.name


def wanted_files(spec: ModelSpec) -> tuple[ModelFile, ...]:
    """Those that the pipeline uses with these settings."""
    without = VOICE_DETECTOR if settings.SPEECH_VAD_MODEL == OFF else None
    return tuple(file for file in spec.files if file.role != without)


def is_here(spec: ModelSpec, file: ModelFile) -> bool:
    """Whether a file of this name and a size that can be right lies there. Its digest was compared as it came."""
    try:
        size = path_of(spec, file).stat().st_size
    except OSError:
        return False
    return size == file.size if file.size is not None else size >= file.minimum_size


def came_lately(spec: ModelSpec, seconds: float) -> bool:
    """Whether one of its files got its name in the last so many seconds, however it came."""
    latest = max(path_of(spec, file).stat().st_ctime for file in wanted_files(spec))
    return time.time() - latest < seconds


def missing(spec: ModelSpec) -> tuple[ModelFile, ...]:
    """What has to be fetched before it can be used."""
    return tuple(file for file in wanted_files(spec) if not is_here(spec, file))
