"""The client against a real host with real onnxruntime, on graphs of a few nodes."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.registry import REGISTRY

from media.errors import TransientError
from ml.errors import ModelError, ModelMissingError
from ml.runtime.client import Tensor, onnx_model
from tests.ml.graphs import plain

pytestmark = pytest.mark.usefixtures("own_host")
ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_a_model_tells_what_it_takes_and_gives(tmp_path: Path) -> None:
    model = onnx_model(plain.doubling(tmp_path / "a.onnx", names="{0: 'dog'}"))
    assert model.inputs == (Tensor("x", "float32", ("batch", 3)),)
    assert model.outputs == (Tensor("y", "float32", ("batch", 3)), Tensor("z", "float32", ()))
    assert model.metadata == {"names": "{0: 'dog'}"}
    assert model.batches
    assert not onnx_model(plain.doubling(tmp_path / "b.onnx", batch=1)).batches


def test_a_run_gives_every_output_or_those_that_are_asked_for(tmp_path: Path) -> None:
    model = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    given = model.run({"x": ROWS})
    assert np.array_equal(given["y"], ROWS * 2)
    assert given["z"].shape == ()
    assert given["z"] == 30
    assert model.run({"x": ROWS}, outputs=["z"]).keys() == {"z"}
    assert np.array_equal(model.run({"x": ROWS}, urgent=True)["y"], ROWS * 2)


@pytest.mark.parametrize(
    "kind", [plain.FLOATS, 10, 11, 6, 7], ids=["float32", "float16", "float64", "int32", "int64"]
)
def test_numbers_are_converted_to_what_the_input_takes(tmp_path: Path, kind: int) -> None:
    model = onnx_model(plain.doubling(tmp_path / "a.onnx", kind=kind))
    given = model.run({"x": ROWS.astype(np.uint8)})["y"]
    assert given.dtype == model.inputs[0].dtype
    assert np.array_equal(given, ROWS * 2)


def test_the_host_is_asked_once_what_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    first = onnx_model(path)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked again")

    monkeypatch.setattr("ml.runtime.calls.ask", refuse)
    assert onnx_model(path) == first


def test_a_replaced_file_is_asked_anew(tmp_path: Path) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    assert onnx_model(path).batches
    plain.doubling(path, batch=4)
    assert onnx_model(path).inputs[0].shape == (4, 3)


@pytest.mark.parametrize(
    "content", [b"", b"<html>Not found</html>", b"version https://git-lfs", os.urandom(5000)]
)
def test_what_is_no_model_fails_for_good(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.onnx cannot be used"):
        onnx_model(tmp_path / "a.onnx")


def test_a_model_that_is_cut_off_fails_for_good(tmp_path: Path) -> None:
    path = plain.large(tmp_path / "a.onnx", 1)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError):
        onnx_model(path)


@pytest.mark.parametrize(
    "location", ["../secret", "link", "{}/secret", "/proc/self/environ", "pipe", "/dev/zero"]
)
def test_a_model_that_wants_data_from_outside_its_folder_gets_none(tmp_path: Path, location: str) -> None:
    """A model is a stranger's file: it must read nothing of ours, and wait for nothing."""
    (tmp_path / "secret").write_bytes(b"\0" * 400)
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    with pytest.raises(ModelError):
        onnx_model(plain.outside(folder / "a.onnx", location.format(tmp_path)))


def test_a_model_that_takes_words_fails_for_good(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        onnx_model(plain.wordy(tmp_path / "a.onnx"))
    assert "numbers" in caught.value.detail


@pytest.mark.parametrize("feeds", [{}, {"other": ROWS}, {"x": ROWS[:, :2]}, {"x": ROWS[0]}])
def test_a_model_that_does_not_take_what_it_is_given_fails_for_good(
    tmp_path: Path, feeds: dict[str, Any]
) -> None:
    model = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    with pytest.raises(ModelError):
        model.run(feeds)


def test_an_output_that_is_not_there(tmp_path: Path) -> None:
    model = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    with pytest.raises(ModelError):
        model.run({"x": ROWS}, outputs=["none"])


def test_a_run_that_fails_in_its_work_may_be_tried_again_and_spoils_nothing(tmp_path: Path) -> None:
    model = onnx_model(plain.choosy(tmp_path / "a.onnx"))
    with pytest.raises(TransientError) as caught:
        model.run({"number": np.array([7])})
    assert caught.value.code == "model_failed"
    assert model.run({"number": np.array([1])})["y"].tolist() == [[0, 1, 0]]


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError):
        onnx_model(tmp_path / "none.onnx")


def test_a_model_that_has_gone_since(tmp_path: Path) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    model = onnx_model(path)
    path.unlink()
    with pytest.raises(ModelMissingError):
        model.run({"x": ROWS})


def test_time_of_runs_is_counted_for_each_model(tmp_path: Path) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("alcoves_model_seconds_count", {"model": "counted.onnx"}) or 0.0

    model = onnx_model(plain.doubling(tmp_path / "counted.onnx"))
    before = count()
    model.run({"x": ROWS})
    assert count() == before + 1


def test_large_arrays_pass(tmp_path: Path) -> None:
    """A batch of pictures is larger than any buffer of a socket."""
    rows = np.random.default_rng(5).random((2_000_000, 3), np.float32)
    model = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    assert np.array_equal(model.run({"x": rows}, outputs=["y"])["y"], rows * 2)
