import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.runtime import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def sent(
    pair: Pair, header: dict[str, Any], arrays: wire.Arrays | None = None
) -> tuple[dict[str, Any], wire.Arrays]:
    """What arrives. A thread sends, because a socket takes less than an array."""
    sender = threading.Thread(target=wire.send, args=(pair[0], header, arrays))
    sender.start()
    try:
        return wire.receive(pair[1])
    finally:
        sender.join()


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "uint16", "bool"]
)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (3, 4, 5), (1, 3, 320, 320)])
def test_arrays_arrive_as_they_were(pair: Pair, dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(5).integers(0, 2, shape).astype(dtype)
    header, arrays = sent(pair, {"do": "run"}, {"x": array})
    assert header == {"do": "run"}
    assert arrays["x"].dtype == array.dtype
    assert arrays["x"].shape == shape
    assert np.array_equal(arrays["x"], array)


def test_turned_and_cut_arrays_arrive_whole(pair: Pair) -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    _, arrays = sent(pair, {}, {"turned": array.transpose(2, 0, 1), "cut": array[:, ::2, 1:]})
    assert np.array_equal(arrays["turned"], array.transpose(2, 0, 1))
    assert np.array_equal(arrays["cut"], array[:, ::2, 1:])


def test_what_arrives_may_be_written_to(pair: Pair) -> None:
    _, arrays = sent(pair, {}, {"x": np.zeros(4, np.float32)})
    arrays["x"] += 1
    assert arrays["x"].sum() == 4


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array(["word"]),
        np.array([1j]),
        np.zeros((1,) * 9),
        np.array(["2026-01-01"], "datetime64[D]"),
    ],
)
def test_only_numbers_of_few_axes_are_sent(pair: Pair, array: Any) -> None:
    with pytest.raises(wire.BadFrameError):
        wire.send(pair[0], {}, {"x": array})


def framed(text: bytes) -> bytes:
    return wire.LENGTH.pack(len(text)) + text


@pytest.mark.parametrize(
    "frame",
    [
        wire.LENGTH.pack(wire.MOST_HEADER + 1),
        b"GET / HTTP/1.1\r\n\r\n",
        framed(b"no json"),
        framed(b"[]"),
        framed(b"{}"),
        framed(b'{"arrays": 5}'),
        framed(b'{"arrays": [["x", "<f4"]]}'),
        framed(b'{"arrays": [["x", "|O", [1]]]}'),
        framed(b'{"arrays": [["x", "nothing", [1]]]}'),
        framed(b'{"arrays": [["x", "<f4", [-1]]]}'),
        framed(b'{"arrays": [["x", "<f4", ["a"]]]}'),
        framed(b'{"arrays": [["x", "<f4", [1, 1, 1, 1, 1, 1, 1, 1, 1]]]}'),
        framed(json.dumps({"arrays": [["x", "<f4", [2**40]]]}).encode()),
        framed(json.dumps({"arrays": [["x", "<f4", [2**62, 4]]]}).encode()),
        framed(json.dumps({"arrays": [["x", "<f4", [1]]] * 65}).encode()),
        framed(b"\xff\xfe"),
    ],
)
def test_what_is_no_message_is_refused_before_memory_is_taken(pair: Pair, frame: bytes) -> None:
    pair[0].sendall(frame)
    with pytest.raises(wire.BadFrameError):
        wire.receive(pair[1])


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_end_the_connection(data: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.sendall(data)
        here.close()
        with pytest.raises((wire.BadFrameError, wire.ClosedError)):
            wire.receive(there)


def test_an_end_in_the_middle_of_an_array_is_told(pair: Pair) -> None:
    pair[0].sendall(framed(b'{"arrays": [["x", "<f4", [100]]]}') + b"1234")
    pair[0].close()
    with pytest.raises(wire.ClosedError):
        wire.receive(pair[1])


def test_who_has_gone_is_sent_nothing(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(wire.ClosedError):
        wire.send(pair[0], {}, {"x": np.zeros(1_000_000)})
