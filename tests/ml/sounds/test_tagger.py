"""The contract of the models of sounds: what is fed, what is read, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.audio_events.labels import read_labels
from ml.audio_events.tagger import Tagger, best
from ml.errors import ModelError
from ml.runtime.client import onnx_model
from tests.ml.graphs import objects, sounds
from tests.ml.graphs.sounds import LABELS, RATE

pytestmark = pytest.mark.django_db


def tagger(folder: Path, *, labels: tuple[str, ...] = LABELS, **options: Any) -> Tagger:
    return Tagger(onnx_model(sounds.write(folder, **options) / sounds.NAME), labels, RATE)


def tone(seconds: float, hertz: float = 100, amplitude: float = 1.0) -> NDArray[np.float32]:
    times = np.arange(round(seconds * RATE), dtype=np.float32) / RATE
    return (amplitude * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def names(found: list[Any]) -> list[str]:
    return [one.label for one in found]


def test_the_table_of_names(tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text('index,mid,display_name\n1,/m/b,"Fire engine, fire truck (siren)"\n0,/m/a,"Speech"\n')
    assert read_labels(table) == ("Speech", "Fire engine, fire truck (siren)")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>404</body></html>",
        b"index,mid,display_name\n0,/m/a,Speech\n2,/m/b,Dog\n",
        b"index,mid,display_name\n0,/m/a,Speech\n0,/m/b,Dog\n",
        b"index,mid,display_name\nnone,/m/a,Speech\n",
        b"index,mid,display_name\n0,/m/a,\n",
        b"index,mid\n0,/m/a\n",
        b"\xff\xfe\x00index",
    ],
)
def test_what_is_no_table_of_names_is_refused(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "names.csv"
    table.write_bytes(content)
    with pytest.raises(ModelError, match="Fetch it again"):
        read_labels(table)


def test_the_likeliest_come_first_and_the_unlikely_not_at_all() -> None:
    scores = np.array([0.1, 0.9, 0.2, 0.3], dtype=np.float32)
    found = best(scores, ("a", "b", "c", "d"), 0.2, 2)
    assert [(one.label, one.index, round(one.score, 3)) for one in found] == [("b", 1, 0.9), ("d", 3, 0.3)]
    assert names(best(scores, ("a", "b", "c", "d"), 0.2, 5)) == ["b", "d", "c"]
    assert best(scores, ("a", "b", "c", "d"), 0.95, 5) == []


def test_a_tiny_model_hears_what_is_there(tmp_path: Path) -> None:
    model = tagger(tmp_path / "m")
    silence, low, high = model.hear([np.zeros(RATE, np.float32), tone(1), tone(1, 2000)], 0.2, 5)
    assert names(silence) == ["Silence"]
    assert names(low) == ["Sound"]
    assert set(names(high)) == {"Sound", "Whistle"}


@pytest.mark.parametrize("batch", ["n", 1])
def test_many_windows_are_heard_as_one_by_one(tmp_path: Path, batch: int | str) -> None:
    model = tagger(tmp_path / "m", batch=batch)
    assert model.at_once == (4 if batch == "n" else 1)
    windows = [tone(1, 100 * number, 0.1 * number) for number in range(1, 8)] + [tone(0.7)]
    together = model.hear(windows, 0.0, 5)
    alone = [model.hear([window], 0.0, 5)[0] for window in windows]
    assert [names(one) for one in together] == [names(one) for one in alone]
    scores = [[one.score for found in every for one in found] for every in (together, alone)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_what_is_too_short_is_followed_by_silence(tmp_path: Path) -> None:
    model = tagger(tmp_path / "m")
    assert len(model.filled(tone(0.1))) == RATE // 2
    assert len(model.filled(tone(0.7))) == round(0.7 * RATE)
    ((sound,),) = model.hear([tone(0.25)], 0.2, 1)
    assert (sound.label, round(sound.score, 2)) == ("Sound", 0.48)  # Half of it is silent.


def test_a_model_of_one_length_gets_that_length(tmp_path: Path) -> None:
    model = tagger(tmp_path / "m", samples=2 * RATE)
    assert model.window(10) == 2.0
    assert model.window(1) == 1.0
    assert len(model.filled(tone(0.7))) == 2 * RATE
    assert names(model.hear([tone(2)], 0.2, 1)[0]) == ["Sound"]


@pytest.mark.parametrize("pair", [("audio", "probs"), ("input", "output"), ("x", "clip_probs")])
def test_inputs_and_outputs_may_have_any_names(tmp_path: Path, pair: tuple[str, str]) -> None:
    model = tagger(tmp_path / "m", names=pair)
    assert model.output.name == pair[1]
    assert names(model.hear([tone(1)], 0.2, 1)[0]) == ["Sound"]


def test_a_table_for_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there are 527 names"):
        tagger(tmp_path / "m", labels=tuple(str(number) for number in range(527)))


def test_what_gives_no_probabilities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no probabilities"):
        tagger(tmp_path / "m", scale=7.0).hear([tone(1)], 0.2, 5)


def test_what_takes_no_sound_is_refused(tmp_path: Path) -> None:
    model = onnx_model(objects.write(tmp_path) / objects.NAME)
    with pytest.raises(ModelError, match=r"instead of \[n, samples\]"):
        Tagger(model, LABELS, RATE)


@pytest.mark.shared
def test_the_real_table_and_the_real_model_fit(shared_models: Path) -> None:
    labels = read_labels(shared_models / "audioset_class_labels_indices.csv")
    assert len(labels) == len(set(labels)) == 527
    assert {"Speech", "Music", "Laughter", "Dog", "Silence"} <= set(labels)
    model = onnx_model(shared_models / "efficientat_mn04_as_waveform.onnx")
    found = Tagger(model, labels, 32_000)
    assert (found.output.name, found.at_once, found.fixed) == ("clipwise_output", 4, None)
