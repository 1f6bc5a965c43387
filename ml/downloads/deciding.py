"""What operators decide about models: which is used, which licence is accepted, which is fetched or thrown away.

Each is in the audit log, in the transaction of what was decided; `actor` None is for pages that note it themselves.
"""

from typing import Any

from django.db import transaction
from django.db.models import Q

from media import audit
from media.audit import Actor
from media.errors import ConflictError
from ml import selection
from ml.downloads import ordering, part, tending, waking
from ml.downloads.flow import require_licence
from ml.errors import LicenceError
from ml.models import Acceptance, Download, SearchModel
from ml.models.choosing import DownloadState
from ml.registry import places, table
from ml.registry.specs import PIPELINES, ModelSpec, Pipeline
from ml.runtime import probes


def choose(
    pipeline: Pipeline,
    model: str,
    *,
    language: str | None = None,
    by: Any = None,
    actor: Actor | None = audit.COMMAND,
) -> ModelSpec:
    """New work is done with it; its files are sent for, if its licence is accepted and a library wants them.

    UnknownModelError for a model or a language that is not to be had.
    """
    with transaction.atomic():
        spec = selection.choose(pipeline, model, language=language, by=by)
        waking.wake(pipeline)
        spoken = f", language {language}" if language else ""
        note(actor, "models.choose", f"{spec.title} is used for {pipeline} from now on{spoken}.", spec)
    if places.missing(spec) and selection.may_fetch(spec) and tending.in_use(pipeline):
        ordering.order(spec, at_once=True)
    return spec


def accept(licence: str, *, by: Any = None, actor: Actor | None = audit.COMMAND) -> Acceptance:
    """Who waited for it goes on, and what is fetched ahead is sent for. UnknownModelError for an unknown licence."""
    with transaction.atomic():
        known = Acceptance.objects.filter(licence=licence).exists()
        accepted = selection.accept(licence, by=by)
        if actor is not None and not known:
            audit.note(
                "models.accept", by=actor, text=f"The licence {licence} was accepted.", licence=licence
            )
        for pipeline in PIPELINES:
            if selection.chosen(pipeline).licence == licence:
                waking.wake(pipeline)
    tending.prefetch()
    return accepted


def fetch(spec: ModelSpec, *, actor: Actor | None = audit.COMMAND) -> str:
    """Somebody wants it here now; returns a sentence on how far it is. UnknownModelError, ConflictError."""
    table.available_model(spec.pipeline, spec.id)
    try:
        require_licence(spec)
    except LicenceError as error:
        raise ConflictError(error.message, code=error.code) from error
    if not places.missing(spec):
        return f"{spec.title} is here."
    with transaction.atomic():
        note(actor, "models.download", f"{spec.title} for {spec.pipeline} was sent for.", spec)
        return ordering.order(spec, at_once=True)


def note(actor: Actor | None, action: str, text: str, spec: ModelSpec) -> None:
    if actor is not None:
        audit.note(action, by=actor, text=text, pipeline=spec.pipeline, model=spec.id)


def remove(spec: ModelSpec, *, actor: Actor | None = audit.COMMAND) -> list[str]:
    """Throw its files away, and what is known of them; returns their names. What another model here needs stays.

    ConflictError for a model that is chosen, still answers searches, or is on its way.
    """
    if selection.chosen(spec.pipeline) == spec:
        raise ConflictError(f"{spec.title} is the model that is used. Choose another one first.")
    if spec.pipeline == "search" and SearchModel.objects.filter(model=spec.id).exists():
        raise ConflictError(
            f"Searches are answered by {spec.title} until the chosen model has looked at all. Wait for it."
        )
    needed = needed_by_others(spec)
    names = [file.name for file in spec.files if file.name not in needed]
    # A file that models share may be on its way for another one.
    own = Q(model=spec.id, pipeline=spec.pipeline) | Q(name__in=names)
    if Download.objects.filter(own, state=DownloadState.RUNNING).exists():
        raise ConflictError(f"{spec.title} is being downloaded at this moment. Wait for it.")
    with transaction.atomic():
        note(actor, "models.delete", f"The files of {spec.title} for {spec.pipeline} were deleted.", spec)
        for name in names:
            target = places.folder(spec.pipeline) / name
            for path in (target, part.part_of(target), part.note_of(target), probes.memory_of(target)):
                path.unlink(missing_ok=True)
        Download.objects.filter(name__in=names).delete()
    return names


def needed_by_others(spec: ModelSpec) -> set[str]:
    """Files of the models of its pipeline that are chosen, or whole on this machine."""
    chosen = selection.chosen(spec.pipeline)
    others = (one for one in table.models_of(spec.pipeline) if one != spec)
    return {file.name for one in others if one == chosen or not places.missing(one) for file in one.files}
