"""Which language a track is in, by who has said it: asked for this file, written on the track, of the library, of the
instance. Where nobody has, the model finds out by itself.

A model that guesses is often wrong on short clips, so everything that somebody has said goes first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from media.errors import PermanentError, RequestError
from ml import selection
from ml.models import LibraryLanguage
from ml.registry.specs import ModelSpec
from ml.transcription import tongues

AUTO: Final = selection.AUTO


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
    if code := tongues.understood(selection.language()):
        return Spoken(code, "instance")
    return Spoken(AUTO, AUTO)


def of_library(library: UUID | None) -> str | None:
    """As its members say."""
    found: str | None = (
        LibraryLanguage.objects.filter(library=library).values_list("language", flat=True).first()
    )
    return found


def sentence(spec: ModelSpec, spoken: Spoken, only: Sequence[str]) -> str:
    """What happened, and what to do."""
    said = tongues.NAMES.get(spoken.language, spoken.language)
    if len(only) > MANY:
        told = f"The model {spec.title} does not know {said}, in which this track is"
    else:
        known_ones = " and ".join(tongues.NAMES.get(code, code) for code in only)
        told = f"The model {spec.title} knows only {known_ones}, and this track is in {said}"
    return f"{told}. Choose another model, or another language for the file."


MANY: Final = 5
