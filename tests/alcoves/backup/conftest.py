"""Every test has a data folder, a target and a passphrase of its own making."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alcoves.backup import maintenance

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(autouse=True)
def own_place(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.DATA_PATH = tmp_path / "data"
    settings.BACKUP_PATH = tmp_path / "data" / "backups"
    settings.BACKUP_PASSPHRASE = PASSPHRASE
    settings.BACKUP_TARGETS = [f"shelf={tmp_path / 'shelf'}"]
    settings.BACKUP_TARGET = "shelf"
    maintenance.known.forget()
    yield
    maintenance.known.forget()
