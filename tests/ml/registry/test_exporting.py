"""The programs that make graphs and mirrors: what of them can be shown without PyTorch."""

import hashlib
import runpy
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from media.images import pixels
from media.tools.vips import PixelLimits
from ml.objects.yolo import framed
from ml.registry import table
from ml.registry.specs import ModelFile, ModelSpec
from ml.runtime.shades import Shades
from tests.ml.downloads.mirror import Mirror, running_mirror, whole
from tests.workers import PROJECT, run_python

PICTURE = "dog_bicycle_truck.jpg"
PROGRAMS = sorted(path.name for path in (PROJECT / "script").glob("export-*"))


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "script"))


def run(program: str, *arguments: str) -> Any:
    return run_python(f"script/{program}", *arguments)


def test_there_is_one_for_each_pipeline() -> None:
    kinds = ("audio-tagger", "faces", "objects", "search", "whisper")
    assert [f"export-{kind}" for kind in kinds] == PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_tells_what_it_does_and_needs(program: str) -> None:
    told = run(program, "--help")
    assert told.returncode == 0, told.stderr
    assert "--out" in told.stdout
    assert run(program).returncode == 2


@pytest.mark.parametrize(
    ("program", "model"),
    [
        ("export-audio-tagger", "efficientat_mn10"),
        ("export-search", "siglip2-base"),
        ("export-objects", "yolo26x"),
    ],
)
def test_without_its_tools_it_says_which(program: str, model: str, tmp_path: Path) -> None:
    told = run(program, "--model", model, "--out", str(tmp_path / "out"))
    assert told.returncode == 2
    assert "which Alcoves itself does not. Install it" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("exporting")
def test_the_convolutions_are_a_fourier_transform() -> None:
    from exporting import mel

    window = mel.centred(mel.hann(80, periodic=False), 128)
    sound = np.random.default_rng(3).standard_normal(128).astype(np.float32)
    found = mel.basis(window)[:, 0, :] @ sound
    expected = np.fft.rfft(sound * window)
    assert window.shape == (128,)
    assert np.abs(found - np.concatenate([expected.real, expected.imag])).max() < 1e-4
    assert np.allclose(mel.hann(8, periodic=True), np.hanning(9)[:-1], atol=1e-6)
    assert np.allclose(mel.hann(8, periodic=False), np.hanning(8), atol=1e-6)


def yolox_like(side: int = 64, columns: int = 85, opset: int = 11) -> onnx.ModelProto:
    """Says the same of every picture: a large thing of class 2 in cell 3, the same a little less sure in cell 4."""
    cells = sum((side // stride) ** 2 for stride in (8, 16, 32))
    table = np.full((1, cells, columns), 0.0, np.float32)
    for cell, score in ((3, 0.9), (4, 0.8)):
        table[0, cell, :5] = [0.5, 0.5, np.log(2.0), np.log(4.0), score]
        table[0, cell, 5 + 2] = 1.0
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "nought"], ["nothing"]),
        helper.make_node("Squeeze", ["nothing"], ["flat"], axes=[3]),
        helper.make_node("Add", ["table", "flat"], ["output"]),
    ]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "yolox",
        [helper.make_tensor_value_info("images", floats, [1, 3, side, side])],
        [helper.make_tensor_value_info("output", floats, [1, cells, columns])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.zeros(1, np.float32), "nought")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


def wrapped(graph: Path, out: Path) -> Path:
    told = run("export-objects", "--model", "yolox_x", "--graph", str(graph), "--out", str(out))
    assert told.returncode == 0, told.stderr
    return out / "yolox_x_yolo26_contract.onnx"


def test_yolox_keeps_the_contract_of_yolo26(tmp_path: Path) -> None:
    onnx.save(yolox_like(), tmp_path / "yolox.onnx")
    session = ort.InferenceSession(str(wrapped(tmp_path / "yolox.onnx", tmp_path)))
    (found,) = session.run(None, {"images": np.zeros((1, 3, 640, 640), np.float32)})
    assert found.shape == (1, 300, 6)
    # Cell 3 of stride 8 in a picture of side 64, ten times as large: its middle is at 280, 40; 160 wide, 320 high.
    assert np.allclose(found[0, 0], [200, -120, 360, 200, 0.9, 2], atol=0.01)
    assert np.allclose(found[0, 1], [280, -120, 440, 200, 0.8, 2], atol=0.01), "they overlap by a third"
    assert not found[0, 2:].any()


