"""What the programs `script/export-*` share: tools that Alcoves does not need, and comparing before writing."""

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

OPSET = 17
"""What all runtimes of ours read; the first with a Fourier transform of its own, which graphs of ours do without."""


def fail(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise SystemExit(2)


def need(module: str, package: str = "") -> Any:
    """A module that is not among our requirements, or a sentence and the end."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = package or module
        return fail(
            f"This needs {name}, which Alcoves itself does not. Install it in an environment of its own:"
            f" python3 -m venv export && export/bin/pip install {name}, and start this with export/bin/python."
        )


def source_of(folder: Path | None, holds: str) -> Path:
    """The authors' code, which has the architecture of their weights."""
    if folder is None or not (folder / holds).exists():
        return fail(f"Say with --source where the authors' code lies: a folder with {holds} in it.")
    sys.path.insert(0, str(folder.resolve()))
    return folder


def write(target: Path, make: Callable[[Path], None]) -> None:
    """Under its name only when it is whole; the line tells what the registry wants to know."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        make(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    tell(target)


def verify(name: str, content: bytes, sha256: str | None) -> None:
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        fail(f"{name} is not the file of the registry: its SHA-256 is {found}. Nothing was written.")


def tell(target: Path) -> None:
    content = target.read_bytes()
    print(f"{target}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def differ(name: str, found: Any, expected: Any, most: float) -> None:
    """The graph against the model it was made of; ends where they say different things."""
    difference = float(abs(found - expected).max())
    print(f"{name}: differs by {difference:.2e} at most")
    if difference > most:
        fail(f"{name} is not what the model says: more than {most:.0e} apart. Nothing was written.")


def export(model: Any, inputs: tuple[Any, ...], path: Path, *, takes: list[str], gives: list[str]) -> None:
    """From PyTorch, with a free first axis (and a free second one for sound)."""
    torch = need("torch")
    axes: dict[str, dict[int, str]] = {name: {0: "batch"} for name in [*takes, *gives]}
    if takes == ["waveform"]:
        axes["waveform"][1] = "samples"
    torch.onnx.export(
        model.eval(),
        inputs,
        str(path),
        opset_version=OPSET,
        input_names=takes,
        output_names=gives,
        dynamic_axes=axes,
        dynamo=False,
    )


def run(path: Path, feeds: dict[str, Any]) -> list[Any]:
    """The written graph, on the processor."""
    ort = need("onnxruntime")
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))
