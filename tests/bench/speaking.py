"""What do the queue, the model host, the blocks, the guards and the rows cost beside whisper.cpp itself?

A recording of some minutes from its message to its rows, by a real worker and a real model host; in turn pywhispercpp
alone on the same file in this process: decoded at once, one call, as many threads, nothing written down.

The model has the size of whisper's tiny one, and says the same to every half minute: what a model finds hard makes it
try again and again, and no two runs would cost the same. No voice detection: both hear all of the sound.
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
from ml.models import LibraryLanguage, TranscriptSegment
from ml.sampling import sound
from ml.transcription import blocks
from tests import ingesting
from tests.bench import machines, reels, understanding
from tests.bench.measuring import Result, median
from tests.makers import make_tone
from tests.media.derivers.contexts import run_of
from tests.ml.graphs import speech
from tests.workers import wait_until

MOST_TIMES: Final = 1.15
MOST_HOST_MB: Final = 325.0
"""Of the host at its peak, libraries included: twice what was measured (163) with this model of 63 MB."""
AS_TINY: Final = 384
REGISTRY: Final = "tests.ml.graphs.speech.SAYS_HELLO"
NAME: Final = "transcript"
LANGUAGE: Final = "en"
"""Told to both: to find it out costs a window more."""


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float = 600
    rounds: int = 5


QUICK: Final = Size(seconds=300, rounds=3)


def run(size: Size, folder: Path) -> list[Result]:
    models = models_of(folder / "models")
    with settings_of(models, folder):
        home = machines.library()
        home.transcripts = True
        home.save()
        LibraryLanguage.objects.create(library=home, language=LANGUAGE)
        source = make_tone(folder / "talk.m4a", seconds=size.seconds, amplitude=0.3)
        whisper = Whisper(models)
        rows = [taken(home, source, number) for number in range(size.rounds + 1)]
        with machines.worker(folder, **environment_of(models)) as worker:
            rounds = [
                (
                    reels.seconds_of(partial(whisper.alone, source, folder / f"alone-{number}")),
                    reels.seconds_of(partial(made, row)),
                )
                for number, row in enumerate(rows)
            ][1:]  # The first one warms up, and loads the model.
            used = understanding.memory_of(worker.popen.pid)
    return [cost(size, whisper.heard, rounds), understanding.most_held("speech", used, MOST_HOST_MB)]


def cost(size: Size, heard: int, rounds: Sequence[tuple[float, float]]) -> Result:
    times = [ours / alone for alone, ours in rounds]
    raw = {
        "source": f"{size.seconds:g} s of AAC",
        "alone_seconds": [round(alone, 2) for alone, _ in rounds],
        "ours_seconds": [round(ours, 2) for _, ours in rounds],
        "ratios": [round(each, 3) for each in times],
        "segments_heard_alone": heard,
        "segments": TranscriptSegment.objects.count() // (len(rounds) + 1),
    }
    return Result("speech", median(times), MOST_TIMES, higher_is_better=False, raw=raw)


class Whisper:
    """pywhispercpp as it comes, the model loaded."""

    def __init__(self, models: Path) -> None:
        threads = len(os.sched_getaffinity(0))
        self.heard = 0
        self.model = Model(
            str(models / speech.NAME),
            n_threads=threads,
            print_progress=False,
            redirect_whispercpp_logs_to=None,
        )

    def alone(self, source: Path, scratch: Path) -> None:
        """The whole file: decoded, then heard by one call, with the times of words and nothing of the text before.

        With the text before, which ours never gives, it would try most half minutes again and again.
        """
        pieces = list(sound.blocks(run_of(source, scratch), 0, blocks.RATE, 30.0))
        found = self.model.transcribe(
            np.concatenate(pieces),
            language=LANGUAGE,
            token_timestamps=True,
            no_context=True,
            n_max_text_ctx=0,
        )
        self.heard = len(found)


def models_of(folder: Path) -> Path:
    """The folder of the model."""
    folder.mkdir(exist_ok=True)
    speech.make_whisper(folder / speech.NAME, state=AS_TINY)
    return folder


@contextmanager
def settings_of(models: Path, folder: Path) -> Iterator[None]:
    """In this process: the deriver of this bench alone, and where the worker's host is to be found."""
    from django.conf import settings

    derivers = {each: settings.DERIVERS[each] for each in ("metadata", NAME)}
    with override_settings(
        DERIVERS=derivers,
        MODELS_PATH=models,
        MODEL_REGISTRIES=[*settings.MODEL_REGISTRIES, REGISTRY],
        ML_HOST_PATH=folder / "data",
    ):
        yield


def environment_of(models: Path) -> dict[str, str]:
    """The same for the worker."""
    return {
        "ALCOVES_BENCH_DERIVERS": f"metadata {NAME}",
        "ALCOVES_MODELS_PATH": str(models),
        "ALCOVES_TEST_REGISTRIES": REGISTRY,
    }


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