def test_yolox_nano_sees_what_the_same_model_sees_that_is_known_to_be_right(
    shared_models: Path, shared_media: Path, tmp_path: Path
) -> None:
    ours = wrapped(shared_models / "yolox_nano.onnx", tmp_path)
    limits = PixelLimits.from_environment()
    picture = pixels.upright(shared_media / "objects" / PICTURE, "image/jpeg", 640, limits).pixels
    square, _ = framed(picture, 640)
    found, expected = (
        ort.InferenceSession(str(path)).run(None, {"images": Shades(square[None], 0, 255).floats()})[0]
        for path in (ours, shared_models / "yolox_nano_yolo26_contract.onnx")
    )
    sure = expected[0, :, 4] > 0.3
    assert sure.sum() >= 3
    assert np.allclose(found[0][sure], expected[0][sure], atol=0.01)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [(yolox_like(columns=84), "not decoded"), (yolox_like(opset=9), "--opset 11")],
    ids=["columns", "opset"],
)
def test_another_graph_is_refused(model: onnx.ModelProto, sentence: str, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "other.onnx")
    arguments = ("--graph", str(tmp_path / "other.onnx"), "--out", str(tmp_path / "out"))
    told = run("export-objects", "--model", "yolox_x", *arguments)
    assert told.returncode == 2
    assert sentence in " ".join(told.stderr.split())
    assert not (tmp_path / "out").exists()


def test_no_graph_is_told(tmp_path: Path) -> None:
    told = run("export-objects", "--model", "yolox_x", "--out", str(tmp_path))
    assert "Say with --graph" in told.stderr


def test_faces_are_verified_before_they_lie_on_the_mirror(tmp_path: Path) -> None:
    archive, out = tmp_path / "buffalo_l.zip", tmp_path / "out"
    assert "cannot be read" in run("export-faces", "--archive", str(archive), "--out", str(out)).stderr
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("buffalo_l/genderage.onnx", b"x")
    assert "not in this archive" in run("export-faces", "--archive", str(archive), "--out", str(out)).stderr
    with zipfile.ZipFile(archive, "a") as made:
        made.writestr("buffalo_l/det_10g.onnx", b"\x08 not the detector")
    assert (
        "not the file of the registry"
        in run("export-faces", "--archive", str(archive), "--out", str(out)).stderr
    )
    assert not out.exists()


def test_speech_is_mirrored_and_verified(shared_models: Path, tmp_path: Path) -> None:
    detector = shared_models / "ggml-silero-v6.2.0.bin"
    mirror: Mirror
    with running_mirror() as mirror:
        mirror.answer("/ggml-silero-v6.2.0.bin", whole(detector.read_bytes()))
        arguments = ("--model", "tiny", "--from", mirror.url, "--out", str(tmp_path))
        told = run("export-whisper", *arguments)
        assert told.returncode == 2
        assert "Not mirrored: ggml-tiny.bin." in told.stderr
        assert "404" in told.stderr
        assert (tmp_path / "ggml-silero-v6.2.0.bin").read_bytes() == detector.read_bytes()
        asked = len(mirror.asked)
        again = run("export-whisper", *arguments)
        assert "ggml-silero-v6.2.0.bin: is there" in again.stdout
        assert len(mirror.asked) == asked + 1


def test_what_is_exported_for_search_has_a_row_of_its_own(tmp_path: Path) -> None:
    """The registry's rows are known by digest, and would refuse it."""
    program = runpy.run_path(str(PROJECT / "script" / "export-search"))
    for role in ("visual", "textual"):
        (tmp_path / f"my-clip-{role}.onnx").write_bytes(role.encode() * 200)
    told = program["row_of"]("my-clip", "clip-vit-b-32", tmp_path)
    spec = eval(told, {"ModelSpec": ModelSpec, "ModelFile": ModelFile, "table": table})
    assert (spec.id, spec.contract, spec.options) == ("my-clip", "clip", {"dimensions": 512, "side": 224})
    assert spec.file("visual").sha256 == hashlib.sha256(b"visual" * 200).hexdigest()
    assert spec.file("textual").size == len(b"textual" * 200)
    published = table.find_model("search", "clip-vit-b-32")
    assert published is not None
    assert spec.file("vocabulary") == published.file("vocabulary")
    assert table.find_model("search", "my-clip") is None
