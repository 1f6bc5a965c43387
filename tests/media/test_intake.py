"""Every way in ends in `intake.admit`: sharing, isolation, quota, and deleting that never takes too much."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from alcoves.accounts.models import User
from media import blobs, intake, trash
from media.intake import Place, QuotaError, Stored
from media.libraries import create_library
from media.models import Derivative, File, Library, Original, UnnamedBlob, uuid7
from media.sniffing import sniff
from storage.registry import get_store
from tests.derivers import TABLE
from tests.ingesting import put_bytes, run_queued, take_in


@pytest.fixture(autouse=True)
def one_deriver(settings: Any) -> None:
    settings.DERIVERS = {"echo": TABLE["echo"]}


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def test_the_same_bytes_in_one_library_share_one_original(library: Library) -> None:
    first = take_in(library, PNG, "a.png")
    rows = set(Derivative.objects.values_list("pk", flat=True))
    second = take_in(library, PNG, "b.png")
    assert not first.duplicate
    assert second.duplicate
    assert first.file.original_id == second.file.original_id
    assert set(Derivative.objects.values_list("pk", flat=True)) == rows
    assert [row.key.endswith("/blob") for row in UnnamedBlob.objects.all()] == [True]


def test_another_library_shares_nothing(library: Library, alice: User) -> None:
    other = create_library(alice, "Work")
    assert take_in(library, PNG, "a.png").file.original_id != take_in(other, PNG, "a.png").file.original_id


def test_quota_refuses_and_keeps_nothing(library: Library) -> None:
    library.quota_bytes = len(PNG) - 1
    library.save()
    with pytest.raises(QuotaError, match="may hold"):
        take_in(library, PNG, "a.png")
    assert not File.objects.exists()
    assert UnnamedBlob.objects.count() == 1  # Left for the sweeper.


def test_a_duplicate_takes_no_room(library: Library) -> None:
    library.quota_bytes = len(PNG)
    library.save()
    take_in(library, PNG, "a.png")
    assert take_in(library, PNG, "b.png").duplicate


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("a\0b\n.jpg", "ab.jpg"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg"),
        ("ünï 日本語 🐎.jpg", "ünï 日本語 🐎.jpg"),
        ("👨\u200d👩\u200d👧.jpg", "👨\u200d👩\u200d👧.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
    ],
)
def test_names_are_made_safe(given: str, kept: str) -> None:
    assert intake.clean_name(given) == kept


def test_purging_the_last_file_takes_the_bytes_and_not_before(library: Library, settings: Any) -> None:
    settings.SWEEP_GRACE_SECONDS = 0
    one, two = take_in(library, PNG, "a.png").file, take_in(library, PNG, "b.png").file
    key = one.original.key
    assert trash.purge(library, [one.pk]) == 1
    blobs.sweep()
    assert get_store("files").stat(key).size == len(PNG)
    assert trash.purge(library, [two.pk]) == 1
    blobs.sweep()
    assert not Original.objects.exists()
    assert list(get_store("files").iterate()) == []


@pytest.mark.django_db(transaction=True)
def test_many_threads_upload_and_purge_the_same_bytes(settings: Any) -> None:
    """Whatever the order, every File that is left has an Original with its blob, and nothing else is left."""
    settings.SWEEP_GRACE_SECONDS = 0
    owner = User.objects.create_user("owner@example.org", "owner-password")
    library = create_library(owner, "Busy")
    errors: list[Exception] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        try:
            barrier.wait()
            for turn in range(12):
                file = take_in(library, PNG, f"{number}-{turn}.png").file
                blobs.sweep()
                if (number + turn) % 3:
                    trash.purge(library, [file.pk])
        except Exception as error:  # noqa: BLE001  The thread hands it to the test.
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert File.objects.count() == 8 * 12 // 3
    blobs.sweep()
    original = Original.objects.get()
    assert get_store("files").stat(original.key).size == len(PNG)
    assert [stat.key for stat in get_store("files").iterate()] == [original.key]


def elsewhere(work: Callable[[], object]) -> None:
    """On a connection of its own, committed."""

    def go() -> None:
        work()
        connection.close()

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()


@contextmanager
def a_twin_that_goes(original: Original) -> Iterator[None]:
    """Somebody has the same bytes in the library, and purges them as soon as we have met them."""
    twin = Original(
        library=original.library, sha256=SHA256, size=1, mime="image/png", kind="image", key="twin"
    )
    elsewhere(twin.save)
    try:
        yield
    finally:
        elsewhere(twin.delete)


SHA256 = hashlib.sha256(PNG).hexdigest()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("hashed", [True, False], ids=["at once", "late"])
def test_a_twin_that_is_purged_at_that_moment_is_no_twin(
    hashed: bool, library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DERIVERS = {"hash": "media.derivers.hash.HashDeriver"}
    save, met = Original.save, list[UUID]()

    def meeting(original: Original, **options: Any) -> None:
        if met or original.sha256 is None or original.key == "twin":
            save(original, **options)
            return
        met.append(original.pk)
        with a_twin_that_goes(original):
            save(original, **options)

    monkeypatch.setattr(Original, "save", meeting)
    file = take_in(library, PNG, "a.png", hashed=hashed).file
    run_queued()
    assert met
    file.refresh_from_db()
    assert Original.objects.get() == file.original
    assert file.original.sha256 == SHA256
    assert get_store("files").stat(file.original.key).size == len(PNG)


@pytest.mark.django_db(transaction=True)
def test_runs_late_hashes_and_purges_at_once(settings: Any) -> None:
    """Finishing, merging and purging lock the original first: no deadlock, and every blob has its row."""
    settings.DERIVERS = {"echo": TABLE["echo"], "hash": "media.derivers.hash.HashDeriver"}
    settings.SWEEP_GRACE_SECONDS = 0
    settings.RETRY_SECONDS = 0
    library = create_library(User.objects.create_user("owner@example.org", "owner-password"), "Busy")
    errors: list[Exception] = []
    barrier = threading.Barrier(6)

    def work(number: int) -> None:
        try:
            barrier.wait()
            for turn in range(10):
                content = PNG + bytes([turn % 3])
                file = take_in(library, content, f"{number}-{turn}", hashed=bool(number % 2)).file
                run_queued(3)
                if (number + turn) % 2:
                    trash.purge(library, [file.pk])
        except Exception as error:  # noqa: BLE001  The thread hands it to the test.
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    run_queued(1000)
    assert not Derivative.objects.exclude(status="ready").exists()
    assert Original.objects.filter(files__isnull=True).count() == 0
    assert Original.objects.count() == 3
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    blobs.sweep()
    named = {original.key for original in Original.objects.all()}
    named |= {output["key"] for row in Derivative.objects.all() for output in row.outputs}
    assert {stat.key for stat in get_store("files").iterate()} == named


def test_bytes_hashed_late_merge_into_the_known_original(library: Library, settings: Any) -> None:
    settings.SWEEP_GRACE_SECONDS = 0
    known = take_in(library, PNG, "a.png").file
    late = take_in(library, PNG, "b.png", hashed=False).file
    assert late.original_id != known.original_id
    digest = Original.objects.get(pk=known.original_id).sha256
    Original.objects.get(pk=late.original_id).adopt_digest(str(digest))
    late.refresh_from_db()
    assert late.original_id == known.original_id
    blobs.sweep()
    assert [stat.key for stat in get_store("files").iterate()] == [known.original.key]


def test_a_blob_swept_before_it_is_named_is_refused(library: Library) -> None:
    key = blobs.original_key(library.pk, UUID(int=7))
    get_store("files").put(key, [PNG])
    stored = Stored(uuid7(), key, len(PNG), None, sniff(PNG, len(PNG)))
    with pytest.raises(Exception, match="swept before"):
        intake.admit(stored, Place(library, "a.png"))
    assert put_bytes(library, PNG).key != key
