"""Settings of processes that a test starts: the registry of small files, and the mirror by the environment."""

from alcoves.settings import base
from tests.worker_settings import *  # noqa: F403  A settings module is its base and a few changes.

MODEL_REGISTRIES = ["tests.ml.downloads.registries.MODELS"]
MODELS_PATH = base.MODELS_PATH
DERIVERS = {"faces": "tests.ml.downloads.derivers.FacesDeriver"}
