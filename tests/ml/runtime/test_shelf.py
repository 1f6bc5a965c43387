import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from ml.runtime.shelf import Shelf


class Model:
    """What is loaded: the text of its file."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="ascii")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf(clock: Clock) -> Shelf:
    return Shelf(10, clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "model"
    found.write_text("old", encoding="ascii")
    return found


def test_a_model_is_loaded_once(shelf: Shelf, path: Path) -> None:
    with shelf.using("m", path, Model) as first, shelf.using("m", path, Model) as second:
        assert first is second
    with shelf.using("m", path, Model) as third:
        assert third is first


def test_kinds_are_apart(shelf: Shelf, path: Path) -> None:
    with shelf.using("m", path, Model) as first, shelf.using("other", path, Model) as second:
        assert first is not second


def test_threads_wait_for_the_one_that_loads(shelf: Shelf, path: Path) -> None:
    loaded, found = [], []
    both = threading.Barrier(2, timeout=10)

    def load(place: Path) -> Model:
        loaded.append(place)
        return Model(place)

    def use() -> None:
        both.wait()
        with shelf.using("m", path, load) as model:
            found.append(model)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(loaded) == 1
    assert found[0] is found[1]


def test_a_replaced_file_is_a_new_model_and_the_old_one_goes_when_nobody_uses_it(
    shelf: Shelf, path: Path
) -> None:
    with shelf.using("m", path, Model) as old:
        gone = weakref.ref(old)
        path.write_text("newer", encoding="ascii")
        with shelf.using("m", path, Model) as new:
            assert new.text == "newer"
        shelf.sweep()
        assert old.text == "old"
        assert len(shelf.names()) == 2
        del old
    gc.collect()
    assert gone() is None
    assert len(shelf.names()) == 1


def test_an_idle_model_goes_and_a_used_one_stays(
    shelf: Shelf, path: Path, tmp_path: Path, clock: Clock
) -> None:
    other = tmp_path / "other"
    other.write_text("other", encoding="ascii")
    with shelf.using("m", other, Model):
        pass
    with shelf.using("m", path, Model):
        clock.now = 100
        shelf.sweep()
        assert shelf.names() == [str(path)]
    shelf.sweep()
    assert shelf.names() == [str(path)]
    clock.now = 110
    shelf.sweep()
    assert shelf.names() == []


def test_a_model_whose_file_is_gone_goes(shelf: Shelf, path: Path) -> None:
    with shelf.using("m", path, Model):
        path.unlink()
    assert shelf.names() == []


def test_no_file(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), shelf.using("m", tmp_path / "none", Model):
        pass
    assert not shelf.places


def test_what_does_not_load_is_tried_anew(shelf: Shelf, path: Path) -> None:
    def fail(_: Path) -> Any:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), shelf.using("m", path, fail):
        pass
    assert not shelf.places
    with shelf.using("m", path, Model) as model:
        assert model.text == "old"


def test_what_fails_in_use_stays(shelf: Shelf, path: Path) -> None:
    with pytest.raises(ValueError, match="run"), shelf.using("m", path, Model):
        raise ValueError("run")
    assert shelf.names() == [str(path)]
