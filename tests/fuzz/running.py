"""A fuzz run: children side by side, each with the next mutated file; what they say, and what kills them."""

import contextlib
import json
import random
import select
import shutil
import statistics
import subprocess  # noqa: TID251  The children must be able to die alone.
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.fuzz.mutating import Stock, mutated
from tests.workers import PROJECT

STEPS = ("metadata", "transform")
OF_FILMS = ("metadata", "derivers")
GRACE = 10.0
"""Seconds beyond the limit that is given to the work itself: to be slow to stop is no hang."""
GROWTH, LEAST_GROWTH = 0.25, 64 * 1024**2
"""What a child may have more in its last fifth than in its middle one: a share of it, and at least so many bytes."""
JUDGED = 1000
"""Files after which the memory of a child says something: until then its allocator is still finding its size."""


@dataclass(frozen=True, slots=True)
class Size:
    files: int = 5000
    seed: int = 1
    children: int = 2
    seconds: float = 20.0
    """Limit of each step, told to the work as its own."""
    megabytes: int = 4096
    """Address space of a child: 100 megapixels of four bands have room, what is without limit has not."""
    steps: tuple[str, ...] = STEPS


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not be, and the file that does it."""

    kind: str
    kept: Path
    text: str


@dataclass(slots=True)
class Report:
    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    slow: list[Path] = field(default_factory=list)
    """Files that were given up at the time limit, as it should be; whoever mends a decoder may want them."""
    grown: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.faults and not self.grown

    def lines(self) -> list[str]:
        told = [f"{self.done} files"]
        told += [f"  {name}: {count}" for name, count in sorted(self.outcomes.items())]
        alike: dict[str, list[Fault]] = {}
        for fault in self.faults:
            alike.setdefault(f"{fault.kind} {fault.text.splitlines()[-1:]}", []).append(fault)
        for faults in alike.values():
            told += [f"{len(faults)} x {faults[0].kind}, first {faults[0].kept}"]
            told += [f"    {line}" for line in faults[0].text.splitlines()[-8:]]
        told += [f"stopped at the time limit: {path}" for path in self.slow]
        return [*told, *self.grown, "clean" if self.clean else f"{len(self.faults)} faults"]


class Child:
    """One process that tries files, started again when it has died."""

    def __init__(self, size: Size, folder: Path, name: str) -> None:
        self.size = size
        self.log = folder / f"{name}.log"
        self.residents: list[int] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "subprocess.Popen[str]":
        self.residents = []
        arguments = [str(self.size.seconds), str(self.size.megabytes)]
        with self.log.open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.child", *arguments],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def attempt(self, path: Path) -> tuple[list[str], str, str]:
        """Outcomes, and a kind and text of what must not be."""
        outcomes: list[str] = []
        for step in self.size.steps:
            told = self.ask(f"{step} {path}")
            if isinstance(told, str):
                return [*outcomes, f"{step}: {told}"], told, self.end()
            outcomes.append(f"{step}: {told['outcome']}")
            self.residents.append(told["resident"])
            if told["fault"]:
                return outcomes, told["outcome"], told["fault"]
        return outcomes, "", ""

    def ask(self, question: str) -> dict[str, Any] | str:
        """What the child says of one step, or one word: hang, crash."""
        self.process = self.process or self.start()
        pipe = pipe_of(self.process.stdout)
        try:
            print(question, file=pipe_of(self.process.stdin), flush=True)
        except BrokenPipeError:
            return "crash"
        ready, _, _ = select.select([pipe], [], [], self.size.seconds + GRACE)
        if not ready:
            return "hang"
        line = pipe.readline()
        found: dict[str, Any] | str = json.loads(line) if line else "crash"
        return found

    def end(self) -> str:
        """Kill it; what it left in its log, with the code it ended by."""
        process, self.process = self.process, None
        if process is None:
            return ""
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe_of(pipe).close()
        return f"exit code {code}\n{self.log.read_text(encoding='utf-8', errors='replace')[-4000:]}"

    def growth(self) -> str:
        """A sentence for memory that grows. Half-lives and peaks of single files do not count: medians do."""
        fifth = len(self.residents) // 5
        if len(self.residents) < JUDGED * len(self.size.steps):
            return ""
        before = statistics.median(self.residents[2 * fifth : 3 * fifth])
        after = statistics.median(self.residents[-fifth:])
        if after - before <= max(LEAST_GROWTH, before * GROWTH):
            return ""
        return f"memory grew from {before / 1e6:.0f} to {after / 1e6:.0f} MB in {len(self.residents)} steps"


def pipe_of(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


class Run:
    """Shared by the threads that each look after one child."""

    def __init__(self, size: Size, sources: list[Path], folder: Path, kept: Path) -> None:
        self.size, self.sources, self.folder, self.kept = size, sources, folder, kept
        self.stock: Stock = [path.read_bytes()[:65536] for path in sources]
        self.report = Report()
        self.numbers = iter(range(size.files))
        self.lock = threading.Lock()

    def tend(self, name: str) -> None:
        child = Child(self.size, self.folder, name)
        try:
            while (number := self.next()) is not None:
                self.judge(child, self.make(number))
            self.note_growth(child)
        finally:
            child.end()

    def next(self) -> int | None:
        with self.lock:
            return next(self.numbers, None)

    def make(self, number: int) -> Path:
        """File so-and-so of this seed, whichever child gets it."""
        chance = random.Random(f"{self.size.seed}-{number}")
        source = chance.choice(self.sources)
        path = self.folder / f"{number:05}-{source.stem}.bin"
        path.write_bytes(mutated(source.read_bytes(), chance, self.stock))
        return path

    def judge(self, child: Child, path: Path) -> None:
        outcomes, kind, text = child.attempt(path)
        with self.lock:
            self.report.done += 1
            self.report.outcomes.update(outcomes)
            if kind:
                self.report.faults.append(Fault(kind, self.keep(path), text))
            if any(outcome.endswith("timed_out") for outcome in outcomes):
                self.report.slow.append(self.keep(path))
        path.unlink()

    def keep(self, path: Path) -> Path:
        self.kept.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(path, self.kept / f"{self.size.seed}-{path.name}"))

    def note_growth(self, child: Child) -> None:
        if sentence := child.growth():
            with self.lock:
                self.report.grown.append(sentence)


def run(size: Size, sources: list[Path], folder: Path, kept: Path) -> Report:
    """`folder` is for what is made on the way; what a fault was found with stays in `kept`."""
    work = Run(size, sources, folder, kept)
    threads = [
        threading.Thread(target=work.tend, args=(f"child-{number}",)) for number in range(size.children)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return work.report
