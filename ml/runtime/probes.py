"""What is known of a file of a model without loading it: remembered beside it, until the file changes.

    faces.onnx  ->  faces.onnx.probe.json

A folder that cannot be written to costs a question more for each process, and nothing else.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

SUFFIX: Final = ".probe.json"
VERSION: Final = 1


def find(path: Path) -> dict[str, Any] | None:
    """What is remembered of this very file. OSError where the model is not there."""
    mark = mark_of(path)
    try:
        known = json.loads(memory_of(path).read_bytes())
    except (OSError, ValueError):
        return None
    return known["about"] if isinstance(known, dict) and known.get("mark") == mark else None


def keep(path: Path, about: dict[str, Any]) -> None:
    memory = memory_of(path)
    part = memory.with_name(f"{memory.name}.{os.getpid()}.part")
    with suppress(OSError):
        try:
            part.write_text(json.dumps({"mark": mark_of(path), "about": about}), encoding="utf-8")
            part.replace(memory)
        finally:
            part.unlink(missing_ok=True)


def memory_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def mark_of(path: Path) -> list[int]:
    found = path.stat()
    return [VERSION, found.st_mtime_ns, found.st_size]
