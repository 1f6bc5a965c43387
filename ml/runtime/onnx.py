"""One graph in onnxruntime: loaded, asked what it takes, run. Only the host imports this.

On the processor, unless a graphics card is there and has run a small graph: a driver that is installed and does not
work is common. What fails on the card later is done again on the processor.
"""

import base64
import logging
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from ml.runtime.failing import FailedError, UnusableError
from ml.runtime.wire import Arrays

logger = logging.getLogger(__name__)

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
SILENT: Final = 4
"""Errors come as exceptions, with the same words."""
SHRINK_EVERY: Final = 5.0
"""Seconds after which a run gives back what larger ones before it needed. Each run would take a tenth longer with it,
and a fifth longer without the arena that keeps memory between runs."""
MOST_METADATA: Final = 256 * 1024
"""Characters of a value that a model tells of itself."""
TYPES: Final = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}
IN_WORK: Final = "Non-zero status code returned while running"
TERMINATED: Final = "terminate flag"
SHORT_OF_MEMORY: Final = re.compile(r"bad_alloc|failed to allocate|out of memory", re.IGNORECASE)


class Graph:
    """A model as a session. Threads may run it side by side."""

    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        self.threads = threads
        self.shrinks = 0.0
        self.session = self.open(providers())
        self.takes = {one.name: TYPES.get(one.type) for one in self.session.get_inputs()}
        """The type of each input, as numpy calls it; None for one that takes no numbers."""

    def open(self, wanted: Sequence[str]) -> Any:
        try:
            return ort.InferenceSession(str(self.path), session_options(self.threads), providers=list(wanted))
        except MemoryError:
            raise
        except Exception as error:
            if CUDA in wanted:
                logger.warning("%s does not load on the graphics card: %s", self.path.name, error)
                return self.open([CPU])
            family = FailedError if SHORT_OF_MEMORY.search(str(error)) else UnusableError
            raise family(str(error)) from error

    def about(self) -> dict[str, Any]:
        """What it takes and gives, and what its maker wrote into it."""
        told = self.session.get_modelmeta().custom_metadata_map
        if strange := [one.name for one in self.session.get_inputs() if one.type not in TYPES]:
            raise UnusableError(f"It takes something else than numbers: {', '.join(strange)}.")
        return {
            "inputs": [described(one) for one in self.session.get_inputs()],
            "outputs": [described(one) for one in self.session.get_outputs()],
            "metadata": {name: text for name, text in told.items() if len(text) <= MOST_METADATA},
        }

    def run(
        self, feeds: Arrays, wanted: Sequence[str], stopped_by: Callable[[Callable[[], None] | None], None]
    ) -> Arrays:
        """`wanted`: names of outputs; none: all. UnusableError for what it does not take, FailedError for the rest."""
        options = ort.RunOptions()
        if time.monotonic() >= self.shrinks:
            self.shrinks = time.monotonic() + SHRINK_EVERY
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        stopped_by(lambda: setattr(options, "terminate", True))
        try:
            return self.attempt(feeds, wanted, options)
        except (UnusableError, FailedError):
            raise
        except Exception as error:
            if TERMINATED in str(error) or CUDA not in self.session.get_providers():
                raise FailedError(str(error)) from error
            logger.warning("%s failed on the graphics card and goes on without: %s", self.path.name, error)
            self.session = self.open([CPU])
            return self.attempt(feeds, wanted, options)
        finally:
            stopped_by(None)

    def attempt(self, feeds: Arrays, wanted: Sequence[str], options: Any) -> Arrays:
        names = list(wanted) or [one.name for one in self.session.get_outputs()]
        try:
            given = self.session.run(names, feeds, options)
        except (ort.capi.onnxruntime_pybind11_state.InvalidArgument, ValueError) as error:
            # The same class also says that a step of the graph has failed on these numbers.
            raise (FailedError if IN_WORK in str(error) else UnusableError)(str(error)) from error
        if not all(isinstance(one, np.ndarray) and one.dtype.kind in "fiub" for one in given):
            raise UnusableError("It answers with something else than numbers.")
        return dict(zip(names, given, strict=True))


def described(one: Any) -> list[Any]:
    shape = [size if isinstance(size, (int, str)) else None for size in one.shape]
    return [one.name, TYPES.get(one.type, one.type), shape]


def session_options(threads: int) -> Any:
    """Threads sleep between runs. A plan of memory for each shape that was ever seen would be kept with the session."""
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


@lru_cache(maxsize=1)
def providers() -> tuple[str, ...]:
    """Tried once for each process."""
    if CUDA not in ort.get_available_providers():
        return (CPU,)
    try:
        session = ort.InferenceSession(SMALLEST, session_options(1), providers=[CUDA, CPU])
        works = CUDA in session.get_providers()
        works = works and session.run(None, {"x": np.ones(1, np.float32)})[0][0] == 2
    except Exception as error:  # noqa: BLE001  Drivers fail in every way there is.
        logger.warning("The graphics card is not used: %s", error)
        return (CPU,)
    if not works:
        logger.warning("The graphics card is not used: it does not compute.")
    return (CUDA, CPU) if works else (CPU,)


SMALLEST: Final = base64.b64decode(
    "CAgSADo1Cg4KAXgKAXgSAXkiA0FkZBIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0="
)
"""y = x + x, opset 13: what a card has to run before it is believed."""
