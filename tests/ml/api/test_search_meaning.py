"""GET /api/search where a model of meaning is here: both lists as one, with the tiny model of the tests."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from media.libraries import create_library
from media.models import File, Library
from tests.conftest import client_of
from tests.ml.graphs import search as tiny
from tests.ml.search import things
from tests.ml.search.conftest import know, put, saved, searched, tinted, tiny_search
from tests.ml.search.things import counts, names, person, search, seen, switch_on

__all__ = ["searched", "tiny_search"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_search")]


@pytest.fixture
def pictures(searched: Library, tmp_path: Path) -> dict[str, File]:
    """Two of each colour, under names that say nothing."""
    know(*tiny.COLORS, *(f"{color} -first" for color in tiny.COLORS))
    return {
        f"{color} {seed}": put(searched, saved(tinted(color, seed), tmp_path / f"{place}-{seed}.png"))
        for place, color in enumerate(tiny.COLORS)
        for seed in (1, 2)
    }


def test_what_is_to_be_seen_is_found_without_a_word(pictures: dict[str, File], as_bob: Client) -> None:
    found = search(as_bob, "red")
    assert found["meaning"] == "used"
    assert sorted(names(found)) == sorted(pictures[f"red {seed}"].name for seed in (1, 2))
    assert {entry["matchReason"] for entry in found["entries"]} == {"meaning"}
    (where,) = found["entries"][0]["where"]
    assert where == {"source": "meaning", "text": None, "ranges": [], "second": None, "id": None}
    assert found["total"] == 2
    assert counts(found, "type") == {"image": 2}
    assert not found["near"]


def test_what_both_find_is_first(searched: Library, pictures: dict[str, File], as_bob: Client) -> None:
    both = pictures["red 2"]
    both.name = "bred.png"
    both.save()
    things.put(searched, "red only by name.jpg")
    found = search(as_bob, "red")
    assert names(found)[0] == "bred.png"
    assert found["entries"][0]["matchReason"] == "name+meaning"
    assert found["total"] == 3


def test_pages_of_both_neither_repeat_nor_leave_out(
    searched: Library, pictures: dict[str, File], as_bob: Client
) -> None:
    for number in range(7):
        things.put(searched, f"red {number}.jpg")
    whole = names(search(as_bob, "red"))
    assert len(whole) == 9
    told: list[str] = []
    cursor = None
    while True:
        page = search(as_bob, "red", limit=2, **({"cursor": cursor} if cursor else {}))
        told += names(page)
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert told == whole


def test_behind_the_fused_part_nothing_is_told_twice(
    searched: Library, pictures: dict[str, File], as_bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that are found by both, but by words only further down than what is fused."""
    monkeypatch.setattr("ml.search.finding.DEEPEST", 3)
    for seed in (1, 2):
        File.objects.filter(pk=pictures[f"red {seed}"].pk).update(name=f"bored{seed}.png")
    made = {things.put(searched, f"red {number}.jpg").name for number in range(8)}
    for limit in (1, 2, 3, 50):
        told: list[str] = []
        cursor, totals = None, set()
        while True:
            page = search(as_bob, "red", limit=limit, **({"cursor": cursor} if cursor else {}))
            told += names(page)
            totals.add(page["total"])
            assert page["meaning"] == "used"
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert sorted(told) == sorted({*made, "bored1.png", "bored2.png"})
        assert totals == {10}


def test_a_page_goes_on_where_the_model_is_gone(
    searched: Library, pictures: dict[str, File], as_bob: Client
) -> None:
    for number in range(6):
        things.put(searched, f"red {number}.jpg")
    first = search(as_bob, "red", limit=3)
    Library.objects.update(semantic=False)
    second = search(as_bob, "red", limit=10, cursor=first["nextCursor"])
    assert second["meaning"] == "off"
    assert not set(names(first)) & set(names(second))


def test_filters_trash_minus_and_members_hold_for_meaning_too(
    searched: Library, pictures: dict[str, File], as_bob: Client, charlie: User, tmp_path: Path
) -> None:
    first, second = pictures["red 1"], pictures["red 2"]
    assert names(search(as_bob, "red", type="video")) == []
    first.name = "first.png"
    first.save()
    assert names(search(as_bob, "red -first")) == [second.name]
    File.objects.filter(pk=second.pk).update(trashed_at=timezone.now())
    assert names(search(as_bob, "red")) == ["first.png"]
    theirs = create_library(charlie, "Theirs", semantic=True)
    put(theirs, saved(tinted("red", 9), tmp_path / "theirs.png"))
    assert names(search(as_bob, "red")) == ["first.png"]
    assert search(as_bob, "red")["total"] == 1


def test_like_a_picture(searched: Library, pictures: dict[str, File], as_bob: Client, charlie: User) -> None:
    found = search(as_bob, f"like:{pictures['red 1'].pk}")
    assert pictures["red 2"].name in names(found)
    assert pictures["red 1"].name not in names(found)
    assert names(search(as_bob, f"like:{uuid4()}")) == []
    assert names(search(client_of(charlie), f"like:{pictures['red 1'].pk}")) == []


