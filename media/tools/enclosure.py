"""Decoders that get a process of their own: camera RAW, PDF and what only ImageMagick reads.

Their libraries parse hostile files in C, cannot be told to stop, and two of them may not be used by two threads at
once. A child (`media.tools.enclosed`) costs about 0.1 s and answers all of it: it has limits on memory and time, a
crash in it is an error here, it can be killed, no lock is needed, and its memory is given back when it ends.
"""

import json
import signal
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from media.errors import (
    DamagedFileError,
    InfrastructureError,
    MediaError,
    TooLargeError,
    UnsupportedTypeError,
)
from media.tools import enclosed
from media.tools import run as door
from media.tools.run import Limits

GIGABYTE: Final = 1024**3
MOST_ANSWER: Final = 2 * GIGABYTE
"""Bytes. Each door has checked the pixels it asks for; this only ends what cannot be."""
REPORT_TIMEOUT: Final = 30.0

REASONS: Final[dict[str, tuple[type[MediaError], str, str]]] = {
    "damaged": (
        DamagedFileError,
        "damaged_file",
        "The file is damaged and cannot be decoded. Upload it again.",
    ),
    "unsupported": (
        UnsupportedTypeError,
        "decoder_missing",
        "This machine has no decoder for this kind of picture. Convert it to JPEG, PNG or DNG.",
    ),
    "password": (
        DamagedFileError,
        "password_needed",
        "The document opens with a password only. Upload it without one to see its first page.",
    ),
    "memory": (
        TooLargeError,
        "needs_too_much_memory",
        "The picture needs more memory than a decoder may take. Make it smaller.",
    ),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a decoder says of a file, and the bytes that go with it."""

    facts: dict[str, Any]
    data: memoryview


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Pixels of 8 bits a band, rows from the top."""

    data: memoryview
    width: int
    height: int
    bands: int


def ask(step: str, path: Path, *words: str, timeout: float, memory: int) -> Answer:
    """Run one step on a file. `memory` in bytes of address space.

    Raises DamagedFileError, UnsupportedTypeError, TooLargeError, TimedOutError, InfrastructureError.
    """
    if not path.exists():
        raise InfrastructureError(
            f"The file {path.name} is not there any more. Try again.", code="source_missing"
        )
    return take(step, str(path), *words, timeout=timeout, memory=memory)


@lru_cache(maxsize=1)
def report() -> dict[str, Any]:
    """Which libraries are on this machine: name -> version or formats, or None and the reason as `name_error`."""
    return take("report", timeout=REPORT_TIMEOUT, memory=2 * GIGABYTE).facts


def take(step: str, *words: str, timeout: float, memory: int) -> Answer:
    done = door.run(
        [sys.executable, "-I", enclosed.__file__, step, *words],
        timeout=timeout,
        limits=Limits(memory_bytes=memory, file_bytes=GIGABYTE, cpu_seconds=max(1, int(timeout))),
        stdout_limit=MOST_ANSWER,
        check=False,
    )
    if done.returncode != 0:
        raise fallen(done.returncode, done.stderr_tail)
    line, _, rest = done.stdout.partition(b"\n")
    facts = json.loads(line)
    if "error" in facts:
        family, code, sentence = REASONS[facts["error"]]
        raise family(sentence, code=code, detail=facts["detail"])
    return Answer(facts, memoryview(rest))


def fallen(code: int, tail: str) -> MediaError:
    """A decoder that ended without an answer: mostly a file made to crash it, or memory that ran out."""
    if "MemoryError" in tail or "bad_alloc" in tail or "Cannot allocate" in tail or -code == signal.SIGKILL:
        family, word, sentence = REASONS["memory"]
        return family(sentence, code=word, detail=tail)
    return DamagedFileError(
        "The file breaks its decoder, so it is not shown. Export it anew and upload that.",
        code="decoder_crashed",
        detail=f"exit {code}: {tail}",
    )


def bitmap_of(answer: Answer) -> Bitmap:
    width, height, bands = answer.facts["shape"]
    if len(answer.data) != width * height * bands:
        raise DamagedFileError("The picture is damaged and cannot be decoded. Upload it again.")
    return Bitmap(answer.data, width, height, bands)
