"""All models: the rows that come with Alcoves, and those that an operator or a test adds by MODEL_REGISTRIES."""

from functools import cache
from pathlib import PurePath

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from ml.errors import UnknownModelError
from ml.registry import licences
from ml.registry.specs import PIPELINES, ModelSpec, Pipeline


@cache
def all_models() -> tuple[ModelSpec, ...]:
    """In the order of the registries. A later row with the id of an earlier one replaces it; a later default wins."""
    found: dict[tuple[str, str], ModelSpec] = {}
    for path in settings.MODEL_REGISTRIES:
        for spec in import_string(path):
            found[spec.pipeline, spec.id] = checked(spec, path)
    return tuple(found.values())


def checked(spec: ModelSpec, registry: str) -> ModelSpec:
    """ImproperlyConfigured for a row that would break whoever meets it: an operator's registry has no tests of ours."""
    if spec.licence not in licences.BY_ID:
        trouble = f"the licence {spec.licence!r}, which is none of: {', '.join(sorted(licences.BY_ID))}"
    elif spec.pipeline not in PIPELINES:
        trouble = f"the pipeline {spec.pipeline!r}, which is none of: {', '.join(PIPELINES)}"
    elif strange := [file.name for file in spec.files if PurePath(file.name).name != file.name]:
        trouble = f"a file named {strange[0]!r}, which is no plain name"
    else:
        return spec
    raise ImproperlyConfigured(f"The model {spec.id} of {registry} has {trouble}. Correct its row.")


def find_pipeline(name: str) -> Pipeline | None:
    return next((one for one in PIPELINES if one == name), None)


def models_of(pipeline: str) -> tuple[ModelSpec, ...]:
    return tuple(spec for spec in all_models() if spec.pipeline == pipeline)


def default_of(pipeline: Pipeline) -> ModelSpec:
    defaults = [spec for spec in models_of(pipeline) if spec.default]
    if not defaults:
        raise ImproperlyConfigured(
            f"No registry of MODEL_REGISTRIES has a default for {pipeline}. Mark one row."
        )
    return defaults[-1]


def find_model(pipeline: str, model: str) -> ModelSpec | None:
    return next((spec for spec in models_of(pipeline) if spec.id == model), None)


def available_model(pipeline: Pipeline, model: str) -> ModelSpec:
    """UnknownModelError (400) for what nobody knows or what cannot be fetched."""
    spec = find_model(pipeline, model)
    if spec is None or not spec.available:
        known = ", ".join(one.id for one in models_of(pipeline) if one.available)
        raise UnknownModelError(
            f"The model {model!r} cannot be chosen for {pipeline}. Choose one of: {known}."
        )
    return spec


def forget(*, setting: str, **_: object) -> None:
    if setting == "MODEL_REGISTRIES":
        all_models.cache_clear()


setting_changed.connect(forget)
