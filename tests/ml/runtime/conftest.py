"""A model host of its own for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.ml.runtime import hosts


@pytest.fixture
def own_host(settings: Any) -> Iterator[Path]:
    """The folder of a host that nobody else asks; it is started by the first question."""
    with TemporaryDirectory(prefix="alcoves-host-") as folder:
        settings.ML_HOST_PATH = Path(folder)
        settings.ML_THREADS = 1
        yield Path(folder)
        hosts.end()
