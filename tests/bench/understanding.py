"""What does it cost that models run in a process of their own, for jobs of a queue, whose results are rows?

A hundred files, from the message of each to its rows, by a real worker and a real model host; in turn the bare loop in
this process: the same files, decoded by the same code, through onnxruntime with as many threads, with
nothing written down.
The small real models are taken where they lie beside the clone, else the tiny ones of the tests, which cost next to
nothing.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import onnxruntime
from django.test import override_settings

from alcoves.embedded.processes import children_of
from media import dispatch, pipeline, runs
from media.derivers.registry import get_deriver
from media.models import Derivative, Library, Original
from media.tools import ffmpeg
from ml.audio_events.labels import read_labels
from ml.audio_events.tagger import Tagger
from ml.faces.arcface import Recogniser
from ml.faces.deriver import PICTURE_SIDE
from ml.faces.scrfd import Detector as FaceDetector
from ml.faces.seeing import Eyes
from ml.objects.deriver import decoded_side
from ml.objects.yolo import Detector
from ml.registry import table
from ml.runtime import places
from ml.runtime.client import Tensor
from ml.runtime.onnx import TYPES
from ml.runtime.shades import Shades
from ml.sampling import pictures, sound
from tests import ingesting
from tests.bench import machines
from tests.bench.measuring import Result, median
from tests.bench.photos import commented
from tests.conftest import SHARED
from tests.makers import make_image, make_tone
from tests.media.derivers.contexts import Run, run_of
from tests.ml import hosts
from tests.ml.graphs import faces, objects, sounds
from tests.workers import wait_until

Name: TypeAlias = Literal["faces", "objects", "sounds"]

MOST_TIMES: Final = 1.15
MOST_MORE: Final = 0.008
"""Seconds for each file, where that is more."""
REAL: Final = "tests.ml.registries.SHARED"
TINY: Final = {name: f"tests.ml.graphs.{name}.MODELS" for name in ("faces", "objects", "sounds")}
SWITCHES: Final = {"faces": "faces", "objects": "objects_on", "sounds": "audio_events"}
MOST_HOST_MB: Final = 180.0
"""Of the host at its peak, libraries included: twice what was measured (90) with the small models."""
WARM: Final = 4
"""Files that start the host and load the models before anything is timed."""


@dataclass(frozen=True, slots=True)
class Size:
    files: int = 100
    rounds: int = 3
    idle_seconds: float = 60


QUICK: Final = Size(files=30, rounds=2, idle_seconds=20)


def run(name: Name, size: Size, folder: Path) -> list[Result]:
    models, registry = models_of(name, folder / "models")
    with settings_of(name, models, registry, size, folder):
        home = machines.library()
        setattr(home, SWITCHES[name], True)
        home.save()
        sources = list(inputs_of(name, folder, size.files))
        batches = [taken(home, name, sources, number) for number in range(size.rounds)]
        warm = taken(home, name, sources[:WARM], size.rounds)
        contexts = [run_of(path, folder / f"scratch-{path.stem}") for path in sources]
        loop = LOOPS[name](models)
        loop(contexts[:WARM])
        with machines.worker(folder, **environment_of(name, models, registry, size)) as worker:
            made(name, warm)
            ours = [worker.popen.pid, *hosts.hosts()]
            rounds = [
                (timed([os.getpid()], loop, contexts), timed(ours, made, name, batch)) for batch in batches
            ]
            used = memory_when_idle(worker.popen.pid, size.idle_seconds)
    return [cost(name, size, rounds, registry), most_held(name, used, MOST_HOST_MB), given_back(name, used)]


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds on the clock, and those of processors: on a machine with other work only these can be compared."""

    clock: float
    processor: float


def cost(name: Name, size: Size, rounds: Sequence[tuple[Taken, Taken]], registry: str) -> Result:
    shares = [
        ours.clock / max(bare.clock * MOST_TIMES, bare.clock + MOST_MORE * size.files)
        for bare, ours in rounds
    ]

    def a_file(seconds: Iterable[float]) -> list[float]:
        return [round(one * 1000 / size.files, 1) for one in seconds]

    raw = {
        "files": size.files,
        "models": "small real ones" if registry == REAL else "tiny ones",
        "bare_ms_a_file": a_file(bare.clock for bare, _ in rounds),
        "ours_ms_a_file": a_file(ours.clock for _, ours in rounds),
        "ratios": [round(ours.clock / bare.clock, 3) for bare, ours in rounds],
        "bare_processor_ms_a_file": a_file(bare.processor for bare, _ in rounds),
        "ours_processor_ms_a_file": a_file(ours.processor for _, ours in rounds),
        "processor_ratios": [round(ours.processor / bare.processor, 3) for bare, ours in rounds],
    }
    return Result(name, median(shares), 1.0, higher_is_better=False, raw=raw)


