import os
from pathlib import Path

import pytest

from ml.runtime import probes

ABOUT = {"inputs": [["x", "float32", ["batch", 3]]], "outputs": [], "metadata": {}}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "faces.onnx"
    path.write_bytes(b"model")
    return path


def test_what_was_found_is_remembered_beside_the_file(model: Path) -> None:
    assert probes.find(model) is None
    probes.keep(model, ABOUT)
    assert probes.find(model) == ABOUT
    assert sorted(path.name for path in model.parent.iterdir()) == ["faces.onnx", "faces.onnx.probe.json"]


def test_a_replaced_file_is_unknown(model: Path) -> None:
    probes.keep(model, ABOUT)
    model.write_bytes(b"another")
    assert probes.find(model) is None


def test_a_file_of_the_same_length_and_another_time_is_unknown(model: Path) -> None:
    probes.keep(model, ABOUT)
    os.utime(model, ns=(1, 1))
    assert probes.find(model) is None


@pytest.mark.parametrize("memory", [b"", b"[]", b"{", b"\xff", b'{"mark": 5}', b"null"])
def test_a_memory_that_is_broken_is_none(model: Path, memory: bytes) -> None:
    probes.memory_of(model).write_bytes(memory)
    assert probes.find(model) is None


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probes.find(tmp_path / "none.onnx")


def test_a_folder_that_takes_nothing_is_no_trouble(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *_: object, **__: object) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    probes.keep(model, ABOUT)
    assert probes.find(model) is None
