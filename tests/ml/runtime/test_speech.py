"""Speech by real whisper.cpp in a real host: the one recording that the fixture knows, and a model that says hello."""

import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from media.errors import RunAbandonedError
from ml.errors import HostLostError, ModelError, ModelMissingError
from ml.runtime import calls
from ml.runtime.client import onnx_model
from ml.runtime.speech import LONGEST, RATE, Speech, transcribe
from tests.ml.graphs import plain
from tests.ml.graphs.speech import ENGLISH, make_whisper
from tests.ml.runtime import hosts
from tests.workers import wait_until

pytestmark = pytest.mark.usefixtures("own_host")

SAID = [
    (0.28, 2.22, "And so my fellow Americans,"),
    (3.24, 4.42, "ask not"),
    (5.36, 7.70, "what your country can do for you,"),
    (8.14, 10.50, "ask what you can do for your country."),
]
"""MANIFEST.md."""
VAD = "ggml-silero-v6.2.0.bin"
JFK = "ggml-fixture-jfk-tiny.en.bin"


def read_wav(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path)) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (RATE, 1)
        data = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
    return (data / 32768).astype(np.float32)


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(5).uniform(-0.05, 0.05, round(seconds * RATE)).astype(np.float32)


def texts(heard: Speech) -> list[str]:
    return [segment.text for segment in heard.segments]


@pytest.fixture
def jfk(shared_media: Path) -> NDArray[np.float32]:
    return read_wav(shared_media / "audio" / "jfk.wav")


@pytest.mark.shared
def test_what_is_said_and_when(shared_models: Path, jfk: NDArray[np.float32]) -> None:
    told: list[float] = []
    heard = transcribe(shared_models / JFK, jfk, progress=told.append)
    assert texts(heard) == [text for _, _, text in SAID]
    for segment, (start, end, _) in zip(heard.segments, SAID, strict=True):
        assert (segment.start, segment.end) == pytest.approx((start, end), abs=0.05)
    assert heard.language == "en"
    assert told == sorted(set(told))
    assert told[-1] == 100


@pytest.mark.shared
@pytest.mark.parametrize("vad", [False, True])
def test_words_have_their_times_and_make_the_text(
    shared_models: Path, jfk: NDArray[np.float32], vad: bool
) -> None:
    heard = transcribe(shared_models / JFK, jfk, vad=shared_models / VAD if vad else None)
    for segment in heard.segments:
        assert " ".join(word.text for word in segment.words) == segment.text
        assert all(0 <= word.probability <= 1 and word.start <= word.end for word in segment.words)
        starts = [word.start for word in segment.words]
        assert starts == sorted(starts)
        assert segment.start - 0.05 <= starts[0]
        assert segment.words[-1].end <= segment.end + 0.05


@pytest.mark.shared
def test_with_the_detection_of_voices_times_are_those_of_the_whole_sound(
    shared_models: Path, jfk: NDArray[np.float32]
) -> None:
    late = np.concatenate([np.zeros(20 * RATE, np.float32), jfk, np.zeros(15 * RATE, np.float32)])
    heard = transcribe(shared_models / JFK, late, vad=shared_models / VAD)
    assert texts(heard) == [text for _, _, text in SAID]
    for segment, (start, end, _) in zip(heard.segments, SAID, strict=True):
        assert segment.start == pytest.approx(20 + start, abs=0.7)
        assert segment.end == pytest.approx(20 + end, abs=0.9)
        assert segment.words[0].start == pytest.approx(segment.start, abs=0.5)


@pytest.mark.shared
def test_where_nobody_speaks_the_model_is_not_even_loaded(shared_models: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(b"no model")
    heard = transcribe(broken, np.zeros(5 * RATE, np.float32), vad=shared_models / VAD)
    assert heard == Speech("", None, ())


@pytest.mark.shared
def test_silence_and_noise_give_no_words(shared_models: Path) -> None:
    for samples in (np.zeros(5 * RATE, np.float32), noise(5), np.zeros(0, np.float32), noise(0.01)):
        assert transcribe(shared_models / JFK, samples).segments == ()


@pytest.mark.shared
@pytest.mark.parametrize("name", [JFK, VAD])
def test_a_shared_model_that_is_cut_off_fails_for_good(
    shared_models: Path, tmp_path: Path, name: str
) -> None:
    content = (shared_models / name).read_bytes()
    # The last of nine tenths is one tensor, and whisper.cpp does not count its bytes: the digest of a download does.
    for share in (0.1, 0.5):
        (tmp_path / name).write_bytes(content[: round(len(content) * share)])
        model, vad = (tmp_path / name, None) if name == JFK else (shared_models / JFK, tmp_path / name)
        with pytest.raises(ModelError):
            transcribe(model, noise(2), vad=vad)


def test_guesses_that_are_probably_no_speech_are_dropped(tmp_path: Path) -> None:
    """Both together, by the thresholds of whisper.cpp; one alone is not enough. What is heard is noise each time."""

    def count(**how: Any) -> int:
        model = make_whisper(tmp_path / f"{len(how)}{'doubts' in how}.bin", vocabulary=ENGLISH, **how)
        return len(transcribe(model, noise(3), language="en").segments)

    assert count(doubts=True, guesses=40) == 0
    assert count(doubts=True) == 1
    assert count(guesses=40) > 0


def test_a_model_of_many_languages_says_which_it_heard_and_how_sure_it_is(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "many.bin")
    found = transcribe(path, noise(3))
    assert found.language == "en"
    assert found.probability == pytest.approx(1, abs=0.05)
    told = transcribe(path, noise(3), language="de")
    assert (told.language, told.probability) == ("de", None)
    assert texts(told) == texts(found) == ["Hello small world."]
    assert [word.text for word in told.segments[0].words] == ["Hello", "small", "world."]


def test_a_model_of_one_language_is_never_asked_for_another(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "english.bin", vocabulary=ENGLISH)
    assert transcribe(path, noise(3), language="de").language == "en"
    assert transcribe(path, noise(3)).language == "en"


def test_a_language_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        transcribe(make_whisper(tmp_path / "a.bin"), noise(1), language="xx")
    assert "xx" in caught.value.detail


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"lmgg" + bytes(44), b"version https://git-lfs\n" * 9],
    ids=["empty", "html", "zeros", "pointer"],
)
def test_what_is_no_model_fails_for_good_and_ends_nobody(tmp_path: Path, content: bytes) -> None:
    good = make_whisper(tmp_path / "good.bin")
    assert texts(transcribe(good, noise(1)))
    number = hosts.pid()
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(ModelError):
        transcribe(tmp_path / "a.bin", noise(1))
    with pytest.raises(ModelError):
        transcribe(good, noise(1), vad=tmp_path / "a.bin")
    assert hosts.pid() == number


