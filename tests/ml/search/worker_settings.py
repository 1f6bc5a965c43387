"""Settings of a worker that a test starts: the tiny model, and of what is made of files only what search needs."""

from alcoves.settings import base
from tests.worker_settings import *  # noqa: F403  A settings module is its base and a few changes.

MODEL_REGISTRIES = [*base.MODEL_REGISTRIES, "tests.ml.graphs.search.MODELS"]
MODELS_PATH = base.MODELS_PATH
ML_HOST_PATH = base.MODELS_PATH
DERIVERS = {name: base.DERIVERS[name] for name in ("metadata", "embedding")}
