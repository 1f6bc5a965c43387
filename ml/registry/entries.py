"""The models that come with Alcoves: their names, files and figures. Weights are never part of it."""

from typing import Final

from ml.registry.specs import ModelSpec

MODELS: Final[tuple[ModelSpec, ...]] = ()
