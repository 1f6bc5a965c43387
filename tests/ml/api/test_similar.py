"""Copies for review over HTTP: pages, previews, decisions, and who may make them."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from alcoves.accounts.models import User
from media import trash
from media.api import cursors
from media.libraries import create_library
from media.models import File, Library
from ml.api import similar
from ml.models import KeptCopy, SimilarDecision
from tests.ingesting import take_in
from tests.ml.search.conftest import drawing, put, saved, searched, tiny_search  # noqa: F401  Fixtures.

pytestmark = pytest.mark.django_db
JSON = "application/json"


def base(library: Library) -> str:
    return f"/api/libraries/{library.pk}/similar"


@pytest.fixture
def copies(searched: Library, tiny_search: Path, tmp_path: Path) -> list[File]:  # noqa: F811  A fixture.
    """Two groups of two, and a picture that is like no other."""
    made = []
    for seed in (1, 2):
        pixels = drawing(seed)
        made.append(put(searched, saved(pixels, tmp_path / f"whole{seed}.png")))
        made.append(put(searched, saved(pixels, tmp_path / f"small{seed}.jpg", (120, 80))))
    made.append(put(searched, saved(drawing(3), tmp_path / "alone.png")))
    return made


def page(client: Client, library: Library, **query: Any) -> dict[str, Any]:
    answer = client.get(base(library), query)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def put_bytes(library: Library, name: str) -> File:
    return take_in(library, name.encode(), name).file


def names(told: dict[str, Any]) -> list[list[str]]:
    return [[member["file"]["name"] for member in group["members"]] for group in told["groups"]]


def test_groups_with_the_best_first_and_why(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_bob: Client,
) -> None:
    told = page(as_bob, searched)
    assert names(told) == [["whole2.png", "small2.jpg"], ["whole1.png", "small1.jpg"]]
    assert told["nextCursor"] is None
    first = told["groups"][0]
    assert (first["keep"], first["because"]) == (str(copies[2].pk), "resolution")
    assert (first["count"], first["cut"]) == (2, False)
    assert all(member["distance"] <= 0.03 and member["bits"] <= 6 for member in first["members"])
    assert first["members"][0]["file"]["images"]


def test_pages_and_thresholds(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_bob: Client,
) -> None:
    first = page(as_bob, searched, limit=1)
    second = page(as_bob, searched, limit=1, cursor=first["nextCursor"])
    assert names(first) + names(second) == names(page(as_bob, searched))
    assert second["nextCursor"] is None
    assert names(page(as_bob, searched, threshold=0)) == []
    assert len(page(as_bob, searched, threshold=0.1, bits=16)["groups"]) == 2
    steps = as_bob.get(f"{base(searched)}/preview").json()["steps"]
    assert steps[-1] == {"threshold": 0.1, "pairs": 2}
    assert [step["pairs"] for step in steps] == sorted(step["pairs"] for step in steps)


def test_copies_go_by_the_trash(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,
) -> None:
    assert as_alice.delete(f"/api/libraries/{searched.pk}/files/{copies[1].pk}").status_code == 204
    assert names(page(as_alice, searched)) == [["whole2.png", "small2.jpg"]]


def test_a_decision_is_kept_and_may_be_taken_back(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,
) -> None:
    keys = {"fileIds": [str(copies[0].pk), str(copies[1].pk)]}
    answer = as_alice.post(f"{base(searched)}/keep", keys, JSON)
    assert (answer.status_code, answer.json()) == (200, {"pairs": 1})
    assert SimilarDecision.objects.get().decided_by is not None
    assert len(names(page(as_alice, searched))) == 1
    assert as_alice.post(f"{base(searched)}/keep", keys, JSON).status_code == 200
    assert as_alice.post(f"{base(searched)}/reconsider", keys, JSON).json() == {"pairs": 1}
    assert len(names(page(as_alice, searched))) == 2


def again(file: File, name: str) -> File:
    """The same bytes once more."""
    copy: File = File.objects.create(library=file.library, original=file.original, name=name)
    return copy


def test_exact_copies_come_first_and_are_paged_with_the_others(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_bob: Client,
) -> None:
    again(copies[4], "alone again.png")
    film = put_bytes(searched, "film.bin")
    again(film, "film again.bin")
    told = page(as_bob, searched)
    assert [group["kind"] for group in told["groups"]] == ["exact", "exact", "similar", "similar"]
    assert names(told)[:2] == [["film.bin", "film again.bin"], ["alone.png", "alone again.png"]]
    first = told["groups"][0]
    assert (first["keep"], first["because"], first["count"]) == (str(film.pk), "age", 2)
    assert [(one["distance"], one["bits"]) for one in first["members"]] == [(0, 0), (0, 0)]
    for limit in (1, 2, 3):
        seen, query = [], {"limit": limit}
        for _ in range(6):
            part = page(as_bob, searched, **query)
            seen += names(part)
            assert len(part["groups"]) <= limit
            if part["nextCursor"] is None:
                break
            query["cursor"] = part["nextCursor"]
        assert part["nextCursor"] is None
        assert seen == names(told)


def test_exact_copies_are_decided_about_as_others_are(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,
) -> None:
    """All three at once: two of the same bytes, and one that is like them."""
    other = again(copies[0], "other.png")
    keys = {"fileIds": [str(one.pk) for one in (copies[0], copies[1], other)]}
    assert as_alice.post(f"{base(searched)}/keep", keys, JSON).json() == {"pairs": 3}
    assert names(page(as_alice, searched)) == [["whole2.png", "small2.jpg"]]
    assert KeptCopy.objects.count() == 2
    assert KeptCopy.objects.exclude(decided_by=None).count() == 2
    assert as_alice.post(f"{base(searched)}/keep", keys, JSON).status_code == 200
    assert as_alice.post(f"{base(searched)}/reconsider", keys, JSON).json() == {"pairs": 2}
    assert [group["kind"] for group in page(as_alice, searched)["groups"]] == ["exact", "similar", "similar"]


def test_of_many_exact_copies_some_are_listed_and_all_counted(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was not decided about is listed first, so that even of thousands each has its turn."""
    monkeypatch.setattr(similar, "MEMBERS_LIMIT", 3)
    all_of_them = {copies[4].pk} | {again(copies[4], f"{number}.png").pk for number in range(5)}
    decided = set[str]()
    for _ in range(2):
        group = page(as_alice, searched)["groups"][0]
        assert (group["kind"], group["count"], len(group["members"])) == ("exact", 6, 3)
        keys = [member["file"]["id"] for member in group["members"]]
        as_alice.post(f"{base(searched)}/keep", {"fileIds": keys}, JSON)
        decided |= set(keys)
    assert decided == {str(key) for key in all_of_them}
    assert {group["kind"] for group in page(as_alice, searched)["groups"]} == {"similar"}


