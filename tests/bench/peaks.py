"""Does the waveform take longer than ffmpeg needs for its samples, and what memory do ten hours take?

The deriver and a bare ffmpeg, which makes the same 16 kHz float samples and throws them away, in turn on the same AAC.
For the memory the deriver runs in a process of its own (`tests.bench.peaks_alone`), which tells the most that it and
its ffmpeg ever had: ten hours of AAC, a short piece repeated without encoding it again.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from media.derivers.base import Ready
from media.derivers.waveform import WaveformDeriver
from media.tools import ffmpeg
from tests.bench import reels
from tests.bench.measuring import Result, median
from tests.media.derivers.contexts import Run, run_of
from tests.workers import PROJECT

MOST_TIMES = 1.25
MOST_MB = 150.0


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float = 1200
    rounds: int = 7
    long_seconds: float = 36_000


QUICK = Size(rounds=3, long_seconds=3600)


def run(size: Size, folder: Path) -> list[Result]:
    source = reels.recording(folder / "talk.m4a", size.seconds)
    ours, theirs = [], []
    for number in range(size.rounds + 1):
        theirs.append(reels.seconds_of(partial(bare, source)))
        ours.append(reels.seconds_of(partial(make, run_of(source, folder / f"round-{number}"))))
    times = [one / other for one, other in zip(ours[1:], theirs[1:], strict=True)]  # The first one warms up.
    raw = {
        "source": f"{size.seconds:g} s of AAC in stereo",
        "bare_seconds": [round(each, 2) for each in theirs[1:]],
        "waveform_seconds": [round(each, 2) for each in ours[1:]],
        "ratios": [round(each, 3) for each in times],
    }
    speed = Result("waveform", median(times), MOST_TIMES, higher_is_better=False, raw=raw)
    return [speed, memory(size, folder)]


def bare(source: Path) -> None:
    """The same ffmpeg through the same door: only what is done with the samples differs."""
    arguments = [*ffmpeg.input_arguments(source, "mov"), "-map", "0:0", "-vn", "-sn", "-dn"]
    samples = ["-ac", "1", "-ar", "16000", "-c:a", "pcm_f32le", "-f", "null", "-"]
    ffmpeg.run([*arguments, *samples], timeout=600)


def make(run: Run) -> Ready:
    result = WaveformDeriver().derive(run)
    assert isinstance(result, Ready)
    return result


def memory(size: Size, folder: Path) -> Result:
    source = reels.recording(folder / "long.m4a", size.long_seconds)
    scratch, probe = folder / "long", folder / "probe.json"
    # The headers are read by another run, so not in the process that is measured.
    probe.write_text(json.dumps(run_of(source, scratch).subject.probe), encoding="utf-8")
    command = [sys.executable, "-m", "tests.bench.peaks_alone", *map(str, (source, probe, scratch))]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    both = told["waveform_mb"] + told["ffmpeg_mb"]
    raw = {"source": f"{size.long_seconds / 3600:g} h of AAC in stereo", **told}
    return Result("waveform-memory", both, MOST_MB, higher_is_better=False, raw=raw)
