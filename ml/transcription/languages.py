"""Which language a track is in, by who has said it: asked for this file, written on the track, of the library, of the
instance. Where nobody has, the model finds out by itself.

A model that guesses is often wrong on short clips, so everything that somebody has said goes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from media.errors import PermanentError, RequestError
from ml.models import Choice, LibraryLanguage
from ml.registry.specs import ModelSpec
from ml.transcription import tongues

AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class Spoken:
    """`language` is a code of whisper, or `auto`; `source` who has said it."""

    language: str
    source: str
    """`file`, `track`, `library`, `instance`, `model` (it knows only this one), or `auto`."""

    @property
    def is_found(self) -> bool:
        """Whether the model is to find out."""
        return self.language == AUTO


class UnknownLanguageError(RequestError):
    """A language that no model of speech knows."""

    code = "language_unknown"


class LanguageError(PermanentError):
    """The chosen model does not know the language of the track."""

    code = "language_not_spoken"


def known(spelled: str) -> str:
    """The code for what a person has asked for. UnknownLanguageError says how to spell it."""
    code = tongues.understood(spelled)
    if code is None:
        raise UnknownLanguageError(
            f"No model knows a language {spelled!r}. Give its code of two letters, as in: en, de, fr, ja."
        )
    return code


def of_track(
    library: UUID | None, track: Mapping[str, Any], parameters: Mapping[str, Any], spec: ModelSpec
) -> Spoken:
    """Two queries at most. LanguageError where the model does not know what was said."""
    spoken = first_said(library, track, parameters)
    only = spec.options.get("languages")
    if not only:
        return spoken
    if spoken.is_found:
        return Spoken(only[0], "model") if len(only) == 1 else spoken
    if spoken.language not in only:
        raise LanguageError(sentence(spec, spoken, only))
    return spoken


def first_said(library: UUID | None, track: Mapping[str, Any], parameters: Mapping[str, Any]) -> Spoken:
    if code := tongues.understood(parameters.get("language")):
        return Spoken(code, "file")
    if code := tongues.understood(track.get("language")):
        return Spoken(code, "track")
    if code := tongues.understood(of_library(library)):
        return Spoken(code, "library")
    if code := tongues.understood(of_instance()):
        return Spoken(code, "instance")
    return Spoken(AUTO, AUTO)


def of_library(library: UUID | None) -> str | None:
    found: str | None = (
        LibraryLanguage.objects.filter(library=library).values_list("language", flat=True).first()
    )
    return found


def of_instance() -> str | None:
    """What the operator has chosen with the model."""
    found: str | None = Choice.objects.filter(pipeline="speech").values_list("language", flat=True).first()
    return found


def sentence(spec: ModelSpec, spoken: Spoken, only: list[str]) -> str:
    """What happened, and what to do."""
    known_ones = " and ".join(tongues.NAMES.get(code, code) for code in only[:5])
    said = tongues.NAMES.get(spoken.language, spoken.language)
    return (
        f"The model {spec.title} knows only {known_ones}, and this track is in {said}. "
        "Choose another model, or another language for the file."
    )