@pytest.mark.parametrize("what", ["keep", "reconsider"])
def test_exact_copies_of_others_and_in_the_trash_are_passed_over(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,
    charlie: User,
    what: str,
) -> None:
    theirs = put_bytes(create_library(charlie, "Theirs"), "theirs.bin")
    gone = again(copies[0], "gone.png")
    trash.trash(searched, [gone.pk])
    for other in (theirs, gone):
        keys = {"fileIds": [str(copies[0].pk), str(other.pk)]}
        assert as_alice.post(f"{base(searched)}/{what}", keys, JSON).status_code == 400
    assert not KeptCopy.objects.exists()


@pytest.mark.parametrize("what", ["keep", "reconsider"])
def test_viewers_look_and_strangers_do_not(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,
    as_bob: Client,
    as_charlie: Client,
    what: str,
) -> None:
    keys = {"fileIds": [str(file.pk) for file in copies[:2]]}
    assert as_bob.post(f"{base(searched)}/{what}", keys, JSON).status_code == 403
    assert as_charlie.post(f"{base(searched)}/{what}", keys, JSON).status_code == 404
    assert as_charlie.get(base(searched)).status_code == 404
    assert as_charlie.get(f"{base(searched)}/preview").status_code == 404
    assert not SimilarDecision.objects.exists()
    for given in ([], ["x", "y"], [str(copies[0].pk)], None):
        bad = {"fileIds": given}
        assert as_alice.post(f"{base(searched)}/{what}", bad, JSON).status_code == 400
    unknown = {"fileIds": [str(copies[0].pk), str(uuid4())]}
    assert as_alice.post(f"{base(searched)}/{what}", unknown, JSON).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"threshold": -1},
        {"threshold": 0.2},
        {"threshold": "x"},
        {"bits": 17},
        {"limit": 0},
        {"cursor": "nonsense"},
        {"cursor": cursors.encode("another list", uuid4())},
    ],
)
def test_bad_input(searched: Library, as_bob: Client, query: dict[str, Any]) -> None:  # noqa: F811
    answer = as_bob.get(base(searched), query)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_a_page_costs_few_questions(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_bob: Client,
    django_assert_num_queries: Any,
) -> None:
    page(as_bob, searched)
    with django_assert_num_queries(10):
        page(as_bob, searched, limit=1)
    with django_assert_num_queries(10):
        page(as_bob, searched, limit=50)
    again(copies[4], "again.png")
    with django_assert_num_queries(11):
        page(as_bob, searched, limit=50)
    for file in copies[:4]:
        again(file, "again.png")
    with django_assert_num_queries(11):
        page(as_bob, searched, limit=50)
