"""Tags: names that are once in a library, colours that are used evenly, what wears them."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from alcoves.accounts.models import User
from media import tags
from media.errors import ConflictError, RequestError
from media.libraries import create_library
from media.models import File, Library, Moment, Tag
from tests.ingesting import take_in
from tests.meanwhile import waits_for_a_lock
from tests.media.api.conftest import PNG
from tests.workers import wait_until


@pytest.fixture
def file(library: Library) -> File:
    return take_in(library, PNG, "picture.png").file


def test_colours_are_used_evenly_and_come_again(library: Library) -> None:
    first = [tags.create_tag(library, f"tag {number}").color for number in range(12)]
    assert tuple(first) == tags.PALETTE
    assert tags.create_tag(library, "thirteenth").color == tags.PALETTE[0]
    Tag.objects.filter(color=tags.PALETTE[4]).delete()
    assert tags.create_tag(library, "fourteenth").color == tags.PALETTE[4]


def test_another_library_has_its_own_names_and_colours(library: Library, alice: User) -> None:
    other = create_library(alice, "Other")
    one, two = tags.create_tag(library, "Goal"), tags.create_tag(other, "Goal")
    assert one.color == two.color == tags.PALETTE[0]
    with pytest.raises(tags.TagMissingError):
        tags.find_tag(other, one.pk)


@pytest.mark.parametrize("same", ["goal", "GOAL", "  Goal ", "Go\u00adal", "Goal\n"])
def test_a_name_is_there_once_whatever_its_case(library: Library, same: str) -> None:
    tags.create_tag(library, "Goal")
    with pytest.raises(ConflictError) as caught:
        tags.create_tag(library, same)
    assert caught.value.code == "name_taken"
    assert Tag.objects.count() == 1


def test_composed_and_decomposed_letters_are_one_name(library: Library) -> None:
    tags.create_tag(library, "Caf\u00e9")
    with pytest.raises(ConflictError):
        tags.create_tag(library, "cafe\u0301")


@pytest.mark.parametrize("nothing", ["", "  ", "\n\t", "\u200b", "\u200d", "\x07"])
def test_a_name_can_be_seen(library: Library, nothing: str) -> None:
    with pytest.raises(RequestError) as caught:
        tags.create_tag(library, nothing)
    assert caught.value.code == "no_name"


def test_a_tag_may_take_its_own_name_in_another_case(library: Library) -> None:
    tag = tags.create_tag(library, "goal")
    tags.change_tag(tag, name="Goal")
    tags.change_tag(tag, color=tags.PALETTE[7])
    assert tags.tags_of(library).values_list("name", "color").get() == ("Goal", tags.PALETTE[7])
    tags.create_tag(library, "Save")
    with pytest.raises(ConflictError):
        tags.change_tag(tag, name="save")


def test_a_tag_that_was_deleted_meanwhile_is_not_there(library: Library) -> None:
    tag = tags.create_tag(library, "Beach")
    Tag.objects.filter(pk=tag.pk).delete()
    with pytest.raises(tags.TagMissingError):
        tags.change_tag(tag, name="Sea")


def test_usage_counts_live_moments_only(library: Library, file: File) -> None:
    tag = tags.create_tag(library, "Goal")
    worn = [Moment.objects.create(file=file, name=f"{n}", start=n, end=n + 1) for n in range(3)]
    for moment in worn:
        tags.put_on(moment, library, [tag.pk])
    assert tags.find_tag(library, tag.pk).usage == 3  # type: ignore[attr-defined]  # Annotated.
    Moment.objects.filter(pk=worn[0].pk).update(trashed_at="2026-01-01T00:00Z")
    assert tags.find_tag(library, tag.pk).usage == 2  # type: ignore[attr-defined]  # As above.
    File.objects.update(trashed_at="2026-01-01T00:00Z")
    assert tags.find_tag(library, tag.pk).usage == 0  # type: ignore[attr-defined]  # As above.


def test_the_set_is_replaced_and_tags_of_elsewhere_are_refused(
    library: Library, file: File, alice: User
) -> None:
    one, two = tags.create_tag(library, "one"), tags.create_tag(library, "two")
    moment = Moment.objects.create(file=file, name="m", start=0, end=1)
    tags.put_on(moment, library, [one.pk, one.pk])
    tags.put_on(moment, library, [two.pk])
    assert list(moment.tags.all()) == [two]
    theirs = tags.create_tag(create_library(alice, "Other"), "theirs")
    with pytest.raises(tags.TagMissingError):
        tags.put_on(moment, library, [one.pk, theirs.pk])
    assert list(moment.tags.all()) == [two]
    tags.put_on(moment, library, [])
    assert list(moment.tags.all()) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_who_make_the_same_tag_at_once_one_is_told() -> None:
    library = create_library(User.objects.create_user("owner@example.org"), "Busy")
    for number in range(10):
        outcomes = at_once(lambda n=number: tags.create_tag(library, f"Goal {n}"), 3)
        assert sorted(outcomes) == ["ConflictError", "ConflictError", "ok"]
    assert Tag.objects.count() == 10


def at_once(work: Any, count: int) -> list[str]:
    barrier = threading.Barrier(count)
    outcomes: list[str] = []

    def run() -> None:
        try:
            barrier.wait()
            work()
            outcomes.append("ok")
        except ConflictError as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_a_tag_that_is_just_being_put_on_can_be_deleted() -> None:
    library = create_library(User.objects.create_user("owner@example.org"), "Busy")
    moment = Moment.objects.create(file=take_in(library, PNG, "a.png").file, name="A", start=1, end=2)
    tag = tags.create_tag(library, "Beach")
    ended: list[str] = []

    def delete() -> None:
        try:
            tags.delete_tag(Tag.objects.get(pk=tag.pk))
            ended.append("deleted")
        except IntegrityError as error:
            ended.append(str(error))
        finally:
            connection.close()

    other = threading.Thread(target=delete)
    with transaction.atomic():
        tags.put_on(moment, library, [tag.pk])
        other.start()
        wait_until(waits_for_a_lock, 10, "the other")
    other.join(10)
    assert ended == ["deleted"]
    assert list(moment.tags.all()) == []
