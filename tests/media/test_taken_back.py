"""What people take back while somebody else deletes: nothing goes that should stay."""

from typing import Any

import pytest

from media import trash
from media.models import File, Library
from tests.ingesting import take_in
from tests.media.api.conftest import PNG


@pytest.fixture
def thrown_away(library: Library) -> list[File]:
    """Two files in the trash."""
    files = [take_in(library, PNG + name, f"{name.decode()}.png").file for name in (b"one", b"two")]
    trash.trash(library, [file.pk for file in files])
    return files


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, deed: Any) -> None:
    """Once, between the choice of `trash` and what it does."""
    inner = getattr(trash, name)

    def after(*given: Any, **options: Any) -> Any:
        monkeypatch.setattr(trash, name, inner)
        deed()
        return inner(*given, **options)

    monkeypatch.setattr(trash, name, after)


def test_a_purge_of_what_lies_in_the_trash_leaves_what_is_taken_back(
    library: Library, thrown_away: list[File], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = thrown_away
    meanwhile(monkeypatch, "purge_one", lambda: trash.restore(library, [first.pk]))
    keys = [file.pk for file in thrown_away]
    assert trash.purge(library, keys, only=trash.IN_TRASH) == 1
    assert list(File.objects.all()) == [first]
    assert not File.objects.filter(pk=second.pk).exists()
