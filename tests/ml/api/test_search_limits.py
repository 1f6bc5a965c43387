"""What a search must not do: leak, repeat, hang, break."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from media import stacks, tags, trash
from media.api import cursors
from media.libraries import create_library, remove_member
from media.models import File, Folder, Library, Original, Stack
from ml.search.sources import REASONS
from tests.conftest import client_of
from tests.ml.search.things import (
    counts,
    holds,
    marked,
    names,
    person,
    put,
    says,
    search,
    seen,
    sounds_of,
    switch_on,
)

EVERYTHING = "secret"


PLACES = tuple(source for source in REASONS if source not in {"date", "meaning"})


def fill(library: Library, word: str = EVERYTHING) -> File:
    """A film that is found by this word in every place there is, and by the name of the place after it."""
    switch_on(library)
    folder = Folder.objects.create(library=library, name=f"{word} folder")
    file = put(
        library,
        f"{word} name.mp4",
        kind="video",
        folder=folder,
        title=f"{word} title",
        caption=f"{word} caption",
        keywords=[f"{word} keyword"],
        probe={"raw": {"iptc": {"city": f"{word} place"}}},
        camera_model=f"{word} camera",
        lens=f"{word} lens",
    )
    seen(file, person(library, f"{word} person"))
    holds(file, f"{word} object")
    sounds_of(file, f"{word} sound", 0)
    says(file, "en", f"it is a {word} transcript")
    marked(file, f"{word} moment", 1, tags.create_tag(library, f"{word} tag"))
    return file


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_looked_at(library: Library, as_bob: Client, place: str) -> None:
    fill(library)
    put(library, "another.mp4", kind="video")
    found = search(as_bob, f'"{EVERYTHING} {place}"', type="video")
    (entry,) = found["entries"]
    assert entry["matchReason"] == place
    assert names(search(as_bob, f'another -"{EVERYTHING} {place}"')) == ["another.mp4"]
    assert names(search(as_bob, f'mp4 -"{EVERYTHING} {place}"')) == ["another.mp4"]


def test_the_best_reasons_are_told(library: Library, as_bob: Client) -> None:
    fill(library)
    (entry,) = search(as_bob, EVERYTHING, type="video")["entries"]
    assert len(entry["where"]) == 10
    assert entry["where"][0]["source"] == "person"
    assert set(entry["matchReason"].split("+")) == {where["source"] for where in entry["where"]}


def test_strangers_find_nothing(library: Library, as_charlie: Client, as_bob: Client, charlie: User) -> None:
    file = fill(library)
    assert names(search(as_bob, EVERYTHING))
    found = search(as_charlie, EVERYTHING)
    assert found["entries"] == []
    assert found["total"] == 0
    assert all(not values for values in found["facets"].values())
    own = create_library(charlie, "Own")
    put(own, f"{EVERYTHING}.jpg")
    found = search(as_charlie, EVERYTHING)
    assert names(found) == [f"{EVERYTHING}.jpg"]
    assert counts(found, "library") == {"Own": 1}
    assert counts(found, "type") == {"image": 1}
    assert counts(found, "person") == counts(found, "label") == counts(found, "camera") == {}
    for filters in (
        {"folder": file.folder_id},
        {"tag": library.tags.get().pk},
        {"person": library.people.get().pk},
    ):
        assert names(search(as_charlie, EVERYTHING, **filters)) == []


def test_a_library_of_others_is_not_there(library: Library, as_charlie: Client) -> None:
    for key in (library.pk, uuid4()):
        answer = as_charlie.get("/api/search", {"q": EVERYTHING, "library": str(key)})
        assert answer.status_code == 404
        assert answer.json() == as_charlie.get(f"/api/libraries/{key}").json()


def test_whoever_was_shut_out_finds_nothing_more(library: Library, bob: User, as_bob: Client) -> None:
    fill(library)
    first = search(as_bob, EVERYTHING, limit=1)
    remove_member(library, bob.pk)
    assert search(as_bob, EVERYTHING)["total"] == 0
    assert search(as_bob, EVERYTHING, cursor=first["nextCursor"])["entries"] == []


def test_nobody_without_a_login(client: Client) -> None:
    assert client.get("/api/search", {"q": "cat"}).status_code == 401


def test_one_library_of_several(library: Library, alice: User) -> None:
    other = create_library(alice, "Work")
    put(library, "cat 1.jpg")
    put(other, "cat 2.jpg")
    as_alice = client_of(alice)
    assert counts(search(as_alice, "cat"), "library") == {"Family": 1, "Work": 1}
    assert names(search(as_alice, "cat", library=other.pk)) == ["cat 2.jpg"]


def test_the_trash(library: Library, as_bob: Client) -> None:
    file = fill(library)
    trash.trash(library, [file.pk])
    found = search(as_bob, EVERYTHING)
    assert [entry for entry in found["entries"] if entry["file"]] == []
    assert counts(found, "person") == counts(found, "label") == counts(found, "camera") == {}
    trash.restore(library, [file.pk])
    assert len([entry for entry in search(as_bob, EVERYTHING)["entries"] if entry["file"]]) == 1


@pytest.mark.parametrize(
    ("switch", "typed", "facet"),
    [
        ("faces", "Anna", "person"),
        ("objects_on", "dog", "label"),
        ("audio_events", "Speech", "label"),
        ("transcripts", "hello", ""),
    ],
)
def test_what_is_switched_off(library: Library, as_bob: Client, switch: str, typed: str, facet: str) -> None:
    """Rows may still be there for a while: they are not looked at."""
    switch_on(library)
    film = put(library, "film.mp4", kind="video")
    seen(film, person(library, "Anna"))
    holds(film, "dog")
    sounds_of(film, "Speech", 0)
    says(film, "en", "hello")
    assert names(search(as_bob, typed)) == ["film.mp4"]
    Library.objects.filter(pk=library.pk).update(**{switch: False})
    assert names(search(as_bob, typed)) == []
    if facet:
        found = search(as_bob, "film")
        assert typed not in counts(found, facet)
        filters: dict[str, Any] = (
            {"person": library.people.get().pk} if facet == "person" else {"label": typed}
        )
        assert names(search(as_bob, "film", **filters)) == []


def test_one_for_all_of_a_stack(library: Library, as_bob: Client) -> None:
    raw, picture = put(library, "IMG_7.CR3"), put(library, "IMG_7.JPG")
    Original.objects.filter(pk=raw.original_id).update(mime="image/x-canon-cr3")
    stacks.join(library.pk, [raw.pk, picture.pk])
    assert Stack.objects.get().primary_id == picture.pk
    found = search(as_bob, "IMG_7")
    assert names(found) == ["IMG_7.JPG"]
    assert found["total"] == 1
    assert counts(found, "type") == {"image": 1}
    assert sorted(names(search(as_bob, "IMG_7", stacks="open"))) == ["IMG_7.CR3", "IMG_7.JPG"]
    # Found alone it is shown itself: nothing that was found is hidden.
    assert names(search(as_bob, "cr3")) == ["IMG_7.CR3"]


def test_two_files_of_one_original(library: Library, as_bob: Client) -> None:
    switch_on(library)
    file = put(library, "a.jpg")
    holds(file, "dog")
    File.objects.create(library=library, original=file.original, name="b.jpg")
    found = search(as_bob, "dog")
    assert sorted(names(found)) == ["a.jpg", "b.jpg"]
    assert counts(found, "label") == {"dog": 2}


def test_pages_neither_repeat_nor_leave_out(library: Library, as_bob: Client) -> None:
    """Many have the same rank and some the same time; folders are among them; one comes while they are read."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    for number in range(23):
        put(library, f"cat {number}.jpg", at=start + timedelta(days=number // 3))
    for number in range(4):
        Folder.objects.create(library=library, name=f"cat {number}")
        put(library, f"tomcat {number}.jpg")
    first = search(as_bob, "cat", limit=5)
    seen_names, cursor, pages = names(first), first["nextCursor"], 1
    put(library, "cat new.jpg", at=timezone.now())
    while cursor:
        page = search(as_bob, "cat", limit=5, cursor=cursor)
        seen_names += names(page)
        cursor, pages = page["nextCursor"], pages + 1
    assert len(seen_names) == len(set(seen_names)) == 31
    assert "cat new.jpg" not in seen_names
    assert pages == 7


def test_pages_of_what_is_spelled_nearly_so(library: Library, as_bob: Client) -> None:
    for number in range(5):
        put(library, f"holiday {number}.jpg")
    first = search(as_bob, "hollidays", limit=3)
    second = search(as_bob, "hollidays", limit=3, cursor=first["nextCursor"])
    assert first["near"]
    assert second["near"]
    assert len({*names(first), *names(second)}) == 5


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "AAAA",
        "WyJ4IiwgIngiXQ",
        "W10",
        "\u00e4",
        "WyIxIDIwMjQgMCAiLCAiMDE5ODAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAxIl0",
    ],
)
def test_cursors_of_others(library: Library, as_bob: Client, cursor: str) -> None:
    answer = as_bob.get("/api/search", {"q": "cat", "cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_cursor"


@pytest.mark.parametrize(
    "place",
    [
        "0 0001-01-01T00:00:00+23:59 0 ",
        "2147483647 9999-12-31T23:59:59-23:59 1 ",
        "1 2024-01-01T00:00:00+00:00 0 nan",
        "1 2024-01-01T00:00:00+00:00 0 inf",
        "1 2024-01-01T00:00:00+00:00 0 -1e308",
        "0 2024-01-01T00:00:00+00:00 0 rest",
        "99999999999 2024-01-01T00:00:00+00:00 0 ",
        "-1 2024-01-01T00:00:00+00:00 0 ",
        "1 2024-01-01T00:00:00 0 ",
    ],
)
def test_forged_cursors_break_and_tell_nothing(
    library: Library, as_bob: Client, as_charlie: Client, place: str
) -> None:
    fill(library)
    cursor = cursors.encode(place, uuid4())
    for client in (as_bob, as_charlie):
        answer = client.get("/api/search", {"q": EVERYTHING, "cursor": cursor})
        assert answer.status_code in {200, 400}, answer.content
        if client is as_charlie and answer.status_code == 200:
            assert (answer.json()["entries"], answer.json()["total"]) == ([], 0)


def test_a_cursor_of_another_question_is_only_a_place_in_the_order(library: Library, as_bob: Client) -> None:
    for number in range(4):
        put(library, f"cat {number}.jpg")
        put(library, f"dog {number}.jpg")
    cursor = search(as_bob, "dog", limit=2)["nextCursor"]
    found = search(as_bob, "cat", cursor=cursor)
    assert set(names(found)) <= {f"cat {number}.jpg" for number in range(4)}


@pytest.mark.parametrize(
    "typed", ["", " ", "a", "-", "--", '"', '""""', "-cat", "+ - | &", "()", "\u00a0", "\u200b"]
)
def test_what_is_too_short_finds_nothing_and_says_so(library: Library, as_bob: Client, typed: str) -> None:
    put(library, "a cat.jpg")
    found = search(as_bob, typed)
    assert found["entries"] == []
    assert found["total"] == 0
    assert found["nextCursor"] is None
    if typed != "\u200b":
        assert found["message"] == "Type at least 2 characters of what you look for."


HOSTILE = [
    "x" * 10_000,
    "%" * 400,
    "a" * 400,
    "(" * 400,
    '"' * 399,
    "\\" * 400,
    "'; DROP TABLE media_file; --",
    "1' OR '1'='1",
    "%(v0)s %s {0} {mine}",
    "$1 ${x} `id` $(id)",
    ".*+?^${}()|[]\\",
    "(a+)+$",
    ":* & | ! <-> <0>",
    "a & b | !c:*",
    "\\u0000 \\x00",
    "\ud7ff\ue000\uffff\U0010ffff",
    "é" * 300,
    "\u0301" * 300,
    " ".join("ab" for _ in range(160)),
    " OR ".join("ab" for _ in range(60)),
    "-" * 500,
    "like:" + "0" * 32,
    "like:" + "-" * 36,
    "2024 " * 90,
    "june " * 90,
    "9999-99-99 0000-00-00 00.00.0000",
    "\x02\x03\x01",
    "\u202e\u2066abc",
    "<script>alert(1)</script>",
    "\u0301\u0301",
    "\u200d\ufe0f \u2066\u2069",
    "\u0661\u0662 \u05d0\u05d1\u05d2",
    "\ufdfa" * 100,
    " ".join(f"sercet{number}" for number in range(16)),
]


@pytest.mark.parametrize("typed", HOSTILE)
def test_hostile_questions(library: Library, as_bob: Client, typed: str) -> None:
    fill(library)
    answer = as_bob.get("/api/search", {"q": typed})
    assert answer.status_code in {200, 400}
    assert answer.json().get("entries", []) == [] or answer.status_code == 200
    assert File.objects.count() == 1


def test_nul(library: Library, as_bob: Client) -> None:
    assert as_bob.get("/api/search?q=a%00b").status_code == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("library", "x"),
        ("type", "x"),
        ("person", "x"),
        ("tag", "x"),
        ("folder", "root"),
        ("from", "yesterday"),
        ("from", "2024-02-30"),
        ("to", "2024-13"),
        ("to", "june"),
        ("limit", "0"),
        ("limit", "x"),
        ("stacks", "x"),
        ("label", "x" * 200),
    ],
)
def test_bad_filters(library: Library, as_bob: Client, name: str, value: str) -> None:
    answer = as_bob.get("/api/search", {"q": "cat", name: value})
    assert answer.status_code == 400
    assert name in answer.json()["fields"]


