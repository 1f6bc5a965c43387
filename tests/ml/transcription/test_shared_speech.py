"""Right answers on real media: the model knows one recording, in every format and in films, and hears no other."""

from pathlib import Path
from typing import Any

import pytest

from media.derivers.base import Ready
from media.errors import DamagedFileError, PermanentError
from media.models import Library
from media.tools import ffmpeg
from ml.registry.specs import ModelFile, ModelSpec
from ml.transcription import blocks
from ml.transcription.blocks import Measure
from ml.transcription.deriver import TranscriptDeriver
from ml.transcription.languages import LanguageError
from tests.ingesting import run_queued, take_in
from tests.media.derivers.contexts import derive, run_of
from tests.ml.transcription.conftest import row_of, transcript_of

pytestmark = [pytest.mark.shared, pytest.mark.django_db]

SAID = (
    (0.28, 2.22, "And so my fellow Americans,"),
    (3.24, 4.42, "ask not"),
    (5.36, 7.70, "what your country can do for you,"),
    (8.14, 10.50, "ask what you can do for your country."),
)
FORMATS = (
    *("jfk.wav", "jfk.mp3", "jfk.opus", "jfk.m4a", "jfk.ogg", "jfk.flac"),
    *("jfk_8k_ulaw.wav", "jfk_48k_stereo_24bit.wav", "jfk_cover.mp3"),
)


def hear(path: Path, scratch: Path) -> Ready:
    return derive(TranscriptDeriver(), path, scratch)


def check(result: Ready, *, slack: float, later: float = 0.0) -> None:
    """The four sentences at their times."""
    found = result.learnt["segments"]
    assert [one.text for one in found] == [text for _, _, text in SAID]
    for one, (start, end, _) in zip(found, SAID, strict=True):
        assert one.start == pytest.approx(start + later, abs=slack)
        assert one.end == pytest.approx(end + later, abs=slack)
        assert all(one.start <= word.start <= word.end <= one.end for word in one.words)
        assert " ".join(word.text for word in one.words) == one.text


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_words_out_of_every_format(
    name: str, shared_models: Path, shared_media: Path, tmp_path: Path
) -> None:
    """With the voice detection, at 8 kHz and at 48, mono and stereo, with a cover."""
    result = hear(shared_media / "audio" / name, tmp_path / "scratch")
    check(result, slack=0.2)
    assert (result.facts["language"], result.facts["words"], result.facts["dropped"]) == ("en", 22, {})


@pytest.mark.parametrize(
    "name", ["video/timeline_faces_objects_speech.mp4", "audio/speech_dog_guitar_22s.flac"]
)
def test_speech_beside_other_things(
    name: str, shared_models: Path, shared_media: Path, tmp_path: Path
) -> None:
    result = hear(shared_media / name, tmp_path / "scratch")
    check(result, slack=0.7)
    assert result.learnt["segments"][-1].end < 10.7


def test_half_of_a_recording_is_half_of_its_words(
    shared_models: Path, shared_media: Path, tmp_path: Path
) -> None:
    result = hear(shared_media / "audio" / "truncated.mp3", tmp_path / "scratch")
    assert [one.text for one in result.learnt["segments"]] == [text for _, _, text in SAID[:2]]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "silence_5s.wav",
            "pink_noise.flac",
            "sine_440.wav",
            "guitar.ogg",
            "dog_bark_1.ogg",
            "dog_bark_2.ogg",
        ),
        *("librispeech_198-209-0000.ogg", "librispeech_3436-172162-0000.ogg"),
    ],
)
def test_no_words_out_of_what_has_none(
    name: str, shared_models: Path, shared_media: Path, tmp_path: Path
) -> None:
    """Of other speech the model knows nothing. Ready all the same."""
    result = hear(shared_media / "audio" / name, tmp_path / "scratch")
    assert result.learnt["segments"] == []
    assert result.facts["segments"] == 0
    assert (tmp_path / "scratch" / "transcript.vtt").read_text() == "WEBVTT\n"


def spec(model: str, vad: str | None, languages: list[str]) -> tuple[ModelSpec, ...]:
    files = [ModelFile("model", model, model, minimum_size=1024)]
    if vad is not None:
        files.append(ModelFile("vad", vad, vad, minimum_size=1024))
    options = {"languages": languages}
    about = ("MIT", "whisper")
    return (ModelSpec("one", "speech", "One", tuple(files), *about, default=True, options=options),)


