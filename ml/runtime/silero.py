"""Silero's voice detection as whisper.cpp has it: where in some sound somebody speaks. Only the host imports this.

`pywhispercpp` 1.5 names these functions and cannot hand over what they return ("Unregistered type"), and inside
`whisper_full` they run with four threads, whatever the machine has, and leave the times of words unmapped. So they are
called in the library itself, which the binding has loaded. Structures are those of whisper.h of whisper.cpp 1.8;
`defaults` looks whether they are still the same.
"""

import ctypes
import os
import threading
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import _pywhispercpp as cpp
import numpy as np
from numpy.typing import NDArray

from ml.runtime import ggml
from ml.runtime.failing import FailedError, UnusableError

Samples: TypeAlias = NDArray[np.float32]
HUNDREDTHS: Final = 100.0
LIBRARY: Final = "libwhisper"


class ContextParams(ctypes.Structure):
    """whisper_vad_context_params"""

    _fields_ = (("n_threads", c_int), ("use_gpu", c_bool), ("gpu_device", c_int))


class Params(ctypes.Structure):
    """whisper_vad_params"""

    _fields_ = (
        ("threshold", c_float),
        ("min_speech_duration_ms", c_int),
        ("min_silence_duration_ms", c_int),
        ("max_speech_duration_s", c_float),
        ("speech_pad_ms", c_int),
        ("samples_overlap", c_float),
    )


class Detector:
    """One model. One run at a time: it has one state. One thread, because its steps are too small for more."""

    def __init__(self, path: Path) -> None:
        self.guard = threading.Lock()
        ggml.check_voices(path)
        self.context = library().whisper_vad_init_from_file_with_params(
            os.fsencode(path), ContextParams(n_threads=1, use_gpu=False, gpu_device=0)
        )
        if not self.context:
            raise UnusableError("whisper.cpp does not load it as a model of voice detection.")

    def __del__(self) -> None:
        if getattr(self, "context", None):
            library().whisper_vad_free(self.context)

    def spans(self, samples: Samples) -> list[tuple[float, float]]:
        """In seconds, in order. None: nobody speaks. Mono, 16 kHz."""
        whisper = library()
        solid = np.ascontiguousarray(samples, dtype=np.float32)
        with self.guard:
            if not whisper.whisper_vad_detect_speech(
                self.context, solid.ctypes.data_as(POINTER(c_float)), len(solid)
            ):
                raise FailedError("The voice detection has failed.")
            found = whisper.whisper_vad_segments_from_probs(self.context, defaults())
            if not found:
                raise FailedError("The voice detection has failed.")
            try:
                return [
                    (
                        whisper.whisper_vad_segments_get_segment_t0(found, number) / HUNDREDTHS,
                        whisper.whisper_vad_segments_get_segment_t1(found, number) / HUNDREDTHS,
                    )
                    for number in range(whisper.whisper_vad_segments_n_segments(found))
                ]
            finally:
                whisper.whisper_vad_free_segments(found)


@lru_cache(maxsize=1)
def defaults() -> Params:
    """Those of whisper.cpp. UnusableError where the binding tells others: then the structure is another one."""
    ours: Params = library().whisper_vad_default_params()
    theirs = cpp.whisper_vad_default_params()
    if any(getattr(ours, name) != getattr(theirs, name) for name, _ in Params._fields_):
        raise UnusableError("This whisper.cpp has another interface for voice detection.")
    return ours


@lru_cache(maxsize=1)
def library() -> Any:
    """The library that the binding has loaded: its name changes with each build."""
    with Path("/proc/self/maps").open(encoding="utf-8", errors="replace") as maps:
        paths = {line.split(maxsplit=5)[-1].strip() for line in maps if LIBRARY in line}
    whisper = ctypes.CDLL(min(paths))
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "whisper_vad_init_from_file_with_params": (c_void_p, (c_char_p, ContextParams)),
        "whisper_vad_default_params": (Params, ()),
        "whisper_vad_detect_speech": (c_bool, (c_void_p, POINTER(c_float), c_int)),
        "whisper_vad_segments_from_probs": (c_void_p, (c_void_p, Params)),
        "whisper_vad_segments_n_segments": (c_int, (c_void_p,)),
        "whisper_vad_segments_get_segment_t0": (c_float, (c_void_p, c_int)),
        "whisper_vad_segments_get_segment_t1": (c_float, (c_void_p, c_int)),
        "whisper_vad_free_segments": (None, (c_void_p,)),
        "whisper_vad_free": (None, (c_void_p,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(whisper, name)
        function.restype, function.argtypes = result, arguments
    return whisper
