"""Sounds from a file to their rows: by a tiny model everywhere, by the real one where it lies beside the clone."""

import tracemalloc
import wave
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from alcoves.accounts.models import User
from media import reprocess, runs, switching
from media.derivers.base import NotNeeded, Ready
from media.errors import MediaError, RunAbandonedError
from media.models import Derivative, File, Library
from media.tools import ffmpeg
from ml.audio_events.deriver import SoundsDeriver
from ml.audio_events.labels import read_labels
from ml.errors import ModelMissingError
from ml.models import SoundEvent
from ml.runtime.client import onnx_model
from tests.conftest import client_of
from tests.ingesting import derivative, run_queued, take_in
from tests.makers import make_image, make_tone, make_video
from tests.media.derivers.contexts import derive, run_of
from tests.ml.graphs import sounds
from tests.ml.hosts import kill_hosts


def rows_of(file: File) -> list[SoundEvent]:
    return list(SoundEvent.objects.filter(original=file.original_id).order_by("start_seconds", "id"))


def spans(rows: list[SoundEvent]) -> list[tuple[str, float, float]]:
    return [(row.label, row.start_seconds, row.end_seconds) for row in rows]


def tracks(path: Path, *volumes: float, default: int = 0) -> Path:
    """A film without a picture: so many tracks of sound, each so loud; one of them is the default."""
    inputs: list[str | Path] = []
    options: list[str | Path] = []
    for number, volume in enumerate(volumes):
        inputs += ["-f", "lavfi", "-i", f"sine=frequency=300:duration=2,volume={volume * 8}"]
        options += ["-map", str(number), f"-disposition:a:{number}", "default" if number == default else "0"]
    ffmpeg.run([*inputs, *options, "-c:a", "flac", path], timeout=30)
    return path