EMPTY = spec("for-tests-ggml-tiny.bin", "ggml-silero-v6.2.0.bin", ["en", "de"])
EMPTY_ENGLISH = spec("for-tests-ggml-tiny.en.bin", None, ["en"])
WITHOUT_VAD = spec("ggml-fixture-jfk-tiny.en.bin", None, ["en"])


@pytest.mark.parametrize("name", ["EMPTY", "EMPTY_ENGLISH"])
def test_models_without_weights_load_and_say_nothing(
    name: str, shared_models: Path, shared_media: Path, tmp_path: Path, settings: Any
) -> None:
    settings.MODEL_REGISTRIES = [f"{__name__}.{name}"]
    assert hear(shared_media / "audio" / "jfk.wav", tmp_path / "scratch").facts["segments"] == 0


def test_without_the_voice_detection(
    shared_models: Path, shared_media: Path, tmp_path: Path, settings: Any
) -> None:
    settings.MODEL_REGISTRIES = [f"{__name__}.WITHOUT_VAD"]
    check(hear(shared_media / "audio" / "jfk.mp3", tmp_path / "scratch"), slack=0.1)


def test_a_film_of_three_tracks(shared_models: Path, shared_media: Path, tmp_path: Path) -> None:
    """The default one is English. This model refuses the others with a sentence, unless somebody says otherwise."""
    run = run_of(shared_media / "video" / "multi_audio_subs_chapters.mkv", tmp_path / "scratch")
    result = TranscriptDeriver().derive(run)
    assert isinstance(result, Ready)
    assert (result.facts["title"], result.facts["segments"]) == ("Speech", 4)
    assert run.subject.probe is not None
    japanese = run.subject.probe["audio"][1]
    assert japanese["language"] == "jpn"
    run.variant = f"track-{japanese['index']}"
    with pytest.raises(LanguageError, match="knows only English, and this track is in Japanese"):
        TranscriptDeriver().derive(run)
    run.parameters = {"language": "en"}
    dog = TranscriptDeriver().derive(run)
    assert isinstance(dog, Ready)
    assert (dog.facts["title"], dog.facts["segments"]) == ("Dog", 0)


def test_sound_that_begins_late_keeps_its_times(
    shared_models: Path, shared_media: Path, tmp_path: Path
) -> None:
    film, late = shared_media / "video" / "no_audio_3s.mp4", tmp_path / "late.mkv"
    speech = shared_media / "audio" / "jfk.m4a"
    ffmpeg.run(["-i", film, "-itsoffset", "7.5", "-i", speech, "-c", "copy", late], timeout=30)
    check(hear(late, tmp_path / "scratch"), slack=0.3, later=7.5)


def test_a_long_recording_is_heard_in_blocks_and_loses_no_word(
    shared_models: Path, shared_media: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """Six times the same with pauses between, in blocks of twenty seconds that end in a pause."""
    sixfold = tmp_path / "six.flac"
    again = "apad=pad_dur=4,aloop=loop=5:size=240000"
    ffmpeg.run(["-i", shared_media / "audio" / "jfk.wav", "-af", again, sixfold], timeout=30)
    monkeypatch.setattr(blocks, "USUAL", Measure(longest=20.0, searched=10.0, margin=1.0))
    found = hear(sixfold, tmp_path / "scratch").learnt["segments"]
    assert [one.text for one in found] == [text for _ in range(6) for _, _, text in SAID]
    for number, one in enumerate(found):
        start, end, _ = SAID[number % 4]
        assert one.start == pytest.approx(15.0 * (number // 4) + start, abs=0.7)
        assert one.end == pytest.approx(15.0 * (number // 4) + end, abs=0.7)


def test_what_is_no_sound_any_more(shared_models: Path, shared_media: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.m4a"
    broken.write_bytes((shared_media / "audio" / "jfk.m4a").read_bytes())
    run = run_of(broken, tmp_path / "scratch")
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(DamagedFileError):
        TranscriptDeriver().derive(run)
    assert not issubclass(LanguageError, DamagedFileError)
    assert issubclass(LanguageError, PermanentError)


def test_from_the_upload_to_the_rows(
    shared_models: Path, shared_media: Path, spoken_library: Library
) -> None:
    file = take_in(spoken_library, shared_media / "audio" / "jfk.mp3", "jfk.mp3").file
    run_queued()
    row, written = row_of(file), transcript_of(file)
    assert (row.status, row.made_by["model"], row.facts["segments"]) == ("ready", "fixture-speech", 4)
    assert written.text == " ".join(text for _, _, text in SAID)
    segments = list(written.segments.all())
    assert [(one.position, len(one.words)) for one in segments] == [(0, 5), (1, 2), (2, 7), (3, 8)]
