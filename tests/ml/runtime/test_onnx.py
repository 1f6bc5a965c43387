"""Graphs inside a process: the graphics card that is there in name only, and the end of a run."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from ml.runtime import onnx
from ml.runtime.failing import FailedError, UnusableError
from ml.runtime.onnx import CPU, CUDA, Graph
from tests.ml.graphs import plain

ROW = np.ones((1, 3), np.float32)


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    ask = onnx.providers
    ask.cache_clear()
    yield
    ask.cache_clear()


def ignore(_: Any) -> None:
    """Nobody stops this run."""


def test_the_smallest_graph_computes() -> None:
    session = ort.InferenceSession(onnx.SMALLEST, providers=[CPU])
    assert session.run(None, {"x": np.ones(1, np.float32)})[0].tolist() == [2]


def test_without_a_graphics_card_the_processor_is_used_and_nothing_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert onnx.providers() == (CPU,)
    assert not caplog.records


def test_a_graphics_card_that_does_not_run_is_told_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """This build has no such provider: it takes the name and computes on the processor, as with a broken driver."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    with caplog.at_level(logging.WARNING), pytest.warns(UserWarning, match="CUDA"):
        graph = Graph(plain.doubling(tmp_path / "a.onnx"), 1)
    assert "graphics card is not used" in caplog.text
    assert graph.session.get_providers() == [CPU]
    assert graph.run({"x": ROW}, (), ignore)["y"].tolist() == [[2, 2, 2]]


class Card:
    """A session on a card that loads every model and fails in its work."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def get_providers(self) -> list[str]:
        return [CUDA, CPU]

    def run(self, *_: Any) -> Any:
        raise RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_what_fails_on_the_card_is_done_again_on_the_processor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph = Graph(plain.doubling(tmp_path / "a.onnx"), 1)
    graph.session = Card(graph.session)
    with caplog.at_level(logging.WARNING):
        assert graph.run({"x": ROW}, (), ignore)["y"].tolist() == [[2, 2, 2]]
    assert "goes on without" in caplog.text
    assert graph.session.get_providers() == [CPU]


def test_a_card_that_cannot_load_a_model_leaves_it_to_the_processor(tmp_path: Path, monkeypatch: Any) -> None:
    real = ort.InferenceSession

    def refuse(path: Any, options: Any, providers: list[str]) -> Any:
        if CUDA in providers:
            raise RuntimeError("out of memory on the card")
        return real(path, options, providers=providers)

    monkeypatch.setattr(onnx, "providers", lambda: (CUDA, CPU))
    monkeypatch.setattr(ort, "InferenceSession", refuse)
    assert Graph(plain.doubling(tmp_path / "a.onnx"), 1).session.get_providers() == [CPU]


def test_memory_that_is_short_is_no_fault_of_the_model(tmp_path: Path, monkeypatch: Any) -> None:
    def short(*_: Any, **__: Any) -> Any:
        raise RuntimeError("std::bad_alloc")

    path = plain.doubling(tmp_path / "a.onnx")
    monkeypatch.setattr(ort, "InferenceSession", short)
    with pytest.raises(FailedError):
        Graph(path, 1)


def test_a_run_is_stopped_in_the_middle(tmp_path: Path) -> None:
    graph = Graph(plain.slow(tmp_path / "a.onnx"), 1)
    timers: list[threading.Timer] = []

    def stopped_by(stop: Any) -> None:
        if stop is not None:
            timers.append(threading.Timer(0.3, stop))
            timers[0].start()

    with pytest.raises(FailedError, match="terminate"):
        graph.run({"turns": np.array(100_000_000)}, (), stopped_by)
    timers[0].join()


def test_outputs_that_are_no_numbers(tmp_path: Path) -> None:
    graph = Graph(plain.doubling(tmp_path / "a.onnx"), 1)

    class Wordy:
        def run(self, *_: Any) -> Any:
            return [np.array(["word"], object)]

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

    real, graph.session = graph.session, Wordy()
    try:
        with pytest.raises(UnusableError):
            graph.attempt({"x": ROW}, ["y"], None)
    finally:
        graph.session = real
