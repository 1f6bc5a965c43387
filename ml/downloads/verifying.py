"""Whether the files of models are still what they were when they came. Reads every byte."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ml.downloads import contents
from ml.downloads.flow import known_digest
from ml.models import Download
from ml.models.choosing import DownloadState
from ml.registry import places, table
from ml.registry.specs import ModelFile, ModelSpec

Verdict: TypeAlias = Literal["good", "noted", "changed", "missing"]


@dataclass(frozen=True, slots=True)
class Verified:
    """One file. `noted`: nobody knew its digest, which is compared from now on."""

    name: str
    verdict: Verdict


def verify(specs: tuple[ModelSpec, ...]) -> list[Verified]:
    """Every file of these models, each once, in their order."""
    return [Verified(name, verdict_of(spec, file)) for name, (spec, file) in files_of(specs).items()]


def verify_all() -> list[Verified]:
    """Every file of any model that is here."""
    found = files_of(table.all_models())
    return [
        Verified(name, verdict_of(spec, file))
        for name, (spec, file) in found.items()
        if places.path_of(spec, file).exists()
    ]


def files_of(specs: tuple[ModelSpec, ...]) -> dict[str, tuple[ModelSpec, ModelFile]]:
    return {file.name: (spec, file) for spec in specs for file in spec.files}


def verdict_of(spec: ModelSpec, file: ModelFile) -> Verdict:
    path = places.path_of(spec, file)
    if not path.exists():
        return "missing"
    if not places.is_here(spec, file):
        return "changed"
    found, known = contents.digest_of(path), known_digest(file)
    if known:
        return "good" if found == known else "changed"
    size = path.stat().st_size
    told = {"pipeline": spec.pipeline, "model": spec.id, "state": DownloadState.READY}
    Download.objects.update_or_create(
        name=file.name, defaults={**told, "sha256": found, "bytes_done": size, "bytes_total": size}
    )
    return "noted"