def most_held(name: str, used: Mapping[str, float], most: float) -> Result:
    """However many files there are, a host holds its models and what one batch needs."""
    return Result(f"{name}-memory", used["peak_host_mb"], most, higher_is_better=False, raw=dict(used))


def given_back(name: str, used: Mapping[str, float]) -> Result:
    """Nothing of the models is left when nobody has asked for so long."""
    return Result(f"{name}-idle", used["idle_host_mb"], 0.0, higher_is_better=False, raw=dict(used))


def timed(processes: Collection[int], work: Callable[..., Any], *arguments: Any) -> Taken:
    began, used = time.monotonic(), sum(map(own_seconds, processes))
    work(*arguments)
    return Taken(time.monotonic() - began, sum(map(own_seconds, processes)) - used)


def own_seconds(process: int) -> float:
    """Of this process alone: the worker is a child of it."""
    return time.process_time() if process == os.getpid() else machines.cpu_seconds(process)


def models_of(name: Name, folder: Path) -> tuple[Path, str]:
    """The folder of the models, and the registry that has them."""
    folder.mkdir(exist_ok=True)
    if (SHARED / "models").is_dir():
        for model in (SHARED / "models").iterdir():
            (folder / model.name).symlink_to(model)
        return folder, REAL
    {"faces": faces, "objects": objects, "sounds": sounds}[name].write(folder)
    return folder, TINY[name]


@contextmanager
def settings_of(name: Name, models: Path, registry: str, size: Size, folder: Path) -> Iterator[None]:
    """In this process: the derivers of this bench alone, and where the worker's host is to be found."""
    from django.conf import settings

    derivers = {each: settings.DERIVERS[each] for each in ("metadata", name)}
    with override_settings(
        DERIVERS=derivers,
        MODELS_PATH=models,
        MODEL_REGISTRIES=[*settings.MODEL_REGISTRIES, registry],
        ML_HOST_PATH=folder / "data",
        ML_IDLE_SECONDS=float(size.idle_seconds),
    ):
        yield


def environment_of(name: Name, models: Path, registry: str, size: Size) -> dict[str, str]:
    """The same for the worker."""
    return {
        "ALCOVES_BENCH_DERIVERS": f"metadata {name}",
        "ALCOVES_MODELS_PATH": str(models),
        "ALCOVES_TEST_REGISTRIES": registry,
        "ALCOVES_ML_IDLE_SECONDS": str(size.idle_seconds),
    }


def inputs_of(name: Name, folder: Path, count: int) -> Iterator[Path]:
    """Files that differ by their number alone."""
    for number, content in enumerate(repeated(name, folder, count)):
        path = folder / f"{number:04}.{'wav' if name == 'sounds' else 'jpg'}"
        path.write_bytes(numbered(content, number))
        yield path


def repeated(name: Name, folder: Path, count: int) -> list[bytes]:
    if name == "sounds":
        drawn = [recording(folder / "sound.wav")]
    elif (SHARED / "media" / name).is_dir():
        drawn = [path.read_bytes() for path in sorted((SHARED / "media" / name).glob("*.jpg"))]
    else:
        drawn = [make_image(folder / "drawn.jpg", scene_of(name), quality=95).read_bytes()]
    return [drawn[number % len(drawn)] for number in range(count)]


def recording(path: Path) -> bytes:
    real = SHARED / "media" / "audio" / "speech_dog_guitar_22s.flac"
    if real.exists():
        ffmpeg.run(["-i", real, path], timeout=60)
        return path.read_bytes()
    return make_tone(path, seconds=22, rate=sounds.RATE).read_bytes()


def scene_of(name: Name) -> Any:
    if name == "faces":
        return faces.scene([(faces.RED, (100, 100, 120)), (faces.GREEN, (420, 200, 120))])
    return objects.scene([(objects.RED, (32, 18, 96, 90))], size=(640, 480))


def numbered(content: bytes, number: int) -> bytes:
    """A comment in a JPEG, a chunk that nobody reads after the sound of a WAV."""
    if content[:2] == b"\xff\xd8":
        return commented(content, number)
    return content + b"junk" + (8).to_bytes(4, "little") + number.to_bytes(8, "little")


def taken(home: Library, name: Name, sources: Sequence[Path], number: int) -> list[Derivative]:
    """Files with their metadata, and the rows that are to be made: nobody has been told of them yet."""
    keys = []
    for path in sources:
        content = numbered(path.read_bytes(), 1_000_000 + number)
        keys.append(ingesting.take_in(home, content, path.name).file.original_id)
    for key in Derivative.objects.filter(original__in=keys, deriver="metadata").values_list("pk", flat=True):
        runs.run(key)
    about = get_deriver(name)
    planned = [pipeline.Planned(about.name, about.queue)]
    for original in Original.objects.filter(pk__in=keys):
        pipeline.create_rows(original, planned)
    dispatch.redis_client().flushdb()
    return list(Derivative.objects.filter(original__in=keys, deriver=name))


