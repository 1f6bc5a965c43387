"""Objects and sounds over HTTP: by file, by name, by library; who may look, and what it costs."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alcoves.accounts.models import User
from media import trash
from media.libraries import create_library
from media.models import Derivative, File, Library
from media.trash import purge
from ml.models import ObjectDetection, SoundEvent
from tests.conftest import client_of
from tests.ingesting import take_in
from tests.media.api.conftest import PNG

QUEUES = {"objects": "object-detection", "sounds": "audio-detection"}


def add(library: Library, number: int) -> File:
    return take_in(library, PNG + number.to_bytes(4, "big"), f"{number:03}.png").file


def made(file: File, deriver: str) -> Derivative:
    row: Derivative = Derivative.objects.create(
        original_id=file.original_id,
        deriver=deriver,
        queue=QUEUES[deriver],
        status="ready",
        made_by={"model": "some-model"},
        queued_at=timezone.now(),
    )
    return row


def see(file: File, *found: tuple[str, float], spans: Sequence[tuple[float, float]] = ()) -> None:
    row = made(file, "objects")
    times = [{"second": start, "start_seconds": start, "end_seconds": end} for start, end in spans] or [
        {}
    ] * len(found)
    ObjectDetection.objects.bulk_create(
        ObjectDetection(
            library_id=file.library_id,
            original_id=file.original_id,
            derivative=row,
            label=label,
            class_index=0,
            score=score,
            x=0.1,
            y=0.2,
            width=0.3,
            height=0.4,
            **when,
        )
        for (label, score), when in zip(found, times, strict=True)
    )


def hear(file: File, *windows: Sequence[tuple[str, float]]) -> None:
    row = made(file, "sounds")
    SoundEvent.objects.bulk_create(
        SoundEvent(
            library_id=file.library_id,
            original_id=file.original_id,
            derivative=row,
            label=label,
            class_index=0,
            score=score,
            start_seconds=10.0 * number,
            end_seconds=10.0 * number + 10,
        )
        for number, window in enumerate(windows)
        for label, score in window
    )


def of_file(file: File, what: str) -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}/{what}"


def test_objects_of_a_picture(library: Library, as_alice: Client, django_assert_num_queries: Any) -> None:
    file = add(library, 1)
    see(file, ("dog", 0.5), ("person", 0.9))
    with django_assert_num_queries(6):
        told = as_alice.get(of_file(file, "objects")).json()
    assert (told["status"], told["model"]) == ("ready", "some-model")
    assert [(one["label"], one["score"]) for one in told["entries"]] == [("person", 0.9), ("dog", 0.5)]
    first = told["entries"][0]
    assert first["box"] == {"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}
    assert (first["second"], first["start"], first["end"]) == (None, None, None)


def test_objects_of_a_film_by_time(library: Library, as_alice: Client) -> None:
    file = add(library, 1)
    see(file, ("dog", 0.9), ("cat", 0.5), ("person", 0.6), spans=[(4, 8), (0, 2), (4, 6)])
    told = as_alice.get(of_file(file, "objects")).json()["entries"]
    times = [(one["label"], one["start"], one["end"]) for one in told]
    assert times == [("cat", 0, 2), ("dog", 4, 8), ("person", 4, 6)]


@pytest.mark.parametrize("what", ["objects", "sounds"])
def test_nothing_was_looked_for(library: Library, as_alice: Client, what: str) -> None:
    told = as_alice.get(of_file(add(library, 1), what)).json()
    assert (told["status"], told["model"], told["entries"]) == (None, None, [])


def test_sounds_of_a_file_in_pages(library: Library, as_alice: Client) -> None:
    file = add(library, 1)
    hear(file, *[[("Speech", 0.9), ("Dog", 0.4)]] * 5)
    path, cursor, told = of_file(file, "sounds"), None, []
    for _ in range(4):
        page = as_alice.get(path, {"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        told += [(one["start"], one["label"]) for one in page["entries"]]
        cursor = page["nextCursor"]
    assert cursor is None
    assert told == [(10.0 * number, label) for number in range(5) for label in ("Speech", "Dog")]


def test_sounds_of_a_part(library: Library, as_alice: Client) -> None:
    file = add(library, 1)
    hear(file, *[[("Speech", 0.9)]] * 5)
    part = as_alice.get(of_file(file, "sounds"), {"start": 15, "end": 30}).json()["entries"]
    assert [one["start"] for one in part] == [10.0, 20.0]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "WyJuYW4iLCIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAiXQ"},
        {"cursor": "WyJ4IiwiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0"},
        {"limit": 0},
        {"limit": 1001},
        {"start": "soon"},
        {"start": -1},
        {"start": "nan"},
    ],
)
def test_bad_questions_about_sounds(library: Library, as_alice: Client, query: dict[str, Any]) -> None:
    file = add(library, 1)
    hear(file, [("Speech", 0.9)])
    assert as_alice.get(of_file(file, "sounds"), query).status_code == 400


def test_labels_count_live_files_once(library: Library, as_alice: Client, alice: User) -> None:
    files = [add(library, number) for number in range(4)]
    see(files[0], ("dog", 0.5), ("dog", 0.7), ("person", 0.9))
    see(files[1], ("person", 0.5))
    see(files[2], ("person", 0.5), ("cat", 0.5))
    twin = take_in(library, PNG + (0).to_bytes(4, "big"), "twin.png").file
    assert twin.original_id == files[0].original_id
    trash.trash(library, [files[2].pk])
    other = create_library(alice, "Work")
    see(add(other, 9), ("zebra", 0.9))
    path = f"/api/libraries/{library.pk}/objects/labels"
    assert as_alice.get(path).json() == [{"label": "person", "files": 3}, {"label": "dog", "files": 2}]
    trash.restore(library, [files[2].pk])
    assert {"label": "cat", "files": 1} in as_alice.get(path).json()
    trash.trash(library, [files[2].pk])
    purge(library, [files[2].pk])
    assert not ObjectDetection.objects.filter(label="cat").exists()


def test_labels_of_sounds(library: Library, as_alice: Client) -> None:
    hear(add(library, 1), [("Speech", 0.9), ("Dog", 0.3)], [("Speech", 0.8)])
    hear(add(library, 2), [("Speech", 0.9)])
    told = as_alice.get(f"/api/libraries/{library.pk}/sounds/labels").json()
    assert told == [{"label": "Speech", "files": 2}, {"label": "Dog", "files": 1}]


@pytest.mark.parametrize("what", ["objects", "sounds"])
def test_files_of_a_label_in_pages(library: Library, as_alice: Client, what: str) -> None:
    note = see if what == "objects" else lambda file, *found: hear(file, found)
    files = [add(library, number) for number in range(5)]
    for file in files:
        note(file, ("Dog", 0.5), ("Dog", 0.4))
    note(add(library, 7), ("Cat", 0.9))
    trash.trash(library, [files[1].pk])
    path = f"/api/libraries/{library.pk}/{what}"
    query: dict[str, Any] = {"label": "Dog", "order": "name", "limit": 3}
    first = as_alice.get(path, query).json()
    second = as_alice.get(path, query | {"cursor": first["nextCursor"]}).json()
    names = [one["name"] for page in (first, second) for one in page["entries"]]
    assert names == ["000.png", "002.png", "003.png", "004.png"]
    assert second["nextCursor"] is None
    newest = as_alice.get(path, {"label": "Dog"}).json()["entries"]
    assert [one["name"] for one in newest] == names[::-1]
    assert as_alice.get(path, {"label": "Dog", "minScore": "0.6"}).json()["entries"] == []
    assert as_alice.get(path, {"label": "Unicorn"}).json() == {"entries": [], "nextCursor": None}


@pytest.mark.parametrize("query", [{}, {"label": ""}, {"label": "x" * 129}, {"label": "a", "minScore": 2}])
@pytest.mark.parametrize("what", ["objects", "sounds"])
def test_bad_questions_about_labels(
    library: Library, as_alice: Client, what: str, query: dict[str, Any]
) -> None:
    assert as_alice.get(f"/api/libraries/{library.pk}/{what}", query).status_code == 400


@pytest.mark.parametrize("what", ["objects", "sounds"])
def test_members_look_and_strangers_find_nothing(
    library: Library, bob: User, charlie: User, what: str
) -> None:
    file = add(library, 1)
    library_path = f"/api/libraries/{library.pk}/{what}"
    for path in (of_file(file, what), f"{library_path}/labels", f"{library_path}?label=dog"):
        assert client_of(bob).get(path).status_code == 200
        assert client_of(charlie).get(path).status_code == 404
        assert Client().get(path).status_code in {401, 403}
    gone = f"/api/libraries/{library.pk}/files/{uuid4()}/{what}"
    assert client_of(bob).get(gone).status_code == 404


@pytest.mark.parametrize("what", ["objects", "sounds"])
def test_lists_cost_the_same_for_many(library: Library, as_alice: Client, what: str) -> None:
    note = see if what == "objects" else lambda file, *found: hear(file, found)
    path = f"/api/libraries/{library.pk}/{what}"
    as_alice.get(path + "/labels")  # Notes when the token was used last.
    counts = []
    for number in range(0, 9, 4):
        for file in [add(library, number + each) for each in range(4)]:
            note(file, ("Dog", 0.5))
        for address in (path + "?label=Dog", path + "/labels"):
            with CaptureQueriesContext(connection) as queries:
                assert as_alice.get(address).status_code == 200
            counts.append(len(queries))
    assert counts[:2] == counts[2:4] == counts[4:]
    assert counts[0] <= 6
    assert counts[1] <= 4


@pytest.mark.parametrize(
    ("model", "index"), [(ObjectDetection, "object_by_label"), (SoundEvent, "sound_by_label")]
)
def test_the_files_of_a_label_have_their_index(library: Library, model: Any, index: str) -> None:
    """A thousand rows, and few of a name: the index finds them."""
    file = add(library, 1)
    note = see if model is ObjectDetection else lambda file, *found: hear(file, found)
    note(file, *[(f"label {number}", 0.5) for number in range(1000)])
    rows = model.objects.filter(library=library, label="label 7", original=file.original_id)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {model._meta.db_table}")
    assert index in rows.explain()
