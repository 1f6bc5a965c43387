"""The contract between the engine and the code that makes one kind of derivative.

A deriver is told what it works on (`Subject`), given a `Context` for one run, and returns `Ready` or
`NotNeeded` or raises one of `media.errors`. Claims, leases, retries, storage of outputs, progress and
naming the result are the engine's (`media.tasks`); a deriver only turns bytes into files in `scratch`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol, TypeAlias
from uuid import UUID

from media.subject import Kind, Subject
from media.tools.sources import Source

__all__ = [
    "BaseDeriver",
    "Context",
    "Deriver",
    "Divided",
    "FinishedPart",
    "Kind",
    "NotNeeded",
    "Output",
    "Part",
    "Ready",
    "Result",
    "Source",
    "Subject",
    "takes",
]


SMALL_SCRATCH = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Output:
    """One file a run has made, still in scratch. `name` is its role: 'poster.webp', 'waveform.json'."""

    name: str
    path: Path
    content_type: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The result. `facts` are small JSON values kept on the row (sizes, durations, counts).

    `made_with` says what beside the deriver's version decided the bytes (model, encoder, parameters). `learnt` is for
    `record` alone: what it says belongs on the Original and not twice in the database.
    """

    outputs: tuple[Output, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, Any] = field(default_factory=dict)
    learnt: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotNeeded:
    """Nothing to make, and that is fine. `reason` is a code: 'no_audio', 'already_playable'."""

    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of work that another worker may do: a row of its own, made by `deriver` with these parameters."""

    deriver: str
    variant: str
    """Unique among the parts, and in their order: `v00001`, `audio`."""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Divided:
    """The work is divided. The row waits for its parts; then `derive` runs again with `context.parts` filled."""

    parts: tuple[Part, ...]


Result: TypeAlias = Ready | NotNeeded | Divided


class FinishedPart(Protocol):
    """One part that is ready, as the joining run sees it."""

    variant: str
    parameters: Mapping[str, Any]
    facts: Mapping[str, Any]

    def size(self, name: str) -> int:
        """Bytes of one of its outputs."""
        ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """One of its outputs as a stream from its store."""
        ...


class Context(Protocol):
    """One run of one deriver."""

    subject: Subject
    variant: str
    parameters: Mapping[str, Any]

    @property
    def parts(self) -> Sequence[FinishedPart]:
        """Those this row was divided into, by variant, once all are ready; else empty."""
        ...

    @property
    def scratch(self) -> Path:
        """An empty folder of this run; removed afterwards, whatever happens."""
        ...

    def source_path(self) -> Path:
        """The original as a file on this machine (the store's own file, or one copy in scratch)."""
        ...

    def source_input(self) -> Source:
        """The original for ffmpeg and ffprobe: the store's own file, or a loopback address that reads by range."""
        ...

    def open_source(self, start: int = 0, end: int | None = None) -> AbstractContextManager[BinaryIO]:
        """The original, or its bytes `start` up to `end`, as a stream from its store: nothing is copied."""
        ...

    def progress(self, percent: float, eta_seconds: float | None = None) -> None:
        """Tell how far we are, 0 to 100. Cheap: may be called many times a second."""
        ...

    def check(self) -> None:
        """Raise RunAbandonedError when this run no longer owns its row."""
        ...

    def abandoned(self) -> bool:
        """The same as a question, for loops that must end a child process first."""
        ...


class Deriver(Protocol):
    """One kind of derivative. Instances are stateless and shared; imports of heavy libraries go inside."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised when the same bytes would give a better result; `made_by` records it."""
    queue: ClassVar[str]
    """One of alcoves.queues; `default` is refused by a test."""
    needs_probe: ClassVar[bool] = False
    """Planned only once the metadata is ready."""
    replans: ClassVar[bool] = False
    """True for the metadata deriver: when it is ready, the planner runs again."""
    regroups: ClassVar[bool] = False
    """True where what `record` writes may say which files lie in one stack."""
    hidden: ClassVar[bool] = False
    """True for steps of the house (hash) that the API does not list as something to look at."""
    switch: ClassVar[str] = ""
    """The library switch (`media.models.library.SWITCHES`) without which nothing is made; none: always.

    With one goes `needs_probe`: the switches are looked at when the metadata is ready, and not before."""
    planned: ClassVar[bool] = True
    """False where only a person or another deriver asks for it: moments, parts of divided work."""

    def accepts(self, subject: Subject) -> bool:
        """Whether this kind makes sense for such a file. Pure and quick; asked at planning and at every claim."""
        ...

    def scratch_bytes(self, subject: Subject) -> int:
        """Room that a run needs in scratch, reserved before it starts; without a copy of the source."""
        ...

    def derive(self, context: Context) -> Result:
        """Make it. Raises media.errors; anything else counts as TransientError with code 'crashed'."""
        ...

    def record(self, original: Any, result: Ready) -> None:
        """Write what the result says about the Original, inside the transaction that names the outputs."""
        ...

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        """What `record` and users have written down of a library, counted by kind: lost when its switch goes off."""
        ...

    def forget(self, library_id: UUID) -> None:
        """Its switch went off and its rows are gone: delete what did not go with them."""
        ...

    def hand_over(self, original: Any, twin: Any) -> None:
        """The two are the same bytes, and only `twin` stays: what `record` and users have written down goes to it.

        Inside the transaction, with both locked, before results that have a variant go. What still points at
        `original` afterwards is deleted with it. `Original.hand_over_result` and `take_over` move results.
        """
        ...


class BaseDeriver:
    """Defaults, so that a deriver states only what is its own."""

    needs_probe: ClassVar[bool] = False
    replans: ClassVar[bool] = False
    regroups: ClassVar[bool] = False
    hidden: ClassVar[bool] = False
    switch: ClassVar[str] = ""
    planned: ClassVar[bool] = True

    def scratch_bytes(self, subject: Subject) -> int:
        """Small results: pictures, peaks, facts."""
        return SMALL_SCRATCH

    def record(self, original: Any, result: Ready) -> None:
        """Most results say nothing about the Original itself."""

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        """Most results are outputs alone."""
        return {}

    def forget(self, library_id: UUID) -> None:
        """Most of what is written down points at the row, and goes with it."""

    def hand_over(self, original: Any, twin: Any) -> None:
        """The twin has been through the same, or will be."""


def takes(deriver: Deriver, subject: Subject) -> bool:
    """Whether it is made for such a file in a library with these switches."""
    return (not deriver.switch or deriver.switch in subject.switches) and deriver.accepts(subject)
