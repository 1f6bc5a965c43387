"""docs/configuration.md against the code: every variable, its type and its default."""

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alcoves import asgi, env, health
from alcoves.settings import base
from media.tools import encoders, ffmpeg, ffprobe, vips
from tests.docs.reading import (
    PROJECT,
    bare,
    rows,
    variables_in_code,
    variables_in_python,
    variables_in_shell,
    variables_of_the_system,
)

T = TypeVar("T")
HEADINGS = (
    "Server",
    "Postgres and Redis",
    "Stores",
    "Uploads",
    "Work",
    "Tools",
    "Models",
    "Alerts",
    "Backups",
)
DOCUMENTED = {bare(row[0]): row for heading in HEADINGS for row in rows("configuration.md", heading)}


def test_every_variable_that_the_code_reads_is_described_and_no_other() -> None:
    assert set(DOCUMENTED) == variables_in_code()


def test_every_variable_of_the_system_is_described_and_no_other() -> None:
    """Those that are read or set without `alcoves.env`, in scripts too."""
    told = {bare(row[0]) for row in rows("configuration.md", "Of the system and of libraries")}
    found = variables_of_the_system()
    assert {"XDG_RUNTIME_DIR", "PROMETHEUS_MULTIPROC_DIR", "CI", "TMPDIR"} <= found
    assert told == found - set(DOCUMENTED)


def test_reads_of_the_environment_are_found_however_they_are_written() -> None:
    python = """
import os
NAMES: Final = (*("A_ONE", "A_TWO"),)
x = os.environ["B_ONE"], os.environ.get("B_TWO", "no"), os.getenv("B_THREE"), os.environ.pop("B_FOUR", None)
os.environ.setdefault("B_FIVE", "1")
y = {name: os.environ[name] for name in NAMES if name in os.environ}
z = row["NOT_ONE"], row.get("NOT_TWO")
"""
    assert variables_in_python(python) == {
        *("A_ONE", "A_TWO", "B_ONE", "B_TWO", "B_THREE", "B_FOUR", "B_FIVE"),
    }
    assert variables_in_shell('# $NO\nexport X="${ONE:-}/$TWO" # $NO\n$(id -u) $three') == {"ONE", "TWO"}


def test_every_variable_asked_for_so_far_is_described_with_its_type() -> None:
    assert asgi.THREADS
    assert health.METRICS_TOKEN is not None
    ffmpeg.binary()
    ffprobe.binary()
    encoders.survey()
    encoders.setting()
    vips.PixelLimits.from_environment()
    kinds = {name: kind for name, kind in env.KNOWN.items() if not name.startswith("ALCOVES_X")}
    assert len(kinds) > 40
    assert {name: DOCUMENTED[name][1] for name in kinds if name in DOCUMENTED} == kinds


def test_the_defaults_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.removesuffix("_FILE") in DOCUMENTED:
            monkeypatch.delenv(name)
    found: dict[str, Any] = {}
    read = env.read

    def recording(name: str, parse: Callable[[str], T], default: T, *, kind: str) -> T:
        found[name] = default
        return read(name, parse, default, kind=kind)

    monkeypatch.setattr(env, "read", recording)
    runpy.run_path(base.__file__)
    assert len(found) > 35
    assert {name: bare(DOCUMENTED[name][2]) for name in found} == {
        name: written(value) for name, value in found.items()
    }


def written(value: Any) -> str:
    """A default as the table writes it."""
    if isinstance(value, Path):
        return str(value.relative_to(PROJECT))
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


def test_every_row_is_whole() -> None:
    for name, row in DOCUMENTED.items():
        assert len(row) == 5, name
        assert row[3], f"{name} has no meaning"


def test_what_is_not_read_yet_is_not_read() -> None:
    waiting = {bare(row[0]) for row in rows("configuration.md", "Of the reference, not read yet")}
    assert waiting
    assert not waiting & variables_in_code()


def test_the_reference_keeps_its_names() -> None:
    names = {
        *("ALCOVES_MODE", "ALCOVES_FFMPEG_BINARY", "ALCOVES_QUEUE_HOST", "ALCOVES_QUEUE_PORT"),
        *("ALCOVES_STORAGE_DRIVER", "ALCOVES_STORAGE_PATH", "ALCOVES_CACHE_STORAGE_PATH"),
    }
    assert names <= set(DOCUMENTED)