def made(name: Name, rows: Sequence[Derivative]) -> None:
    """From the queue to the rows."""
    keys = [row.pk for row in rows]
    dispatch.publish([(row.pk, row.queue) for row in rows], force=True)
    mine = Derivative.objects.filter(pk__in=keys)
    # Keys that were made one after the other: who looks often must not look for a hundred of them.
    batch = Derivative.objects.filter(deriver=name, pk__range=(min(keys), max(keys)))
    open_ones = batch.filter(error_code="").exclude(status="ready")
    wait_until(lambda: not open_ones.exists(), 240, f"{len(keys)} {name}")
    troubles = list(mine.exclude(error_code="").values_list("error_message", "error_detail"))
    assert not troubles, troubles


def memory_of(worker: int) -> dict[str, float]:
    """The most that the host ever had, the most of the largest child, and the whole worker as it is."""
    children = [machines.memory(pid, "VmHWM") for pid in children_of(worker)]
    return {
        "peak_host_mb": round(max(machines.memory(pid, "VmHWM") for pid in hosts.hosts()), 1),
        "peak_child_mb": round(max(children), 1),
        "worker_mb": round(machines.proportional_memory(worker), 1),
    }


def memory_when_idle(worker: int, idle_seconds: float) -> dict[str, float]:
    """The same, and what is left when nobody has asked for so long."""
    used = memory_of(worker)
    began = time.monotonic()
    wait_until(lambda: not hosts.hosts(), idle_seconds + 30, "the host has given all back")
    used["seconds_until_given_back"] = round(time.monotonic() - began, 1)
    used["idle_host_mb"] = round(sum(machines.memory(pid, "VmRSS") for pid in hosts.hosts()), 1)
    used["idle_worker_mb"] = round(machines.proportional_memory(worker), 1)
    return used


class Direct:
    """A graph in onnxruntime in this process; looks like `ml.runtime.client.OnnxModel`.

    As many threads as the host takes, which sleep in between as there: by default they spin, and whoever measures the
    processor would measure that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = places.current().options.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = self.told(self.session.get_inputs())
        self.outputs = self.told(self.session.get_outputs())
        self.metadata = self.session.get_modelmeta().custom_metadata_map
        self.batches = not isinstance(self.inputs[0].shape[0], int)

    def told(self, found: Sequence[Any]) -> tuple[Tensor, ...]:
        return tuple(Tensor(one.name, TYPES[one.type], tuple(one.shape)) for one in found)

    def run(
        self, feeds: Mapping[str, Any], *, urgent: bool = False, outputs: Sequence[str] = ()
    ) -> dict[str, Any]:
        names = list(outputs) or [one.name for one in self.outputs]
        numbers = {name: feed.floats() if isinstance(feed, Shades) else feed for name, feed in feeds.items()}
        return dict(zip(names, self.session.run(names, numbers), strict=True))


Loop: TypeAlias = Callable[[Sequence[Run]], None]


def direct(name: Name, role: str, models: Path) -> Any:
    return Direct(models / table.default_of(name).file(role).name)


def face_loop(models: Path) -> Loop:
    eyes = Eyes(
        FaceDetector(direct("faces", "detector", models)),
        Recogniser(direct("faces", "recogniser", models)),
        0.28,
    )

    def loop(contexts: Sequence[Run]) -> None:
        for context in contexts:
            eyes.faces(pictures.upright(context, PICTURE_SIDE))

    return loop


def object_loop(models: Path) -> Loop:
    detector = Detector(direct("objects", "model", models))

    def loop(contexts: Sequence[Run]) -> None:
        for context in contexts:
            side = decoded_side(context.subject, detector.side)
            detector.find([pictures.upright(context, side)], 0.25, 100)

    return loop


def sound_loop(models: Path) -> Loop:
    spec = table.default_of("sounds")
    labels = read_labels(models / spec.file("labels").name)
    tagger = Tagger(direct("sounds", "model", models), labels, int(spec.options["sample_rate"]))

    def loop(contexts: Sequence[Run]) -> None:
        for context in contexts:
            tagger.hear(list(sound.blocks(context, 0, tagger.rate, 10.0)), 0.2, 5)

    return loop


LOOPS: Final[Mapping[str, Callable[[Path], Loop]]] = {
    "faces": face_loop,
    "objects": object_loop,
    "sounds": sound_loop,
}
