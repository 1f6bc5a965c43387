"""What do the queue, the model host, the blocks, the guards and the rows cost beside whisper.cpp itself?

A recording of some minutes from its message to its rows, by a real worker and a real model host; in turn pywhispercpp
alone on the same file in this process: decoded at once, one call, as many threads, nothing written down. Ours listens
for voices first and leaves long pauses out; how long pywhispercpp takes with its own detection is told too. The small
real models are taken where they lie beside the clone, else the tiny one of the tests.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from django.test import override_settings
from pywhispercpp.model import Model

from media import dispatch, pipeline, runs
from media.derivers.registry import get_deriver
from media.models import Derivative, Library, Original
from media.tools import ffmpeg
from ml.models import TranscriptSegment
from ml.registry import table
from ml.sampling import sound
from ml.transcription import blocks
from tests import ingesting
from tests.bench import machines, reels
from tests.bench.measuring import Result, median
from tests.conftest import SHARED
from tests.makers import make_tone
from tests.media.derivers.contexts import run_of
from tests.ml import hosts
from tests.ml.graphs import speech
from tests.workers import wait_until

MOST_TIMES: Final = 1.15
REAL: Final = "tests.ml.registries.SHARED"
TINY: Final = "tests.ml.graphs.speech.SAYS_HELLO"
NAME: Final = "transcript"


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float = 600
    rounds: int = 5


QUICK: Final = Size(seconds=300, rounds=3)


def run(size: Size, folder: Path) -> list[Result]:
    models, registry = models_of(folder / "models")
    with settings_of(models, registry, folder):
        home = machines.library()
        home.transcripts = True
        home.save()
        source = recording(folder, size.seconds)
        whisper = Whisper(models)
        rows = [taken(home, source, number) for number in range(size.rounds + 1)]
        with machines.worker(folder, **environment_of(models, registry)):
            rounds = [
                (
                    reels.seconds_of(partial(whisper.alone, source, folder / f"alone-{number}")),
                    reels.seconds_of(partial(made, row)),
                )
                for number, row in enumerate(rows)
            ][1:]  # The first one warms up, and loads the model.
            peak = max(machines.memory(pid, "VmHWM") for pid in hosts.hosts())
        detecting = reels.seconds_of(partial(whisper.alone, source, folder / "detecting", detect=True))
    return [
        cost(size, rounds, registry, {"alone_with_its_own_detection": round(detecting, 2), "host_mb": peak})
    ]


def cost(size: Size, rounds: Sequence[tuple[float, float]], registry: str, more: dict[str, float]) -> Result:
    times = [ours / alone for alone, ours in rounds]
    raw = {
        "source": f"{size.seconds:g} s of AAC",
        "models": "small real ones" if registry == REAL else "a tiny one",
        "alone_seconds": [round(alone, 2) for alone, _ in rounds],
        "ours_seconds": [round(ours, 2) for _, ours in rounds],
        "ratios": [round(each, 3) for each in times],
        "segments": TranscriptSegment.objects.count() // (len(rounds) + 1),
        **more,
    }
    return Result("speech", median(times), MOST_TIMES, higher_is_better=False, raw=raw)


class Whisper:
    """pywhispercpp as it comes, the model loaded."""

    def __init__(self, models: Path) -> None:
        spec = table.default_of("speech")
        self.vad = next((str(models / file.name) for file in spec.files if file.role == "vad"), None)
        threads = len(os.sched_getaffinity(0))
        self.model = Model(
            str(models / spec.file("model").name),
            n_threads=threads,
            print_progress=False,
            redirect_whispercpp_logs_to=None,
        )

    def alone(self, source: Path, scratch: Path, *, detect: bool = False) -> None:
        """The whole file: decoded, then heard by one call, with the times of words as ours."""
        pieces = list(sound.blocks(run_of(source, scratch), 0, blocks.RATE, 30.0))
        detection = {"vad": True, "vad_model_path": self.vad} if detect and self.vad else {"vad": False}
        self.model.transcribe(np.concatenate(pieces), language="en", token_timestamps=True, **detection)


def models_of(folder: Path) -> tuple[Path, str]:
    """The folder of the models, and the registry that has them."""
    folder.mkdir(exist_ok=True)
    if (SHARED / "models").is_dir():
        for model in (SHARED / "models").iterdir():
            (folder / model.name).symlink_to(model)
        return folder, REAL
    speech.make_whisper(folder / speech.NAME)
    return folder, TINY


@contextmanager
def settings_of(models: Path, registry: str, folder: Path) -> Iterator[None]:
    """In this process: the deriver of this bench alone, and where the worker's host is to be found."""
    from django.conf import settings

    derivers = {each: settings.DERIVERS[each] for each in ("metadata", NAME)}
    with override_settings(
        DERIVERS=derivers,
        MODELS_PATH=models,
        MODEL_REGISTRIES=[*settings.MODEL_REGISTRIES, registry],
        ML_HOST_PATH=folder / "data",
    ):
        yield


def environment_of(models: Path, registry: str) -> dict[str, str]:
    """The same for the worker."""
    return {
        "ALCOVES_BENCH_DERIVERS": f"metadata {NAME}",
        "ALCOVES_MODELS_PATH": str(models),
        "ALCOVES_TEST_REGISTRIES": registry,
    }


def recording(folder: Path, seconds: float) -> Path:
    """Speech with a second of silence after each time, or a tone."""
    path, real = folder / "talk.m4a", SHARED / "media" / "audio" / "jfk.wav"
    if not real.exists():
        return make_tone(path, seconds=seconds, amplitude=0.3)
    again = f"apad=pad_dur=1,aloop=loop=-1:size=192000,atrim=end={seconds:g}"
    ffmpeg.run(["-i", real, "-af", again, path], timeout=120)
    return path


def taken(home: Library, source: Path, number: int) -> Derivative:
    """A file that differs by its number, with its metadata, and the row that is to be made."""
    copy = source.with_name(f"talk-{number}.m4a")
    ffmpeg.run(["-i", source, "-c", "copy", "-metadata", f"comment={number}", copy], timeout=60)
    key = ingesting.take_in(home, copy, copy.name).file.original_id
    runs.run(Derivative.objects.get(original=key, deriver="metadata").pk)
    about = get_deriver(NAME)
    pipeline.create_rows(Original.objects.get(pk=key), [pipeline.Planned(about.name, about.queue)])
    dispatch.redis_client().flushdb()
    row: Derivative = Derivative.objects.get(original=key, deriver=NAME)
    return row


def made(row: Derivative) -> None:
    """From the queue to the rows."""
    dispatch.publish([(row.pk, row.queue)], force=True)
    done: Any = Derivative.objects.filter(pk=row.pk, status="ready")
    wait_until(done.exists, 900, "the transcript")
