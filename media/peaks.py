"""Pure: from samples to the peaks that are drawn under a timeline, in levels and two forms, written as they come.

Each window of 320 samples gives its largest absolute value, clamped to 0..1. Nothing is normalised: quiet stays
quiet. Level 0 has 50 peaks a second; each further level has the largest of four peaks of the one before, until
about 2,000 are left for the whole recording. All levels are made in one pass: ten hours need no more memory than
ten seconds.

    waveform.json, waveform-1.json ...   the JSON of the reference, at every level
    waveform.bin,  waveform-1.bin  ...   a header of 24 bytes, then one signed byte (0 to 127) for each peak

The header, little-endian: magic `ALWF`, version (2 bytes), length of the header (2), sample rate (4), samples of
each peak (4), number of peaks (4), duration in milliseconds (4).
"""

import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 16_000
PEAKS_PER_SECOND: Final = 50
WINDOW: Final = SAMPLE_RATE // PEAKS_PER_SECOND
FACTOR: Final = 4
ENOUGH: Final = 2_000
"""Peaks that draw at once and fill any screen; a level with more has a coarser one beside it."""

STEPS: Final = 10_000
"""A peak is held as a whole number of these: four places, as the JSON tells them."""

MAGIC: Final = b"ALWF"
VERSION: Final = 1
HEADER: Final = struct.Struct("<4sHHIIII")
LOUDEST: Final = 127

Steps: TypeAlias = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Written:
    """One level on disk, in both forms."""

    level: int
    samples_per_peak: int
    peaks: int
    json: Path
    binary: Path


def name_of(level: int, form: str) -> str:
    """Of the output: 'waveform.json' for level 0 as JSON, 'waveform-2.bin' for level 2 as bytes."""
    return f"waveform-{level}.{form}" if level else f"waveform.{form}"


class Peaks:
    """Fed with blocks of samples; `end` closes the files and tells what is in them."""

    def __init__(self, folder: Path) -> None:
        self.finest = Level(folder, 0)
        self.samples = 0

    @property
    def duration(self) -> float:
        return round(self.samples / SAMPLE_RATE, 6)

    @property
    def count(self) -> int:
        return self.finest.count

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Whole windows, except at the very end: the rest of a last window is a window too."""
        self.samples += len(samples)
        self.finest.feed(peaks_of(samples))

    def end(self) -> tuple[Written, ...]:
        return tuple(self.finest.end(self.duration))

    def close(self) -> None:
        """After an error: the files are left as they are."""
        self.finest.close()


class Level:
    """One level: writes what it gets, and hands the largest of each four to the next, once there must be one."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        self.number = number
        self.count = 0
        self.coarser: Level | None = None
        self.early: list[Steps] = []
        self.rest: Steps = np.zeros(0, dtype=np.int16)
        self.json = (folder / name_of(number, "json")).open("w", encoding="ascii")
        self.binary = (folder / name_of(number, "bin")).open("wb")
        self.json.write('{"peaks": [')
        self.binary.write(bytes(HEADER.size))

    @property
    def samples_per_peak(self) -> int:
        return int(WINDOW * FACTOR**self.number)

    def feed(self, peaks: Steps) -> None:
        if not len(peaks):
            return
        texts = texts_of_peaks()
        self.json.write((", " if self.count else "") + ", ".join([texts[peak] for peak in peaks.tolist()]))
        self.binary.write(as_bytes(peaks))
        self.count += len(peaks)
        if self.coarser is not None:
            self.pass_on(self.coarser, peaks)
            return
        self.early.append(peaks)
        if self.count > ENOUGH:
            self.coarser = Level(self.folder, self.number + 1)
            self.pass_on(self.coarser, np.concatenate(self.early))
            self.early.clear()

    def pass_on(self, coarser: "Level", peaks: Steps) -> None:
        peaks = np.concatenate((self.rest, peaks))
        whole = len(peaks) // FACTOR * FACTOR
        self.rest = peaks[whole:].copy()
        coarser.feed(peaks[:whole].reshape(-1, FACTOR).max(axis=1))

    def end(self, duration: float) -> list[Written]:
        """Closes this level and all coarser ones."""
        if self.coarser is not None and len(self.rest):
            self.coarser.feed(self.rest.max(keepdims=True))
        per_second = SAMPLE_RATE / self.samples_per_peak
        told = {
            "peaksPerSecond": int(per_second) if per_second.is_integer() else per_second,
            "sampleRate": SAMPLE_RATE,
            "duration": duration,
        }
        self.json.write("], " + json.dumps(told)[1:])
        self.binary.seek(0)
        self.binary.write(
            HEADER.pack(
                *(MAGIC, VERSION, HEADER.size, SAMPLE_RATE),
                *(self.samples_per_peak, self.count, round(duration * 1000)),
            )
        )
        coarser, self.coarser = self.coarser, None
        self.close()
        written = Written(
            self.number, self.samples_per_peak, self.count, Path(self.json.name), Path(self.binary.name)
        )
        return [written, *(coarser.end(duration) if coarser else [])]

    def close(self) -> None:
        self.json.close()
        self.binary.close()
        if self.coarser is not None:
            self.coarser.close()


def peaks_of(samples: NDArray[np.float32]) -> Steps:
    """The largest absolute value of each window, clamped, in steps. A broken sample (NaN) is silence."""
    loud = np.abs(samples)
    whole = len(loud) // WINDOW * WINDOW
    peaks = np.fmax.reduce(loud[:whole].reshape(-1, WINDOW), axis=1)
    if whole < len(loud):
        peaks = np.append(peaks, np.fmax.reduce(loud[whole:]))
    clamped = np.clip(np.nan_to_num(peaks, nan=0.0, posinf=1.0), 0.0, 1.0)
    steps: Steps = np.rint(clamped.astype(np.float64) * STEPS).astype(np.int16)
    return steps


def as_bytes(peaks: Steps) -> bytes:
    """0 to 127, rounded."""
    return bytes(((peaks.astype(np.int32) * LOUDEST + STEPS // 2) // STEPS).astype(np.int8))


@cache
def texts_of_peaks() -> tuple[str, ...]:
    """How JSON writes each of the 10,001 peaks there can be: formatting millions of floats is what takes time."""
    return tuple(json.dumps(step / STEPS) for step in range(STEPS + 1))
