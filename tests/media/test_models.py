"""What the database itself refuses, whoever writes to it."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import RequestFactory
from django.utils import timezone

from alcoves import gallery
from alcoves.accounts.models import User
from media.api import cursors, describing, files
from media.libraries import create_library
from media.models import Derivative, File, Folder, Library, Membership, Original, Upload
from media.models.library import Role

DIGEST = "ab" * 32


def make_original(library: Library, **fields: Any) -> Original:
    values = {
        "sha256": None,
        "size": 1,
        "mime": "image/png",
        "kind": "image",
        "key": f"k{Original.objects.count()}",
    }
    original: Original = Original.objects.create(library=library, **{**values, **fields})
    return original


def make_row(original: Original, **fields: Any) -> Derivative:
    values = {"deriver": "echo", "queue": "metadata", "queued_at": timezone.now()}
    row: Derivative = Derivative.objects.create(original=original, **{**values, **fields})
    return row


def checked(write: Callable[[], object]) -> None:
    """Write, and let the database check at once what it would check at the commit."""
    with transaction.atomic(), connection.cursor() as cursor:
        write()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize(
    "fields",
    [
        {"sha256": "AB" * 32},
        {"sha256": "ab"},
        {"sha256": ""},
        {"size": -1},
        {"kind": "song"},
        {"captured_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"captured_at": datetime(9999, 12, 31, tzinfo=UTC)},
    ],
)
def test_an_original_is_refused(library: Library, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        make_original(library, **fields)


def test_a_digest_is_there_once_a_library_and_unknown_ones_as_often_as_need_be(
    library: Library, alice: User
) -> None:
    make_original(library, sha256=DIGEST)
    make_original(library)
    make_original(library)
    make_original(create_library(alice, "Other"), sha256=DIGEST)
    with pytest.raises(IntegrityError):
        make_original(library, sha256=DIGEST)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "done"},
        {"queue": "fast"},
        {"progress": 101},
        {"ready_version": 2},
        {"status": "processing"},
        {"lease_owner": "w"},
        {"status": "failed"},
    ],
)
def test_a_derivative_is_refused(library: Library, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        make_row(make_original(library), **fields)


def test_a_derivative_is_there_once(library: Library) -> None:
    original = make_original(library)
    make_row(original)
    make_row(original, variant="other")
    with pytest.raises(IntegrityError):
        make_row(original)


def test_nothing_crosses_from_one_library_into_another(library: Library, alice: User) -> None:
    other = create_library(alice, "Other")
    foreign_folder = Folder.objects.create(library=other, name="theirs")
    original = make_original(library)
    crossings = (
        lambda: Folder.objects.create(library=library, parent=foreign_folder, name="x"),
        lambda: File.objects.create(library=library, folder=foreign_folder, original=original, name="x"),
        lambda: File.objects.create(library=other, original=original, name="x"),
    )
    for cross in crossings:
        with pytest.raises(IntegrityError, match="same_library"):
            checked(cross)


def test_folder_names_are_there_once_whatever_their_case_and_again_once_trashed(library: Library) -> None:
    Folder.objects.create(library=library, name="Trip", trashed_at=timezone.now())
    Folder.objects.create(library=library, name="Trip")
    with pytest.raises(IntegrityError):
        Folder.objects.create(library=library, name="trip")


def test_a_library_has_one_owner(library: Library, charlie: User) -> None:
    with pytest.raises(IntegrityError):
        Membership.objects.create(library=library, user=charlie, role=Role.OWNER)


def test_an_original_with_a_file_cannot_be_deleted(library: Library) -> None:
    original = make_original(library)
    File.objects.create(library=library, original=original, name="x")

    def delete() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM media_original WHERE id = %s", [original.pk])

    with pytest.raises(IntegrityError):
        checked(delete)


def test_an_upload_is_never_longer_than_declared(library: Library, alice: User) -> None:
    values = {"library": library, "user": alice, "kind": "tus", "expires_at": timezone.now()}
    Upload.objects.create(**values, length=10, offset=10)
    with pytest.raises(IntegrityError):
        Upload.objects.create(**values, length=10, offset=11)


def test_addresses_are_one_persons_whatever_their_case(alice: User) -> None:
    with pytest.raises(IntegrityError):
        User.objects.create(email="ALICE@example.org")


def test_models_and_migrations_agree(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_migrations_can_be_undone(db: None) -> None:
    """The plain SQL has a way back."""
    call_command("migrate", "media", "0001", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conname LIKE '%same_library'")
        assert cursor.fetchone() == (0,)
    call_command("migrate", "media", verbosity=0)


ROWS = 1000
NEWEST = datetime(2025, 1, 1, tzinfo=UTC)
YESTERDAY = cursors.encode((NEWEST - timedelta(days=1)).isoformat(), UUID(int=0))


@pytest.fixture
def many(library: Library) -> Folder:
    """So many files at the top, in a folder and in the trash that the planner has a reason to use an index."""
    folder: Folder = Folder.objects.create(library=library, name="Trip")
    facts: dict[str, Any] = {"library": library, "size": 1, "mime": "image/png", "kind": "image"}
    originals = [Original(key=f"k{number}", **facts) for number in range(3 * ROWS)]
    Original.objects.bulk_create(originals)
    now = timezone.now()
    places: Iterator[dict[str, Any]] = itertools.cycle([{}, {"folder": folder}, {"trashed_at": now}])
    File.objects.bulk_create(
        File(
            library=library,
            original=original,
            name=f"{number * 7919 % ROWS:04} picture.png",
            effective_at=NEWEST - timedelta(hours=number * 7919 % ROWS),
            **place,
        )
        for number, (original, place) in enumerate(zip(originals, places, strict=False))
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE media_file, media_original")
    return folder


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "file_live_at_top_by_name"),
        ({"cursor": cursors.encode("0400", UUID(int=0))}, "file_live_at_top_by_name"),
        ({"stacks": "closed"}, "file_live_at_top_by_name"),
        ({"stacks": "closed", "folder": "Trip"}, "file_live_by_name"),
        ({"stacks": "closed", "folder": "any", "order": "-date"}, "file_live_by_date"),
        ({"folder": "Trip"}, "file_live_by_name"),
        ({"trashed": True}, "file_trashed_by_name"),
        ({"trashed": True, "cursor": cursors.encode("0400", UUID(int=0))}, "file_trashed_by_name"),
        ({"q": "0999"}, "file_live_by_part_of_name"),
        ({"folder": "any", "order": "-date"}, "file_live_by_date"),
        ({"folder": "any", "order": "date"}, "file_live_by_date"),
        ({"folder": "any", "order": "-date", "cursor": YESTERDAY}, "file_live_by_date"),
        ({"folder": "any", "order": "date", "cursor": YESTERDAY}, "file_live_by_date"),
    ],
    ids=str,
)
def test_lists_have_their_index(library: Library, many: Folder, query: dict[str, Any], index: str) -> None:
    given: dict[str, Any] = {"trashed": False, "order": "name", "stacks": "open", **query}
    if given.get("folder") == "Trip":
        given["folder"] = str(many.pk)
    ordered = files.in_order(files.listed(library, given), given["order"], given.get("cursor"))
    page = describing.with_all(ordered)[:51]
    plan = page.explain()
    assert index in plan
    assert "Seq Scan on media_file" not in plan
    assert list(page)


def test_the_newest_file_of_a_library_has_its_index(library: Library, many: Folder, alice: User) -> None:
    request = RequestFactory().get("/")
    request.user = alice
    plan = gallery.memberships_of(request).explain()
    assert "file_live_newest" in plan
