"""How client and host speak: a header in JSON, then the bytes of its arrays, one after the other. No pickle.

    8 bytes     length of the header, little-endian
    header      {"...": ..., "arrays": [["name", "<f4", [1, 3, 640, 640]], ...]}
    arrays      C-contiguous, in that order

Everything is checked against limits before memory is taken for it.
"""

import json
import math
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = dict[str, Array]

LENGTH: Final = struct.Struct("<Q")
MOST_HEADER: Final = 32 * 1024 * 1024
"""Bytes. The words of some hours of speech are told in it."""
MOST_ARRAYS: Final = 64
MOST_AXES: Final = 8
MOST_BYTES: Final = 1024**3
"""Of all arrays of a message: a batch, or some minutes of sound."""
KINDS: Final = frozenset("fiub")
"""Numbers and truth values; numpy has others that hold addresses."""


class BadFrameError(Exception):
    """The other side does not speak as we do. The connection is of no more use."""


class ClosedError(Exception):
    """The other side has gone."""


def send(
    channel: socket.socket, header: Mapping[str, Any], arrays: Mapping[str, Array] | None = None
) -> None:
    """Raises ClosedError; BadFrameError for what the other side would refuse."""
    solid = {name: np.asarray(array, order="C") for name, array in (arrays or {}).items()}
    told = [[name, array.dtype.str, list(array.shape)] for name, array in solid.items()]
    check([shape_of(*one) for one in told])
    text = json.dumps({**header, "arrays": told}, separators=(",", ":")).encode()
    if len(text) > MOST_HEADER:
        raise BadFrameError(f"a header of {len(text)} bytes")
    try:
        channel.sendall(LENGTH.pack(len(text)) + text)
        for array in solid.values():
            if array.size:
                channel.sendall(array.reshape(-1).view(np.uint8).data)
    except OSError as error:
        raise ClosedError from error


def receive(channel: socket.socket) -> tuple[dict[str, Any], Arrays]:
    """The next message. Raises ClosedError at its end, BadFrameError for what is none."""
    prefix = bytearray(LENGTH.size)
    fill(channel, memoryview(prefix))
    (length,) = LENGTH.unpack(prefix)
    if length > MOST_HEADER:
        raise BadFrameError(f"a header of {length} bytes")
    text = bytearray(length)
    fill(channel, memoryview(text))
    header, wanted = parsed(text)
    check([(dtype, shape) for _, dtype, shape in wanted])
    arrays = {}
    for name, dtype, shape in wanted:
        array = np.empty(shape, dtype)
        if array.size:
            fill(channel, array.reshape(-1).view(np.uint8).data)
        arrays[name] = array
    return header, arrays


def parsed(text: bytearray) -> tuple[dict[str, Any], list[tuple[str, np.dtype[Any], tuple[int, ...]]]]:
    try:
        header = json.loads(text)
        told = header.pop("arrays")
        return header, [(str(name), *shape_of(name, dtype, shape)) for name, dtype, shape in told]
    except BadFrameError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadFrameError("no header of ours") from error


def shape_of(name: Any, dtype: Any, shape: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    try:
        found, sizes = np.dtype(str(dtype)), tuple(int(size) for size in shape)
    except (TypeError, ValueError) as error:
        raise BadFrameError(f"an array {name} of no type that is known") from error
    if found.kind not in KINDS or len(sizes) > MOST_AXES or any(size < 0 for size in sizes):
        raise BadFrameError(f"an array {name} of {found} and {len(sizes)} axes")
    return found, sizes


def check(arrays: list[tuple[np.dtype[Any], tuple[int, ...]]]) -> None:
    total = sum(math.prod(shape) * dtype.itemsize for dtype, shape in arrays)
    if len(arrays) > MOST_ARRAYS or total > MOST_BYTES:
        raise BadFrameError(f"{len(arrays)} arrays of {total} bytes")


def fill(channel: socket.socket, room: memoryview) -> None:
    done = 0
    while done < len(room):
        try:
            count = channel.recv_into(room[done:])
        except OSError as error:
            raise ClosedError from error
        if not count:
            raise ClosedError
        done += count
