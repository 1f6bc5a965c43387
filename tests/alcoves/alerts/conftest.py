"""An installation whose settings let nobody in."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def strong_key(settings: Any) -> None:
    settings.SECRET_KEY = "kJ2v9xQp-7Lm4RtZ8wYc1NbH6sDfG3aE5uTiO0"
