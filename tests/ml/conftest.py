"""Models for tests: the small real ones where they lie beside the clone."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED


@pytest.fixture
def shared_models(settings: Any, tmp_path: Path) -> Path:
    """The small models as if they had been fetched, and the defaults of their pipelines. In CI they must be there."""
    folder = SHARED / "models"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI must have the shared models beside the clone.")
        pytest.skip("the shared models do not lie beside this clone")
    here = tmp_path / "models"
    here.mkdir()
    for model in folder.iterdir():
        (here / model.name).symlink_to(model)
    settings.MODELS_PATH = here
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.registries.SHARED"]
    return here