def test_text_alone_where_it_is_switched_off(
    searched: Library, pictures: dict[str, File], as_bob: Client
) -> None:
    Library.objects.update(semantic=False)
    found = search(as_bob, "red")
    assert (found["meaning"], names(found)) == ("off", [])


def from_year(file: File, year: int) -> File:
    File.objects.filter(pk=file.pk).update(effective_at=datetime(year, 6, 1, 12, tzinfo=UTC))
    return file


def test_a_typo_is_found_beside_what_is_only_meant(
    searched: Library, pictures: dict[str, File], as_bob: Client
) -> None:
    """Some picture always means a little of it; the person who is nearly called so comes first."""
    switch_on(searched, "faces")
    know(elizabeth="red")
    seen(things.put(searched, "portrait.jpg"), person(searched, "Elisabeth"))
    found = search(as_bob, "elizabeth")
    assert names(found)[0] == "portrait.jpg"
    assert sorted(names(found)[1:]) == sorted(pictures[f"red {seed}"].name for seed in (1, 2))
    assert (found["near"], found["meaning"], found["total"]) == (True, "used", 3)
    assert [entry["matchReason"] for entry in found["entries"]] == ["person", "meaning", "meaning"]
    first = search(as_bob, "elizabeth", limit=1)
    second = search(as_bob, "elizabeth", limit=5, cursor=first["nextCursor"])
    assert names(first) + names(second) == names(found)
    assert second["near"]


def test_what_is_only_a_little_alike_does_not_come_between(
    searched: Library, pictures: dict[str, File], as_bob: Client
) -> None:
    know(sunset="red")
    things.put(searched, "Sunday.jpg")
    found = search(as_bob, "sunset")
    assert {entry["matchReason"] for entry in found["entries"]} == {"meaning"}
    assert (found["near"], found["total"]) == (False, 2)
    Library.objects.update(semantic=False)
    assert names(search(as_bob, "sunset")) == ["Sunday.jpg"]


def test_a_date_holds_for_what_is_meant(searched: Library, pictures: dict[str, File], as_bob: Client) -> None:
    know(**dict.fromkeys(("red 2024", "red june 2024", "red 2024 2023"), "red"))
    right, wrong = from_year(pictures["red 1"], 2024), from_year(pictures["red 2"], 2023)
    for typed in ("red 2024", "red june 2024"):
        found = search(as_bob, typed)
        assert names(found) == [right.name]
        assert found["total"] == 1
        assert counts(found, "year") == {"2024": 1}
        assert counts(found, "type") == {"image": 1}
    assert sorted(names(search(as_bob, "red 2024 OR 2023"))) == sorted([right.name, wrong.name])
    assert search(as_bob, "red 2024 2023")["total"] == 0
    like = search(as_bob, f"like:{right.pk} 2023")
    assert names(like) == [wrong.name]


def test_a_choice_between_a_date_and_a_thing_holds_nothing_back(
    searched: Library, pictures: dict[str, File], as_bob: Client
) -> None:
    know(**{"red 2024": "red"})
    from_year(pictures["red 1"], 2024)
    from_year(pictures["red 2"], 2023)
    assert search(as_bob, "red OR 2024")["total"] == 2


def test_a_person_holds_for_what_is_meant(
    searched: Library, pictures: dict[str, File], as_bob: Client
) -> None:
    """By the first name or the whole one; a family name may be a word like others."""
    switch_on(searched, "faces")
    know(**dict.fromkeys(("anna red", "anna sea red", "red sea", "ann red"), "red"))
    seen(pictures["red 1"], person(searched, "Anna Sea"))
    for typed in ("anna red", '"anna sea" red'):
        found = search(as_bob, typed)
        assert names(found) == [pictures["red 1"].name]
        assert found["total"] == 1
        assert counts(found, "person") == {"Anna Sea": 1}
    for typed in ("red sea", "ann red"):
        assert search(as_bob, typed)["total"] == 2
    Library.objects.update(faces=False)
    assert search(as_bob, "anna red")["total"] == 2, "whom one may not look for is nobody"


def test_of_strangers_no_name_holds_anything(
    searched: Library, pictures: dict[str, File], as_bob: Client, charlie: User
) -> None:
    theirs = create_library(charlie, "Theirs", faces=True)
    person(theirs, "Anna")
    know(**{"anna red": "red"})
    assert search(as_bob, "anna red")["total"] == 2


def test_of_a_year_more_is_asked_for(
    searched: Library, pictures: dict[str, File], as_bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is best of all years may leave none of this one."""
    monkeypatch.setattr("ml.search.finding.MOST_MEANT", 1)
    know(**{"red 2024": "red"})
    best = search(as_bob, "red")["entries"][0]["file"]["name"]
    reds = [pictures[f"red {seed}"] for seed in (1, 2)]
    for file in reds:
        from_year(file, 2023 if file.name == best else 2024)
    assert names(search(as_bob, "red 2024")) == [file.name for file in reds if file.name != best]