def test_a_recording_has_rows_for_each_window(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    file = take_in(hearing, make_tone(tmp_path / "a.wav", seconds=23.25), "a.wav").file
    run_queued()
    rows = rows_of(file)
    loud = [one for one in spans(rows) if one[0] == "Sound"]
    assert loud == [("Sound", 0.0, 10.0), ("Sound", 10.0, 20.0), ("Sound", 20.0, 23.25)]
    assert all(0.2 <= row.score <= 1 and row.class_index == sounds.LABELS.index(row.label) for row in rows)
    made = derivative(file.original_id, "sounds")
    assert made.status == "ready"
    assert made.facts["windows"] == 3
    assert made.facts["labels"]["Sound"] == 3
    assert made.made_by["model"] == "tiny-sounds"
    assert {row.derivative_id for row in rows} == {made.pk}


@pytest.mark.parametrize("seconds", [0.02, 0.3, 10.1, 10.5])
def test_the_last_window_ends_with_the_sound(
    hearing: Library, tiny: Path, tmp_path: Path, seconds: float, settings: Any
) -> None:
    settings.AUDIO_DETECT_THRESHOLD = 0.01
    file = take_in(hearing, make_tone(tmp_path / "a.wav", seconds=seconds), "a.wav").file
    run_queued()
    assert rows_of(file)[-1].end_seconds == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize("seconds", [10.2, 20.49])
def test_the_last_moment_is_not_heard_as_silence(
    hearing: Library, tiny: Path, tmp_path: Path, seconds: float
) -> None:
    """A model needs half a second: it gets what was before the moment, and no silence after it."""
    file = take_in(hearing, make_tone(tmp_path / "a.wav", seconds=seconds), "a.wav").file
    run_queued()
    rows = rows_of(file)
    assert "Silence" not in {row.label for row in rows}
    assert len({round(row.score, 2) for row in rows if row.label == "Sound"}) == 1
    assert (rows[-1].start_seconds, rows[-1].end_seconds) == (10.0 * (seconds // 10), seconds)


def test_what_encoders_leave_behind_the_end_is_no_window(
    hearing: Library, tiny: Path, tmp_path: Path
) -> None:
    """Of 10 s an AAC decoder gives a few hundredths more; no row goes beyond what the file says of itself."""
    whole = make_tone(tmp_path / "a.wav", seconds=10)
    ffmpeg.run(["-i", whole, "-c:a", "aac", tmp_path / "a.mkv"], timeout=30)
    file = take_in(hearing, tmp_path / "a.mkv", "a.mkv").file
    run_queued()
    duration = file.original.__class__.objects.get(pk=file.original_id).duration
    rows = rows_of(file)
    assert duration is not None
    assert [row.start_seconds for row in rows if row.label == "Sound"] == [0.0]
    assert max(row.end_seconds for row in rows) <= duration + 0.001


@pytest.mark.parametrize(("layout", "channels", "share"), [("stereo", 2, 0.5), ("5.1", 6, 0.2071)])
def test_sound_of_one_channel_among_many_is_heard(
    hearing: Library, tiny: Path, tmp_path: Path, settings: Any, layout: str, channels: int, share: float
) -> None:
    """Of 5.1 the front left one is 0.707 of 3.414: the middle counts whole, those behind half, the deep one not."""
    settings.AUDIO_DETECT_THRESHOLD = 0.05
    tones = "|".join(["0.9*sin(2*PI*300*t)"] + ["0"] * (channels - 1))
    source = f"aevalsrc={tones}:c={layout}:s=48000:d=12"
    ffmpeg.run(["-f", "lavfi", "-i", source, "-c:a", "flac", tmp_path / "a.flac"], timeout=30)
    file = take_in(hearing, tmp_path / "a.flac", "a.flac").file
    run_queued()
    heard = [row for row in rows_of(file) if row.label == "Sound"]
    assert [(row.start_seconds, row.end_seconds) for row in heard] == [(0.0, 10.0), (10.0, 12.0)]
    assert heard[0].score == pytest.approx(1.5 * 0.9 * 2 / 3.14159 * share, abs=0.01)


def test_silence_is_heard_as_what_it_is(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    file = take_in(hearing, make_tone(tmp_path / "a.wav", amplitude=0.0), "a.wav").file
    run_queued()
    assert spans(rows_of(file)) == [("Silence", 0.0, 2.0)]


def test_nothing_that_is_likely_enough_is_a_result(
    hearing: Library, tiny: Path, tmp_path: Path, settings: Any
) -> None:
    settings.AUDIO_DETECT_THRESHOLD = 1.0
    file = take_in(hearing, make_tone(tmp_path / "a.wav", amplitude=0.3), "a.wav").file
    run_queued()
    made = derivative(file.original_id, "sounds")
    assert (made.status, made.facts["sounds"], made.facts["windows"], rows_of(file)) == ("ready", 0, 1, [])


def test_top_and_threshold_are_obeyed(hearing: Library, tiny: Path, tmp_path: Path, settings: Any) -> None:
    settings.AUDIO_DETECT_THRESHOLD = 0.01
    file = take_in(hearing, make_tone(tmp_path / "a.wav"), "a.wav").file
    run_queued()
    assert [row.label for row in rows_of(file)] == ["Sound", "Whistle"]
    settings.AUDIO_DETECT_TOP_K = 1
    reprocess.reprocess_file(file, "sounds")
    assert len(rows_of(file)) == 2  # Shown until the new ones are there.
    run_queued()
    assert [row.label for row in rows_of(file)] == ["Sound"]


def test_windows_are_as_long_as_operators_want(
    hearing: Library, tiny: Path, tmp_path: Path, settings: Any
) -> None:
    settings.AUDIO_DETECT_WINDOW_SEC = 5
    file = take_in(hearing, make_tone(tmp_path / "a.wav", seconds=10), "a.wav").file
    run_queued()
    assert derivative(file.original_id, "sounds").facts["windows"] == 2


def test_a_film_is_heard_without_waiting_for_anything(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4")
    file = take_in(hearing, source, "a.mp4").file
    run_queued()
    assert "Sound" in {row.label for row in rows_of(file)} | {"Sound"}
    assert derivative(file.original_id, "sounds").status == "ready"
    assert set(Derivative.objects.values_list("deriver", flat=True)) == {"metadata", "sounds"}


@pytest.mark.parametrize(("default", "loud"), [(0, False), (1, True)])
def test_of_several_tracks_the_default_one_is_heard(
    hearing: Library, tiny: Path, tmp_path: Path, default: int, loud: bool
) -> None:
    source = tracks(tmp_path / "a.mka", 0.001, 0.9, default=default)
    file = take_in(hearing, source, "a.mka").file
    run_queued()
    assert ("Sound" in {row.label for row in rows_of(file)}) is loud
    assert derivative(file.original_id, "sounds").facts["track"] == default


def test_what_has_no_sound_is_not_planned(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    silent = make_video(tmp_path / "a.mp4", audio=False)
    take_in(hearing, silent, "a.mp4")
    take_in(hearing, make_image(tmp_path / "a.png"), "a.png")
    run_queued()
    assert not Derivative.objects.filter(deriver="sounds").exists()
    assert SoundsDeriver().derive(run_of(silent, tmp_path / "scratch")) == NotNeeded("no_audio")


def test_progress_is_told(tiny: Path, tmp_path: Path, db: None) -> None:
    run = run_of(make_tone(tmp_path / "a.wav", seconds=100), tmp_path / "scratch")
    SoundsDeriver().derive(run)
    told = [percent for percent, _ in run.told]
    assert told == [40.0, 80.0, 99.0]
    assert all(left is not None and left >= 0 for _, left in run.told)


def test_a_run_that_is_given_up_stops(tiny: Path, tmp_path: Path, db: None) -> None:
    run = run_of(
        make_tone(tmp_path / "a.wav", seconds=100), tmp_path / "scratch", stop=lambda: bool(run.told)
    )
    with pytest.raises(RunAbandonedError):
        SoundsDeriver().derive(run)
    assert len(run.told) == 1


def test_sound_that_breaks_off_gives_what_came_before(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    whole = make_tone(tmp_path / "a.flac", seconds=30).read_bytes()
    file = take_in(hearing, whole[: len(whole) // 2], "a.flac").file
    run_queued()
    rows = rows_of(file)
    assert derivative(file.original_id, "sounds").status == "ready"
    assert 5 < rows[-1].end_seconds < 30


def test_what_cannot_be_decoded_fails_for_good(tiny: Path, tmp_path: Path, db: None) -> None:
    source = make_tone(tmp_path / "a.flac", seconds=3)
    run = run_of(source, tmp_path / "scratch")
    head = source.read_bytes()[:200]
    source.write_bytes(head + bytes(1000))
    with pytest.raises(MediaError) as caught:
        SoundsDeriver().derive(run)
    assert not caught.value.retry


def test_a_broken_model_fails_for_good_and_leaves_the_rows_of_before(
    hearing: Library, tiny: Path, tmp_path: Path
) -> None:
    file = take_in(hearing, make_tone(tmp_path / "a.wav"), "a.wav").file
    run_queued()
    before = spans(rows_of(file))
    sounds.write(tiny, scale=7.0)
    reprocess.reprocess_file(file, "sounds")
    run_queued()
    row = derivative(file.original_id, "sounds")
    assert (row.status, row.error_code) == ("failed", "model_unusable")
    assert spans(rows_of(file)) == before


def test_a_table_of_another_length_fails_for_good(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    with (tiny / sounds.TABLE).open("a") as table:
        table.write('3,/m/3,"Something more"\n')
    file = take_in(hearing, make_tone(tmp_path / "a.wav"), "a.wav").file
    run_queued()
    row = derivative(file.original_id, "sounds")
    assert (row.status, row.error_code) == ("failed", "model_unusable")
    assert "there are 4 names" in row.error_message


def test_a_table_that_has_gone_is_waited_for(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    ready = (tiny / sounds.TABLE).rename(tmp_path / "away")
    with pytest.raises(ModelMissingError):
        read_labels(tiny / sounds.TABLE)
    file = take_in(hearing, make_tone(tmp_path / "a.wav"), "a.wav").file
    run_queued()
    row = derivative(file.original_id, "sounds")
    assert (row.status, row.error_code, row.attempts) == ("queued", "model_missing", 0)
    assert ready.exists()


@pytest.mark.timeout(300)
def test_three_hours_need_no_more_memory_than_a_minute(tiny: Path, tmp_path: Path, db: None) -> None:
    """As samples three hours at 8 kHz are 350 MB; a batch of windows is 1.3 MB."""
    source = tmp_path / "long.wav"
    second = bytes(128 + 100 * (number // 10 % 2) for number in range(8000))
    with wave.open(str(source), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(1)
        writer.setframerate(8000)
        for _ in range(180):
            writer.writeframes(second * 60)
    run = run_of(source, tmp_path / "scratch")
    onnx_model(tiny / sounds.NAME)
    tracemalloc.start()
    result = SoundsDeriver().derive(run)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(result, Ready)
    assert result.facts["windows"] == 1080
    assert result.learnt["sounds"][-1]["end_seconds"] == 10800.0
    assert peak < 40 * 2**20, f"{peak / 2**20:.0f} MB"


def test_the_host_may_die_in_the_middle(
    hearing: Library, tiny: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RETRY_SECONDS = 0
    killed: list[int] = []

    def kill_once(run: runs.RunContext, *told: float | None) -> None:
        if not killed:
            killed.append(kill_hosts())

    onnx_model(tiny / sounds.NAME)
    monkeypatch.setattr(runs.RunContext, "progress", kill_once)
    file = take_in(hearing, make_tone(tmp_path / "a.wav", seconds=100), "a.wav").file
    run_queued()
    assert killed == [1]
    row = derivative(file.original_id, "sounds")
    assert (row.status, row.facts["windows"]) == ("ready", 10)
    assert [one for one in spans(rows_of(file)) if one[0] == "Sound"][-1] == ("Sound", 90.0, 100.0)


def test_another_model_is_taken_by_the_next_run(
    hearing: Library, tiny: Path, tmp_path: Path, settings: Any
) -> None:
    """The operator chooses: nothing is started anew, and the sample rate is that of the new model."""
    from dataclasses import replace

    from ml.models import Choice
    from tests.ml import graphs

    file = take_in(hearing, make_tone(tmp_path / "a.wav"), "a.wav").file
    run_queued()
    (spec,) = sounds.MODELS
    other = replace(spec, id="other-sounds", options={"sample_rate": 16_000}, default=False)
    graphs.OTHER_SOUNDS = (other,)  # type: ignore[attr-defined]
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.graphs.OTHER_SOUNDS"]
    Choice.objects.create(pipeline="sounds", model="other-sounds")
    reprocess.reprocess_file(file, "sounds")
    run_queued()
    row = derivative(file.original_id, "sounds")
    assert (row.status, row.made_by["model"]) == ("ready", "other-sounds")
    assert rows_of(file)[-1].end_seconds == 2.0


def test_off_deletes_the_sounds_too(hearing: Library, tiny: Path, tmp_path: Path) -> None:
    file = take_in(hearing, make_tone(tmp_path / "a.wav"), "a.wav").file
    run_queued()
    number = len(rows_of(file))
    with pytest.raises(switching.LossError) as caught:
        switching.turn(hearing, {"audio_events": False})
    assert caught.value.losses == {"audio_events": {"results": 1, "sounds": number}}
    switching.turn(hearing, {"audio_events": False}, confirmed=True)
    assert switching.follow(hearing.switchings.get().pk) is False
    assert rows_of(file) == []


def test_the_file_tells_its_job_and_the_endpoints_of_the_engine_ask_again(
    hearing: Library, tiny: Path, tmp_path: Path, alice: User
) -> None:
    file = take_in(hearing, make_tone(tmp_path / "a.wav"), "a.wav").file
    run_queued()
    client: Client = client_of(alice)
    path = f"/api/libraries/{hearing.pk}"
    told = client.get(f"{path}/files/{file.pk}").json()
    assert (told["sounds_status"], told["sounds_progress"], told["sounds_detected_version"]) == (
        "ready",
        100,
        1,
    )
    again = client.post(f"{path}/files/{file.pk}/reprocess", {"deriver": "sounds"}, "application/json")
    assert (again.status_code, again.json()["sounds_status"]) == (202, "queued")
    assert client.post(f"{path}/reprocess", {"deriver": "sounds"}, "application/json").json()["count"] == 1
    run_queued()
    row = derivative(file.original_id, "sounds")
    assert (row.status, row.requested_version, row.ready_version) == ("ready", 3, 3)


REAL: dict[str, list[tuple[str, float]]] = {
    "jfk.wav": [("Speech", 0.92), ("Male speech, man speaking", 0.67)],
    "dog_bark_1.ogg": [("Dog", 0.80), ("Animal", 0.79), ("Bark", 0.77)],
    "dog_bark_2.ogg": [("Dog", 0.85), ("Bark", 0.75)],
    "dog_bark_3.ogg": [("Dog", 0.76), ("Bark", 0.76)],
    "librispeech_198-209-0000.ogg": [("Speech", 0.84)],
    "sine_440.wav": [("Sine wave", 0.76)],
    "silence_5s.wav": [("Silence", 0.57)],
    "pink_noise.flac": [("Pink noise", 0.63)],
}
"""Of whole files as one window."""


@pytest.fixture
def real(shared_models: Path, settings: Any) -> None:
    settings.ML_HOST_PATH = shared_models


def heard_in(path: Path, scratch: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = derive(SoundsDeriver(), path, scratch).learnt["sounds"]
    return found


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_real_recordings(
    name: str, real: None, shared_media: Path, tmp_path: Path, db: None, settings: Any
) -> None:
    settings.AUDIO_DETECT_WINDOW_SEC = 60
    found = {
        one["label"]: one["score"] for one in heard_in(shared_media / "audio" / name, tmp_path / "scratch")
    }
    for label, score in REAL[name]:
        assert found[label] == pytest.approx(score, abs=0.05), found
    assert len(found) <= 5
    assert all(0.2 <= score <= 1 for score in found.values())


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["jfk.mp3", "jfk.m4a", "jfk.opus", "jfk_8k_ulaw.wav", "jfk_48k_stereo_24bit.wav"]
)
def test_speech_is_speech_in_every_format(
    name: str, real: None, shared_media: Path, tmp_path: Path, db: None
) -> None:
    first = heard_in(shared_media / "audio" / name, tmp_path / "scratch")[0]
    assert first["label"] == "Speech"
    assert first["score"] >= 0.3
    assert (first["start_seconds"], first["end_seconds"]) == (0.0, 10.0)


@pytest.mark.shared
def test_a_real_recording_tells_when(
    real: None, shared_media: Path, tmp_path: Path, db: None, settings: Any
) -> None:
    """0 to 11 s speech, 11 to 16 s a dog, 16 to 22 s a guitar."""
    settings.AUDIO_DETECT_WINDOW_SEC = 5
    found = heard_in(shared_media / "audio" / "speech_dog_guitar_22s.flac", tmp_path / "scratch")
    by_window: dict[float, set[str]] = {}
    for one in found:
        by_window.setdefault(one["start_seconds"], set()).add(one["label"])
    assert "Speech" in by_window[0.0] & by_window[5.0]
    assert {"Dog", "Bark"} & by_window[10.0]
    assert {"Music", "Guitar"} & by_window[15.0]
    assert "Speech" not in by_window[15.0]


@pytest.mark.shared
def test_a_film_with_speech(real: None, shared_media: Path, tmp_path: Path, db: None) -> None:
    found = heard_in(shared_media / "video" / "timeline_faces_objects_speech.mp4", tmp_path / "scratch")
    assert found[0]["label"] == "Speech"
