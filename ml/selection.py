"""Which model a pipeline uses now: what the operator chose, where that is still to be had, else the default."""

from ml.models import Acceptance, Choice
from ml.registry import licences, table
from ml.registry.specs import ModelSpec, Pipeline


def chosen(pipeline: Pipeline) -> ModelSpec:
    """One query. A stored choice that is gone, or not available any more, falls back to the default."""
    stored = Choice.objects.filter(pipeline=pipeline).values_list("model", flat=True).first()
    spec = table.find_model(pipeline, stored) if stored else None
    return spec if spec is not None and spec.available else table.default_of(pipeline)


def may_fetch(spec: ModelSpec) -> bool:
    """Whether its licence needs no acceptance, or somebody has given it."""
    licence = licences.BY_ID[spec.licence]
    return not licence.must_accept or Acceptance.objects.filter(licence=licence.id).exists()
