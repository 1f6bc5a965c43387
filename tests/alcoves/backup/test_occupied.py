"""What a restore would overwrite, in the sentence before it."""

import pytest

from alcoves.backup import examining
from media.models import Library, uuid7
from tests.alcoves.console.dashboard import made_up

pytestmark = pytest.mark.django_db


def test_files_are_counted_and_many_are_said_to_be_many(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = made_up.files(library, 1)
    row.id, row.name = uuid7(), "the same bytes by another name"
    row.save(force_insert=True)
    assert "2 files" in examining.occupied()
    monkeypatch.setattr(examining, "MANY", 1)
    assert "over 1 files" in examining.occupied()
