"""One waveform in a process that loads only what a worker's does: tells the most memory that it and its ffmpeg had.

`python -m tests.bench.peaks_alone SOURCE PROBE FOLDER`, started by `tests.bench.peaks`. Nothing of the tests' own
(pytest alone is 13 MB) may be imported here.
"""

import json
import re
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from media.derivers.base import FinishedPart, Ready
from media.derivers.waveform import WaveformDeriver
from media.subject import Subject


@dataclass
class Alone:
    """Fulfils the Context protocol for a source in a file."""

    path: Path
    scratch: Path
    subject: Subject
    variant: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[FinishedPart] = ()

    def open_source(self, start: int = 0, end: int | None = None) -> BinaryIO:
        raise AssertionError("A waveform reads its source through ffmpeg.")

    def source_path(self) -> Path:
        return self.path

    def source_input(self) -> Path:
        return self.path

    def progress(self, percent: float, eta_seconds: float | None = None) -> None:
        """Nobody looks."""

    def check(self) -> None:
        """Nobody stops it."""

    def abandoned(self) -> bool:
        return False


def main(source: Path, probe: Path, scratch: Path) -> None:
    told = json.loads(probe.read_text(encoding="utf-8"))
    subject = Subject("audio", "audio/mp4", source.stat().st_size, told)
    began = time.perf_counter()
    result = WaveformDeriver().derive(Alone(source, scratch, subject))
    took = time.perf_counter() - began
    assert isinstance(result, Ready)
    # What a process starts with by its parent counts as the child's own, so this is rather too much.
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "waveform_mb": round(own_peak_mb(), 1),
                "ffmpeg_mb": round(theirs, 1),
                "seconds": round(took, 1),
                "peaks": result.facts["peaks"],
                "peaks_of_each_level": [level["peaks"] for level in result.facts["levels"]],
            }
        )
    )


def own_peak_mb() -> float:
    """Not by getrusage, which remembers the memory of the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