def test_a_question_is_needed(as_bob: Client) -> None:
    assert as_bob.get("/api/search").status_code == 400


def test_it_only_reads(library: Library, as_bob: Client) -> None:
    assert as_bob.post("/api/search", {"q": "cat"}).status_code == 405


def test_too_many_words(library: Library, as_bob: Client) -> None:
    answer = as_bob.get("/api/search", {"q": " ".join(f"word{number}" for number in range(17))})
    assert answer.status_code == 400
    assert answer.json()["code"] == "too_many_words"


def test_what_takes_too_long_is_given_up_with_a_sentence(
    library: Library, as_bob: Client, settings: Any
) -> None:
    for number in range(200):
        put(library, f"cat {number}.jpg")
    settings.SEARCH_SECONDS = 0.001
    answer = as_bob.get("/api/search", {"q": "cat OR dog OR bird OR fish"})
    assert answer.status_code == 422
    assert answer.json() == {
        "code": "search_too_slow",
        "message": "This search took too long. Use longer or rarer words, or search in one library.",
    }
    settings.SEARCH_SECONDS = 5
    assert search(as_bob, "cat")["total"] == 200
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() is not None


def test_few_queries_whatever_is_found(
    library: Library, as_bob: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        file = put(library, f"{EVERYTHING} {number}.mp4", kind="video")
        switch_on(library)
        holds(file, EVERYTHING)
        says(file, "en", f"it is {EVERYTHING}")
        Folder.objects.create(library=library, name=f"{EVERYTHING} {number}")
    search(as_bob, EVERYTHING)
    with django_assert_max_num_queries(14):
        assert len(search(as_bob, f"{EVERYTHING} OR other", limit=60)["entries"]) == 60


def test_long_limits_are_cut(library: Library, as_bob: Client) -> None:
    for number in range(101):
        put(library, f"cat {number}.jpg")
    assert len(search(as_bob, "cat", limit=5000)["entries"]) == 100
