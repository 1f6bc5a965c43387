"""Files of the same bytes, for review: paged, remembered, and again there when another one comes."""

from uuid import UUID, uuid4

import pytest
from django.db import connection

from alcoves.accounts.models import User
from media import trash
from media.libraries import create_library
from media.models import File, Library, Original
from ml.models import KeptCopy
from ml.search import copies, reviewing
from ml.search.similar import Limits
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db


def put(library: Library, name: str, count: int = 2) -> list[File]:
    original = take_in(library, name.encode(), name).file.original
    for number in range(1, count):
        File.objects.create(library=library, original=original, name=f"{number} {name}")
    return list(original.files.order_by("pk"))


def found(library: Library) -> list[UUID]:
    return [group.id for group in copies.page(library, None, 50)[0]]


def test_only_live_files_of_one_library_are_copies(library: Library, alice: User) -> None:
    two = put(library, "a")
    put(library, "b", 1)
    put(create_library(alice, "Other"), "a", 1)
    assert found(library) == [two[0].original_id]
    trash.trash(library, [two[0].pk])
    assert found(library) == []
    trash.restore(library, [two[0].pk])
    assert found(library) == [two[0].original_id]
    trash.trash(library, [two[0].pk])
    trash.purge(library, [two[0].pk])
    assert found(library) == []


def test_a_decision_is_kept_through_the_trash_until_another_one_comes(library: Library) -> None:
    two = put(library, "a")
    keys = [file.pk for file in two]
    assert reviewing.keep_all(library, keys, None) == 1
    assert found(library) == []
    trash.trash(library, keys[:1])
    trash.restore(library, keys[:1])
    assert found(library) == []
    third = File.objects.create(library=library, original=two[0].original, name="third")
    assert found(library) == [two[0].original_id]
    reviewing.keep_all(library, [*keys, third.pk], None)
    assert found(library) == []
    assert reviewing.ask_again(library, [keys[0], third.pk]) == 1
    assert found(library) == [two[0].original_id]
    trash.trash(library, [third.pk])
    trash.purge(library, [third.pk])
    assert KeptCopy.objects.count() == 1


def test_what_was_said_of_other_bytes_is_not_said_of_these(library: Library) -> None:
    """A file that points at another original now: merged with its twin."""
    two, other = put(library, "a"), put(library, "b", 1)
    reviewing.keep_all(library, [file.pk for file in two], None)
    File.objects.filter(pk=two[1].pk).update(original=other[0].original)
    assert found(library) == [other[0].original_id]
    assert reviewing.keep_all(library, [two[1].pk, other[0].pk], None) == 1
    assert found(library) == []


def test_every_group_comes_once_whatever_the_page(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "LOOK", 3)
    monkeypatch.setattr(copies, "LOOKS_MOST", 2)
    made = [put(library, f"{number}", 2 + number % 2) for number in range(16)]
    for files in made[4:13]:
        reviewing.keep_all(library, [file.pk for file in files], None)
    expected = sorted((files[0].original_id for files in made[:4] + made[13:]), reverse=True)
    for limit in (1, 2, 7, 50):
        seen: list[UUID] = []
        place: reviewing.Place | None = reviewing.START
        for _ in range(20):
            assert place is not None
            groups, place = reviewing.page(library, Limits(), place, limit)
            seen += [group.id for group in groups]
            assert len(groups) <= limit
            assert all(group.exact for group in groups)
            if place is None:
                break
        assert place is None
        assert seen == expected


def fill(library: Library, count: int) -> None:
    about = {"library": library, "size": 1, "mime": "image/png", "kind": "image"}
    originals = Original.objects.bulk_create(Original(key=f"many/{uuid4()}", **about) for _ in range(count))
    File.objects.bulk_create(
        File(library=library, original=one, name="x") for one in (*originals, *originals[::40])
    )


@pytest.mark.django_db(transaction=True)
def test_they_are_found_by_an_index_alone(library: Library, charlie: User) -> None:
    fill(library, 1000)
    fill(create_library(charlie, "Others"), 5000)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE media_file")
    plan = copies.more_than_one(library, None)[:200].explain(analyze=True)
    assert "Index Only Scan Backward using file_live_by_original" in plan
    assert "Sort" not in plan
    assert len(copies.more_than_one(library, None)) == 25
