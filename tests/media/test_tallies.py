"""Counts that triggers keep: whatever happens to files, bytes and jobs, they are what a count would find."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from media import imagecache, ledger, pictures, tallies, tasks, trash
from media.images.recipes import Recipe
from media.models import CachedImage, Derivative, File, Folder, Library, Original, Tally, TallyChange, tally
from tests.ingesting import run_queued, take_in
from tests.makers import make_image


def day_of(file: File) -> str:
    """On which it came."""
    return tallies.day_of(file.original.created_at)


@pytest.fixture
def file(library: Library, tmp_path: Path) -> File:
    made = take_in(library, make_image(tmp_path / "lake.jpg", size=(1000, 500)), "lake.jpg").file
    run_queued()
    return File.objects.get(pk=made.pk)


def true() -> bool:
    """Nothing to put right."""
    wrong = tallies.recount()
    assert wrong == dict.fromkeys(tallies.TRUTH, 0)
    return True


def counts(topic: str, *by: int) -> dict[tuple[str, ...], int]:
    return {one.keys: one.number for one in tallies.told(topic, *by)}


def test_what_comes_in_is_counted(file: File) -> None:
    assert counts(tally.FILES, 0, 2, 3) == {("live", "image", "image/jpeg"): 1}
    (original,) = tallies.told(tally.ORIGINALS, 0, 1)
    assert original == tallies.Told((str(file.library_id), "image"), 1, file.original.size)
    assert counts(tally.ADDED, 0) == {(day_of(file),): 1}
    assert tallies.told(tally.GROWTH, 0)[0].amount == file.original.size
    made = sum(output["size"] for row in Derivative.objects.all() for output in row.outputs)
    assert tallies.told(tally.MADE, 0)[0].amount == made > 0
    ready = Derivative.objects.filter(status="ready").count()
    assert counts(tally.DERIVATIVES, 1)["ready",] == ready > 0
    assert counts(tally.ENDED, 2)["ready",] == ready
    assert true()


def test_trash_and_setting_aside_change_the_state(file: File) -> None:
    Original.objects.update(held_at=timezone.now(), held_reason="looks odd")
    assert counts(tally.FILES, 0) == {("held",): 1}
    assert true()
    trash.trash(file.library, [file.pk])
    assert counts(tally.FILES, 0) == {("trashed",): 1}
    Original.objects.update(held_at=None, held_reason="")
    assert counts(tally.FILES, 0) == {("trashed",): 1}
    assert true()


def test_folders_by_state(library: Library) -> None:
    top = Folder.objects.create(library=library, name="Trips")
    Folder.objects.create(library=library, name="Lakes", parent=top)
    assert counts(tally.FOLDERS, 0) == {("live",): 2}
    assert true()
    Folder.objects.filter(name="Lakes").update(trashed_at=timezone.now(), name="Ponds")
    assert counts(tally.FOLDERS, 0, 1) == {("live", str(library.pk)): 1, ("trashed", str(library.pk)): 1}
    Folder.objects.filter(name="Ponds").update(name="Pools")
    assert true()
    Folder.objects.all().delete()
    assert tallies.told(tally.FOLDERS) == []
    assert true()


def test_an_original_that_grows_counts_as_growth(file: File) -> None:
    Original.objects.update(size=F("size") + 100)
    grown = tallies.told(tally.GROWTH)[0]
    assert (grown.number, grown.amount) == (1, tallies.told(tally.ORIGINALS)[0].amount)
    assert true()


def test_what_is_purged_is_counted_no_more_but_came_that_day(file: File) -> None:
    day = day_of(file)
    trash.trash(file.library, [file.pk])
    trash.purge(file.library, [file.pk])
    assert not Original.objects.exists()
    for topic in tallies.TRUTH:
        assert tallies.told(topic) == []
    assert counts(tally.ADDED, 0) == {(day,): 1}
    assert tallies.told(tally.GROWTH) == []
    assert true()


def test_another_type_and_late_digests_move_files(library: Library, tmp_path: Path) -> None:
    content = make_image(tmp_path / "one.jpg", size=(64, 64)).read_bytes()
    take_in(library, content, "one.jpg")
    take_in(library, content, "two.jpg", hashed=False)
    run_queued()
    assert Original.objects.count() == 1
    Original.objects.update(mime="video/mp4", kind="video")
    assert counts(tally.FILES, 0, 2, 3) == {("live", "video", "video/mp4"): 2}
    assert true()


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (lambda row: ledger.cancel(Derivative.objects.filter(pk=row.pk)), "cancelled"),
        (
            lambda row: Derivative.objects.filter(pk=row.pk).update(
                status="failed", error_code="broken", lease_owner="", lease_expires_at=None
            ),
            "failed",
        ),
        (
            lambda row: Derivative.objects.filter(pk=row.pk).update(
                status="queued", attempts=row.attempts + 1, lease_owner="", lease_expires_at=None
            ),
            "retried",
        ),
        (
            lambda row: Derivative.objects.filter(pk=row.pk).update(
                status="queued", deferrals=row.deferrals + 1, lease_owner="", lease_expires_at=None
            ),
            "deferred",
        ),
    ],
)
def test_a_run_ends_one_way(file: File, act: Callable[[Derivative], object], outcome: str) -> None:
    ledger.request_again(Derivative.objects.filter(deriver="poster"))
    row = Derivative.objects.filter(deriver="poster").first() or Derivative.objects.first()
    assert row is not None
    ledger.request_again(Derivative.objects.filter(pk=row.pk))
    claim = ledger.claim(row.pk, owner="a worker", lease_seconds=60)
    assert claim is not None
    before = counts(tally.ENDED, 1, 2)
    act(Derivative.objects.get(pk=row.pk))
    after = counts(tally.ENDED, 1, 2)
    key = (row.deriver, outcome)
    assert after[key] == before.get(key, 0) + 1
    assert sum(after.values()) == sum(before.values()) + 1
    assert true()


def test_a_lost_worker_is_counted(file: File) -> None:
    row = Derivative.objects.filter(deriver="metadata").get()
    ledger.request_again(Derivative.objects.filter(pk=row.pk))
    assert ledger.claim(row.pk, owner="a worker", lease_seconds=60)
    Derivative.objects.filter(pk=row.pk).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    assert len(ledger.rescue()) == 1
    assert counts(tally.ENDED, 1, 2)["metadata", "lost"] == 1
    assert true()


def test_pictures_in_the_cache_are_counted(file: File) -> None:
    (picture,) = pictures.live_pictures(file.original)
    before = sum(row.size for row in CachedImage.objects.all())
    assert imagecache.keep(picture, Recipe(77, None, 50), b"x" * 1234) is not None
    assert tallies.told(tally.CACHED)[0].amount == before + 1234
    CachedImage.objects.update(variants_version=3)
    assert set(counts(tally.CACHED, 1)) == {("variant",)}
    assert true()
    CachedImage.objects.all().delete()
    assert tallies.told(tally.CACHED) == []


def test_folding_changes_no_count(file: File) -> None:
    before = {topic: tallies.told(topic, 0, 1) for topic in (*tallies.TRUTH, tally.ENDED)}
    assert tasks.fold_tallies() > 0
    assert not TallyChange.objects.exists()
    assert {topic: tallies.told(topic, 0, 1) for topic in (*tallies.TRUTH, tally.ENDED)} == before
    trash.trash(file.library, [file.pk])
    assert counts(tally.FILES, 0) == {("trashed",): 1}
    assert tallies.fold() == 2
    assert tallies.fold() == 0


def test_a_recount_puts_right_what_passed_the_triggers_by(file: File) -> None:
    tallies.fold()
    Tally.objects.filter(topic=tally.FILES).update(number=40)
    Tally.objects.filter(topic=tally.ORIGINALS).delete()
    assert tasks.recount_tallies() == 2
    assert counts(tally.FILES, 0) == {("live",): 1}
    assert tallies.told(tally.ORIGINALS)[0].amount == file.original.size
    assert true()


def test_old_hours_are_forgotten(db: None) -> None:
    now = datetime.now(UTC)
    for days in (0, 34, 36):
        hour = tallies.hour_of(now - timedelta(days=days))
        Tally.objects.create(topic=tally.ENDED, keys=[hour, "poster", "ready"], number=1)
    assert tallies.forget_old_hours() == 1
    assert tallies.told(tally.ENDED)[0].number == 2


def test_a_renewed_lease_writes_nothing(file: File) -> None:
    row = Derivative.objects.filter(deriver="metadata").get()
    ledger.request_again(Derivative.objects.filter(pk=row.pk))
    claim = ledger.claim(row.pk, owner="a worker", lease_seconds=60)
    assert claim is not None
    tallies.fold()
    assert ledger.renew(claim, lease_seconds=60, progress=40, eta_seconds=5)
    assert not TallyChange.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_writers_wait_for_nobody_and_all_are_counted(library: Library) -> None:
    """Two transactions count the same keys at once, a third folds between them."""
    first_has_written, first_may_end = threading.Event(), threading.Event()

    def add(name: str) -> None:
        Original.objects.create(library=library, size=10, mime="image/png", kind="image", key=name)

    def first() -> None:
        with transaction.atomic():
            add("first")
            first_has_written.set()
            first_may_end.wait(30)
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert first_has_written.wait(30)
    add("second")
    tallies.fold()
    assert tallies.told(tally.ORIGINALS)[0].number == 1
    first_may_end.set()
    thread.join(30)
    assert tallies.told(tally.ORIGINALS) == [tallies.Told((), 2, 20)]
    tallies.fold()
    assert tallies.told(tally.ORIGINALS) == [tallies.Told((), 2, 20)]
