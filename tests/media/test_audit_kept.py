"""How long the audit log is kept, how much an entry holds, and what people take out of the image cache."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alcoves.accounts.models import User
from media import audit, tasks
from media.models import AuditEntry, CachedImage, Library
from tests.alcoves.console.test_many import client_of
from tests.ingesting import take_in
from tests.media.api.conftest import PNG

pytestmark = pytest.mark.django_db


def entries(*ages: int) -> None:
    """So many days old."""
    for age in ages:
        row = audit.note("test.act", by=audit.COMMAND, text="Something was done.")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            AuditEntry.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=age))
            cursor.execute("SET LOCAL session_replication_role = origin")


def test_the_audit_log_is_kept_for_ever_if_nobody_says_otherwise(settings: Any) -> None:
    assert settings.AUDIT_KEPT_DAYS == 0
    entries(5000)
    assert tasks.prune_audit() == 0
    assert AuditEntry.objects.count() == 1


def test_entries_go_when_their_time_is_over_and_that_is_noted(settings: Any) -> None:
    settings.AUDIT_KEPT_DAYS = 30
    entries(31, 400, 29)
    assert tasks.prune_audit() == 2
    noted = AuditEntry.objects.get(action="audit.prune")
    assert (noted.count, noted.via, noted.detail) == (2, "system", {"days": 30})
    assert AuditEntry.objects.filter(action="test.act").count() == 1
    assert tasks.prune_audit() == 0
    assert AuditEntry.objects.count() == 2


def test_a_log_of_years_goes_in_batches_that_are_noted(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUDIT_KEPT_DAYS = 30
    monkeypatch.setattr(audit, "PRUNED_AT_ONCE", 2)
    entries(400, 90, 31, 29)
    assert tasks.prune_audit() == 3
    noted = AuditEntry.objects.filter(action="audit.prune").order_by("id")
    assert [entry.count for entry in noted] == [2, 1]
    assert AuditEntry.objects.filter(action="test.act").count() == 1


def test_an_entry_names_a_hundred_rows_and_counts_all() -> None:
    keys = [str(number) for number in range(101)]
    row = audit.note("test.act", by=audit.COMMAND, text="Many.", count=101, keys=keys)
    row.refresh_from_db()
    assert row.detail["keys"] == keys[:100]
    assert row.count == 101


@pytest.fixture
def cached(library: Library) -> None:
    original = take_in(library, PNG, "lake.png").file.original
    for number, version in enumerate((0, 0, 1)):
        CachedImage.objects.create(
            original=original,
            key=f"some/{number}",
            size=1000,
            variants_version=version,
            used_at=timezone.now(),
        )


def test_clearing_the_cache_is_noted_at_both_doors(cached: None) -> None:
    User.objects.create_superuser("root@example.org", "root-password")
    client = Client()
    client.force_login(User.objects.get(email="root@example.org"))
    client.post(reverse("admin:media_cachedimage_clear"))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.count, entry.actor_name) == ("images.clear", 2, "root@example.org")
    assert entry.detail == {"bytes": 2000, "variants": False}
    call_command("images", "clear", "--variants", "--yes", stdout=StringIO())
    entry = AuditEntry.objects.latest("id")
    assert (entry.via, entry.count, entry.detail) == ("command", 1, {"bytes": 1000, "variants": True})
    client.post(reverse("admin:media_cachedimage_clear"))
    assert AuditEntry.objects.count() == 2


def test_evicting_by_hand_is_noted_and_by_beat_is_not(cached: None, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 2500
    call_command("images", "evict", stdout=StringIO())
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.via, entry.count) == ("images.evict", "command", 1)
    settings.IMAGE_CACHE_MAX_BYTES = 1500
    assert tasks.evict_images() == 1
    assert AuditEntry.objects.count() == 1


def test_the_question_adds_up_no_rows(cached: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.evicting.usage", None)
    client = client_of("operator")
    assert "2 pictures" in client.get(reverse("admin:media_cachedimage_clear")).content.decode()
