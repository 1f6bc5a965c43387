"""Copies for review over HTTP: pages, previews, decisions, and who may make them."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from media.api import cursors
from media.models import File, Library
from ml.models import SimilarDecision
from tests.media.api.conftest import as_alice, as_bob, as_charlie  # noqa: F401  Fixtures.
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


def names(told: dict[str, Any]) -> list[list[str]]:
    return [[member["file"]["name"] for member in group["members"]] for group in told["groups"]]


def test_groups_with_the_best_first_and_why(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_bob: Client,  # noqa: F811
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
    as_bob: Client,  # noqa: F811
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
    as_alice: Client,  # noqa: F811
) -> None:
    assert as_alice.delete(f"/api/libraries/{searched.pk}/files/{copies[1].pk}").status_code == 204
    assert names(page(as_alice, searched)) == [["whole2.png", "small2.jpg"]]


def test_a_decision_is_kept_and_may_be_taken_back(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,  # noqa: F811
) -> None:
    keys = {"fileIds": [str(copies[0].pk), str(copies[1].pk)]}
    answer = as_alice.post(f"{base(searched)}/keep", keys, JSON)
    assert (answer.status_code, answer.json()) == (200, {"pairs": 1})
    assert SimilarDecision.objects.get().decided_by is not None
    assert len(names(page(as_alice, searched))) == 1
    assert as_alice.post(f"{base(searched)}/keep", keys, JSON).status_code == 200
    assert as_alice.post(f"{base(searched)}/reconsider", keys, JSON).json() == {"pairs": 1}
    assert len(names(page(as_alice, searched))) == 2


@pytest.mark.parametrize("what", ["keep", "reconsider"])
def test_viewers_look_and_strangers_do_not(
    searched: Library,  # noqa: F811
    copies: list[File],
    as_alice: Client,  # noqa: F811
    as_bob: Client,  # noqa: F811
    as_charlie: Client,  # noqa: F811
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
    as_bob: Client,  # noqa: F811
    django_assert_num_queries: Any,
) -> None:
    page(as_bob, searched)
    with django_assert_num_queries(9):
        page(as_bob, searched, limit=1)
    with django_assert_num_queries(9):
        page(as_bob, searched, limit=50)