def test_models_that_are_not_there(tmp_path: Path) -> None:
    good = make_whisper(tmp_path / "good.bin")
    with pytest.raises(ModelMissingError):
        transcribe(tmp_path / "none.bin", noise(1))
    with pytest.raises(ModelMissingError):
        transcribe(good, noise(1), vad=tmp_path / "none.bin")


def test_an_abandoned_transcription_stops_and_leaves_the_lane_free(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "a.bin")
    began: list[float] = []
    with pytest.raises(RunAbandonedError):
        transcribe(
            path, np.zeros(400 * RATE, np.float32), progress=began.append, abandoned=lambda: len(began) > 1
        )
    assert began[-1] < 50
    quick = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    running = hosts.in_background(lambda: quick.run({"x": np.ones((1, 3), np.float32)}))
    assert running.result(60)["y"][0, 0] == 2
    assert texts(transcribe(path, noise(1)))


def test_a_long_transcription_gives_way_to_others(tmp_path: Path) -> None:
    """There is one lane, and it is not blocked for as long as somebody speaks."""
    path = make_whisper(tmp_path / "a.bin")
    quick = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    told: list[float] = []
    stop: list[bool] = []
    long = hosts.in_background(
        lambda: transcribe(
            path, np.zeros(400 * RATE, np.float32), progress=told.append, abandoned=lambda: bool(stop)
        )
    )
    wait_until(lambda: told or long.done(), 120, "some of it has been heard")
    running = hosts.in_background(lambda: quick.run({"x": np.ones((1, 3), np.float32)}))
    assert running.result(60)["y"][0, 0] == 2
    assert not long.done()
    stop.append(True)
    with pytest.raises(RunAbandonedError):
        long.result(60)


def test_a_query_does_not_wait_for_who_speaks(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "a.bin")
    encoder = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    row = {"x": np.ones((1, 3), np.float32)}
    encoder.run(row, urgent=True)
    told: list[float] = []
    stop: list[bool] = []
    long = hosts.in_background(
        lambda: transcribe(
            path, np.zeros(400 * RATE, np.float32), progress=told.append, abandoned=lambda: bool(stop)
        )
    )
    took = []
    wait_until(lambda: told or long.done(), 120, "some of it has been heard")
    for _ in range(10):
        began = time.monotonic()
        encoder.run(row, urgent=True)
        took.append(time.monotonic() - began)
    assert not long.done()
    stop.append(True)
    with pytest.raises(RunAbandonedError):
        long.result(60)
    print("milliseconds:", [round(1000 * one) for one in took])
    assert sorted(took)[5] < 0.3


def test_a_host_that_is_killed_while_it_listens_is_told_and_started_anew(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "a.bin")
    told: list[float] = []

    def kill(percent: float) -> None:
        if not told:
            hosts.kill(hosts.pid())
        told.append(percent)

    with pytest.raises(HostLostError):
        transcribe(path, np.zeros(120 * RATE, np.float32), progress=kill)
    assert texts(transcribe(path, noise(1)))


def test_the_model_stays_warm_between_two_jobs(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "a.bin")
    transcribe(path, noise(1))
    held = hosts.resident(hosts.pid())
    path.with_name("b.bin").write_bytes(path.read_bytes())
    transcribe(path, noise(1))
    assert hosts.resident(hosts.pid()) < held + 30_000_000


def test_more_than_an_hour_at_once_is_refused_here(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "a.bin")
    with pytest.raises(ValueError, match="3600"):
        transcribe(path, np.broadcast_to(np.float32(0), (LONGEST * RATE + 1,)))
    assert hosts.find_pid() is None
    assert not calls.connections.idle
