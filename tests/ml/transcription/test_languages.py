"""Who says which language a track is in."""

from collections.abc import Sequence
from typing import Any

import pytest

from media.models import Library
from ml.models import Choice, LibraryLanguage
from ml.registry.specs import ModelSpec
from ml.transcription import languages, tongues
from ml.transcription.languages import LanguageError, Spoken, UnknownLanguageError

pytestmark = pytest.mark.django_db
GERMAN = {"index": 1, "language": "ger"}
UNTOLD = {"index": 1, "language": None}


def model(known: Sequence[str] | None = None) -> ModelSpec:
    options: dict[str, Any] = {} if known is None else {"languages": tuple(known)}
    return ModelSpec("x", "speech", "Model X", (), "MIT", "whisper", options=options)


def test_codes_of_files_and_people_are_understood() -> None:
    assert len(tongues.NAMES) == 100
    spelled = ("en", "ENG", " en-GB", "pt_BR", "fre", "fra", "deu", "ger", "zho", "cmn", "nb", "iw", "fil")
    assert [tongues.understood(one) for one in spelled] == [
        *("en", "en", "en", "pt", "fr", "fr", "de", "de", "zh", "zh", "no", "he", "tl"),
    ]
    assert [tongues.understood(one) for one in ("und", "mul", "zxx", "auto", "", None, "klingon")] == [
        None
    ] * 7


def test_the_nearest_word_goes_first(library: Library) -> None:
    LibraryLanguage.objects.create(library=library, language="fr")
    Choice.objects.create(pipeline="speech", model="x", language="it")
    asked = {"language": "ja"}
    assert languages.of_track(library.pk, GERMAN, asked, model()) == Spoken("ja", "file")
    assert languages.of_track(library.pk, GERMAN, {}, model()) == Spoken("de", "track")
    assert languages.of_track(library.pk, UNTOLD, {}, model()) == Spoken("fr", "library")
    assert languages.of_track(library.pk, {"language": "qaa"}, {}, model()) == Spoken("fr", "library")
    LibraryLanguage.objects.all().delete()
    assert languages.of_track(library.pk, UNTOLD, {}, model()) == Spoken("it", "instance")
    Choice.objects.all().delete()
    assert languages.of_track(library.pk, UNTOLD, {}, model()) == Spoken("auto", "auto")


def test_a_model_that_knows_one_language_refuses_others_with_a_sentence(library: Library) -> None:
    english = model(["en"])
    assert languages.of_track(library.pk, UNTOLD, {}, english) == Spoken("en", "model")
    assert languages.of_track(library.pk, {"language": "eng"}, {}, english) == Spoken("en", "track")
    with pytest.raises(LanguageError) as refused:
        languages.of_track(library.pk, GERMAN, {}, english)
    assert refused.value.message == (
        "The model Model X knows only English, and this track is in German. "
        "Choose another model, or another language for the file."
    )


def test_a_model_of_many_languages_may_lack_one(library: Library) -> None:
    many = model(sorted(set(tongues.NAMES) - {"yue"}))
    assert languages.of_track(library.pk, UNTOLD, {}, many) == Spoken("auto", "auto")
    with pytest.raises(LanguageError, match="does not know Cantonese, in which this track is"):
        languages.of_track(library.pk, {"language": "yue"}, {}, many)


def test_a_language_that_nobody_knows() -> None:
    assert languages.known("de-AT") == "de"
    with pytest.raises(UnknownLanguageError, match="'klingon'"):
        languages.known("klingon")
