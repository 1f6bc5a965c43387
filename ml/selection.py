"""Which model a pipeline uses now: what the operator chose, where that is still to be had, else the default."""

from typing import Any, Final, cast

from django.conf import settings

from ml.errors import UnknownModelError
from ml.models import Acceptance, Choice
from ml.registry import licences, places, table
from ml.registry.specs import PIPELINES, ModelSpec, Pipeline

AUTO: Final = "auto"
"""The model hears for itself which language is spoken."""


def chosen(pipeline: Pipeline) -> ModelSpec:
    """One query. What was chosen, else what the environment names; what is not to be had falls back to the default."""
    return resolved(pipeline, Choice.objects.filter(pipeline=pipeline).first())


def all_chosen() -> dict[Pipeline, tuple[ModelSpec, str]]:
    """The model of each pipeline, and the language, which only speech has. One query."""
    rows = {row.pipeline: row for row in Choice.objects.all()}
    return {
        pipeline: (resolved(pipeline, rows.get(pipeline)), language_of(rows.get(pipeline)))
        for pipeline in PIPELINES
    }


def resolved(pipeline: Pipeline, row: Choice | None) -> ModelSpec:
    named = (row.model if row else None, settings.SPEECH_MODEL if pipeline == "speech" else None)
    specs = (table.find_model(pipeline, model) for model in named if model)
    return next((spec for spec in specs if spec is not None and usable(spec)), table.default_of(pipeline))


def usable(spec: ModelSpec) -> bool:
    """Whether its files can be fetched, or somebody has brought them."""
    return spec.available or not places.missing(spec)


def usable_model(pipeline: Pipeline, model: str) -> ModelSpec:
    """UnknownModelError (400) for what is neither on a mirror nor here."""
    spec = table.find_model(pipeline, model)
    return spec if spec is not None and usable(spec) else table.available_model(pipeline, model)


def language() -> str:
    """What is spoken on this installation: a code, or "auto". One query. A library or a file may differ."""
    return language_of(Choice.objects.filter(pipeline="speech").first())


def language_of(row: Choice | None) -> str:
    return (row.language if row else "") or settings.SPEECH_LANGUAGE


def choose(pipeline: Pipeline, model: str, *, language: str | None = None, by: Any = None) -> ModelSpec:
    """From now on new work is done with it; what is running ends with the old one. None leaves the language as it is.

    UnknownModelError for a model or a language that is not to be had, or that do not go together.
    """
    spec = usable_model(pipeline, model)
    values: dict[str, Any] = {"model": spec.id, "chosen_by": by}
    if language is not None:
        values["language"] = checked_language(spec, language)
    elif kept := Choice.objects.filter(pipeline=pipeline).values_list("language", flat=True).first():
        checked_language(spec, kept)
    Choice.objects.update_or_create(pipeline=pipeline, defaults=values)
    return spec


def checked_language(spec: ModelSpec, language: str) -> str:
    """'auto' is always to be had."""
    known = (AUTO, *spec.options.get("languages", ()))
    if language not in known:
        raise UnknownModelError(
            f"{spec.title} does not know the language {language!r}. Choose one of: {', '.join(known)}.",
            code="language_unavailable",
        )
    return language


def accept(licence: str, *, by: Any = None) -> Acceptance:
    """Somebody has read it and takes it for this installation. UnknownModelError where no model has it."""
    if licence not in licences.BY_ID:
        known = ", ".join(sorted(licences.BY_ID))
        raise UnknownModelError(
            f"There is no licence {licence!r}. Those of our models are: {known}.", code="licence_unknown"
        )
    accepted, _ = Acceptance.objects.get_or_create(licence=licence, defaults={"accepted_by": by})
    return cast("Acceptance", accepted)


def may_fetch(spec: ModelSpec) -> bool:
    """Whether its licence needs no acceptance, or somebody has given it."""
    licence = licences.BY_ID[spec.licence]
    return not licence.must_accept or Acceptance.objects.filter(licence=licence.id).exists()
