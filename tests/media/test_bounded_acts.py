"""Acts of lists in one request: at most a thousand rows, and an entry in the audit log."""

from typing import Any

import pytest

from alcoves.accounts.models import User
from media.admin import acting
from media.models import AuditEntry, Derivative, Library, Moment, Original
from tests.alcoves.console.test_many import client_of, files, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(library: Library, alice: User) -> dict[str, list[Any]]:
    made = files(library, 3)
    return {
        "media_original": [file.original for file in made],
        "media_moment": [
            Moment.objects.create(file=file, name="Waves", start=1, end=4, created_by=alice) for file in made
        ],
    }


ACTS = [
    ("media_original", "warm_again", "originals.warm_again"),
    ("media_moment", "export", "moments.export"),
]


@pytest.mark.parametrize(("page", "action", "noted"), ACTS)
def test_it_is_noted(page: str, action: str, noted: str, rows: dict[str, list[Any]]) -> None:
    Original.objects.update(warmed_version=1)
    post(client_of("librarian"), page, action, rows[page][:2])
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.count, entry.actor_name) == (noted, 2, "librarian@example.org")
    assert set(entry.detail["keys"]) == {str(row.pk) for row in rows[page][:2]}


@pytest.mark.parametrize(("page", "action", "noted"), ACTS)
def test_too_many_are_refused(
    page: str, action: str, noted: str, rows: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "BATCH", 2)
    Original.objects.update(warmed_version=1)
    before = Derivative.objects.count()
    assert "At most 2 at once" in post(client_of("librarian"), page, action, rows[page])
    assert not AuditEntry.objects.filter(action=noted).exists()
    assert Derivative.objects.count() == before
    assert not Original.objects.exclude(warmed_version=1).exists()
