"""Models that somebody brings along on a disk, for machines without a way out: the same checks, the same one step."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from media.errors import RequestError
from ml.downloads import contents, fetching, flow, part, room
from ml.downloads.part import Part
from ml.models import Download
from ml.models.choosing import DownloadState
from ml.registry import places, table
from ml.registry.specs import ModelFile, ModelSpec


@dataclass(slots=True)
class Brought:
    """What came of it, by names."""

    taken: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    complete: list[ModelSpec] = field(default_factory=list)


def bring(source: Path) -> Brought:
    """Take the files of models that lie at `source`, a file or a folder with whatever below it.

    They are known by their names, here or on a mirror. Raises LicenceError before anything of a model is taken whose
    licence nobody has accepted, and what is wrong with a file.
    """
    if not source.exists():
        raise RequestError(f"There is nothing at {source}. Name a file or a folder with models.")
    root = source if source.is_dir() else source.parent
    found = Brought()
    for path in files_of(source):
        owners = owners_of(path.relative_to(root).as_posix())
        if not owners:
            found.unknown.append(path.name)
            continue
        spec, file = owners[0]
        flow.require_licence(spec)
        take(path, spec, file)
        found.taken.append(file.name)
        found.complete += [one for one, _ in owners if not places.missing(one) and one not in found.complete]
    for spec in found.complete:
        flow.arrived(spec)
    return found


def files_of(source: Path) -> Iterator[Path]:
    """In order, without what begins with a dot."""
    if source.is_file():
        yield source
        return
    for path in sorted(source.rglob("*")):
        if path.is_file() and not any(piece.startswith(".") for piece in path.relative_to(source).parts):
            yield path


def owners_of(relative: str) -> list[tuple[ModelSpec, ModelFile]]:
    """Every model that has a file of this name. Its path on a mirror counts too, whatever lies before it."""
    name = relative.rpartition("/")[2]
    return [
        (spec, file)
        for spec in table.all_models()
        for file in spec.files
        if file.name == name or relative == file.path or relative.endswith(f"/{file.path}")
    ]


def take(path: Path, spec: ModelSpec, file: ModelFile) -> None:
    """One file, copied, checked as a download is, then moved to its place."""
    target = places.path_of(spec, file)
    wanted = flow.checks_of(spec, file, address=path.as_uri())
    try:
        with part.opened(target) as begun:
            copy(path, begun, wanted)
            fetching.admit(wanted, begun)
            done = fetching.Fetched(begun.position, begun.digest())
    except OSError as error:
        raise room.full(target.parent, error) from error
    Download.objects.update_or_create(
        name=file.name,
        defaults={
            "pipeline": spec.pipeline,
            "model": spec.id,
            "state": DownloadState.READY,
            "bytes_done": done.size,
            "bytes_total": done.size,
            "sha256": done.sha256,
            "error": "",
        },
    )


def copy(path: Path, begun: Part, wanted: fetching.Wanted) -> None:
    """Whole, or nothing of it is left: half a copy cannot be gone on with, and would fill the disk."""
    begun.begin(path.as_uri(), "", None)
    try:
        room.check(begun.target.parent, size_of(path), wanted.reserve)
        for block in blocks_of(path):
            begun.write(block)
    except BaseException:
        begun.discard()
        raise


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error


def blocks_of(path: Path) -> Iterator[bytes]:
    """RequestError for a disk that breaks, or is pulled out."""
    try:
        with path.open("rb") as content:
            while block := content.read(contents.BLOCK):
                yield block
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> RequestError:
    return RequestError(
        f"{path.name} cannot be read: {error.strerror}. Look at the disk and at who may read it.",
        detail=str(error),
    )
