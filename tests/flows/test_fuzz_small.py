"""The fuzz of `script/fuzz`, small: some broken files go through metadata and transform, and nothing falls over."""

import random
from pathlib import Path

import pytest

from tests.fuzz.corpus import SUFFIXES, find_films, find_sources, make_own
from tests.fuzz.mutating import PNG, mutated, repaired
from tests.fuzz.running import OF_FILMS, STEPS, Child, Report, Size, run
from tests.makers import make_image

FILES = 150
FILMS = 40


def test_broken_files_break_nothing(tmp_path: Path) -> None:
    size = Size(files=FILES, seed=20, seconds=10.0)
    report = run(size, find_sources(tmp_path / "made"), tmp_path, tmp_path / "kept")
    assert report.clean, "\n".join(report.lines())
    assert report.done == FILES
    assert sum(report.outcomes.values()) == FILES * len(STEPS)
    assert report.outcomes["metadata: ok"] > FILES / 10
    assert report.outcomes["transform: damaged_file"] > 0


def test_broken_films_break_none_of_the_derivers(tmp_path: Path) -> None:
    size = Size(files=FILMS, seed=20, seconds=30.0, steps=OF_FILMS)
    report = run(size, find_films(tmp_path / "made"), tmp_path, tmp_path / "kept")
    assert report.clean, "\n".join(report.lines())
    assert report.done == FILMS
    assert report.outcomes["derivers: ok"] > FILMS / 10


def test_the_same_seed_breaks_in_the_same_way(tmp_path: Path) -> None:
    sources = make_own(tmp_path)
    assert len(sources) > len(SUFFIXES)
    stock = [path.read_bytes() for path in sources]
    first, second, other = (
        [mutated(content, random.Random(seed), stock) for content in stock] for seed in (1, 1, 2)
    )
    assert first == second != other
    assert sum(broken != whole for broken, whole in zip(first, stock, strict=True)) > len(stock) / 2


def test_a_png_gets_its_checksums_back(tmp_path: Path) -> None:
    whole = make_image(tmp_path / "a.png").read_bytes()
    broken = bytearray(whole)
    broken[len(PNG) + 8] ^= 1
    mended = repaired(bytes(broken))
    assert mended[: len(PNG) + 8 + 13] == broken[: len(PNG) + 8 + 13]
    assert mended != bytes(broken)
    assert repaired(whole) == whole


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(Size(seconds=0.2), tmp_path, "child")


def test_a_child_that_dies_is_told_and_followed_by_another(child: Child, tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.jpg")
    child.size = Size(seconds=20)
    assert child.attempt(path)[1] == ""
    assert child.process is not None
    child.process.kill()
    child.process.wait()
    outcomes, kind, text = child.attempt(path)
    assert (outcomes, kind) == (["metadata: crash"], "crash")
    assert "exit code -9" in text
    assert child.attempt(path)[0] == ["metadata: ok", "transform: ok"]
    child.end()


def test_memory_that_grows_is_told(child: Child) -> None:
    megabyte = 1024**2
    child.residents = [100 * megabyte + 50 * megabyte * (number % 2) for number in range(2000)]
    assert child.growth() == ""
    child.residents = [100 * megabyte + number * megabyte // 8 for number in range(2000)]
    assert "memory grew" in child.growth()
    report = Report(grown=[child.growth()])
    assert not report.clean
