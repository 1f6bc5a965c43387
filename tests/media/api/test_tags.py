"""The tags of a library over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from alcoves.accounts.models import User
from media import tags
from media.libraries import create_library
from media.models import Library, Tag

JSON = "application/json"


def base(library: Library) -> str:
    return f"/api/libraries/{library.pk}/tags"


def test_made_listed_changed_and_deleted(library: Library, as_alice: Client, as_bob: Client) -> None:
    made = as_alice.post(base(library), {"name": "sunset"}, JSON)
    assert made.status_code == 201
    told = made.json()
    assert (told["name"], told["color"], told["usageCount"]) == ("sunset", tags.PALETTE[0], 0)
    as_alice.post(base(library), {"name": "Beach", "color": "#EC4899"}, JSON)
    assert [(one["name"], one["color"]) for one in as_bob.get(base(library)).json()] == [
        ("Beach", "#EC4899"),
        ("sunset", tags.PALETTE[0]),
    ]
    changed = as_alice.patch(f"{base(library)}/{told['id']}", {"name": "Sunset", "color": "#3B82F6"}, JSON)
    assert (changed.status_code, changed.json()["name"], changed.json()["color"]) == (
        200,
        "Sunset",
        "#3B82F6",
    )
    assert as_alice.patch(f"{base(library)}/{told['id']}", {}, JSON).json()["name"] == "Sunset"
    assert as_alice.delete(f"{base(library)}/{told['id']}").status_code == 204
    assert as_alice.delete(f"{base(library)}/{told['id']}").status_code == 404
    assert [one["name"] for one in as_bob.get(base(library)).json()] == ["Beach"]


def test_a_name_that_is_taken_is_said_as_such(library: Library, as_alice: Client) -> None:
    as_alice.post(base(library), {"name": "Goal"}, JSON)
    taken = as_alice.post(base(library), {"name": "gOAL"}, JSON)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    other = as_alice.post(base(library), {"name": "Save"}, JSON).json()
    taken = as_alice.patch(f"{base(library)}/{other['id']}", {"name": "goal"}, JSON)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"name": ""},
        {"name": "x" * 61},
        {"name": "a\0b"},
        {"name": "\u200b"},
        {"name": None},
        {"name": "a", "color": "#123456"},
        {"name": "a", "color": "red"},
        {"name": ["a"]},
    ],
)
def test_bad_input(library: Library, as_alice: Client, bad: dict[str, Any]) -> None:
    answer = as_alice.post(base(library), bad, JSON)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert not Tag.objects.exists()


def test_viewers_look_and_strangers_do_not(
    library: Library, alice: User, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    tag = tags.create_tag(library, "Goal")
    theirs = tags.create_tag(create_library(alice, "Other"), "theirs")
    for client, status in ((as_bob, 403), (as_charlie, 404)):
        assert client.post(base(library), {"name": "b"}, JSON).status_code == status
        assert client.patch(f"{base(library)}/{tag.pk}", {"name": "b"}, JSON).status_code == status
        assert client.delete(f"{base(library)}/{tag.pk}").status_code == status
    assert as_charlie.get(base(library)).status_code == 404
    for key in (theirs.pk, uuid4()):
        assert as_alice.patch(f"{base(library)}/{key}", {"name": "b"}, JSON).status_code == 404
        assert as_alice.delete(f"{base(library)}/{key}").status_code == 404
    assert Tag.objects.count() == 2


def test_a_hundred_tags_cost_as_many_queries_as_one(
    library: Library, as_bob: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(100):
        tags.create_tag(library, f"tag {number}")
    with django_assert_max_num_queries(4):
        assert len(as_bob.get(base(library)).json()) == 100
