"""The image cache in the operators' console: how full it is, emptying it, and warming pictures again."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alcoves.accounts.models import User
from media.images.variants import VARIANTS_VERSION
from media.models import CachedImage, File, Library, Original, UnnamedBlob
from tests.ingesting import take_in
from tests.media.api.conftest import PNG

LIST = "/admin/media/cachedimage/"
CLEAR = LIST + "clear"


@pytest.fixture
def root(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    return client


@pytest.fixture
def file(library: Library) -> File:
    file = take_in(library, PNG, "lake.png").file
    for number, version in enumerate((0, 0, VARIANTS_VERSION)):
        CachedImage.objects.create(
            original=file.original,
            key=f"some/{number}",
            size=1024 * 1024,
            variants_version=version,
            used_at=timezone.now(),
        )
    return file


def test_the_list_says_how_full_the_cache_is(root: Client, file: File, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 10 * 1024 * 1024
    text = " ".join(root.get(LIST).content.decode().replace("\xa0", " ").split())
    assert (
        "3 pictures take 3.0 MB of 10.0 MB: 1 registry variants of 1.0 MB and 2 free sizes of 2.0 MB." in text
    )
    assert "Raise ALCOVES" not in text
    assert root.get(LIST, {"kind": "free"}).context["cl"].result_count == 2
    assert root.get(LIST, {"kind": "variant"}).context["cl"].result_count == 1


def test_the_list_says_what_to_do_when_only_wanted_ones_are_left(
    root: Client, file: File, settings: Any
) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 1000
    assert "Raise ALCOVES_IMAGE_CACHE_MAX_BYTES" in root.get(LIST).content.decode()


def test_clearing_asks_first_and_spares_variants(root: Client, file: File) -> None:
    asked = root.get(CLEAR)
    assert asked.status_code == 200
    assert "2 pictures of 2.0" in asked.content.decode().replace("\xa0", " ")
    assert CachedImage.objects.count() == 3
    done = root.post(CLEAR, follow=True)
    assert "2 free sizes of 2.0" in done.content.decode().replace("\xa0", " ")
    assert list(CachedImage.objects.values_list("key", flat=True)) == ["some/2"]
    assert set(UnnamedBlob.objects.filter(store="cache").values_list("key", flat=True)) == {
        "some/0",
        "some/1",
    }


def test_staff_who_may_only_look_cannot_clear(client: Client, file: File) -> None:
    looker = User.objects.create_user("looker@example.org", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_cachedimage"))
    client.force_login(looker)
    assert CLEAR not in client.get(LIST).content.decode()
    assert client.get(CLEAR).status_code == 403
    assert client.post(CLEAR).status_code == 403
    assert CachedImage.objects.count() == 3


def test_strangers_are_asked_to_log_in(client: Client, file: File, bob: User) -> None:
    client.force_login(bob)
    assert client.post(CLEAR).status_code == 302
    assert CachedImage.objects.count() == 3


def test_an_original_shows_its_strikes_and_is_warmed_again(root: Client, file: File) -> None:
    Original.objects.update(
        warming_version=VARIANTS_VERSION,
        warm_attempts=3,
        warm_error="The picture is broken.",
        warmed_version=0,
    )
    shown = root.get(reverse("admin:media_original_change", args=(file.original_id,))).content.decode()
    assert "3 of 3 (given up)" in shown
    assert "The picture is broken." in shown
    data = {"action": "warm_again", "_selected_action": [str(file.original_id)]}
    answer = root.post(reverse("admin:media_original_changelist"), data, follow=True)
    assert "1 is warmed again" in answer.content.decode()
    row = Original.objects.get()
    assert (row.warm_attempts, row.warm_error, row.warmed_version) == (0, "", 0)
    again = root.get(reverse("admin:media_original_change", args=(file.original_id,))).content.decode()
    assert "0 of 3" in again


def test_staff_who_may_only_look_cannot_warm(client: Client, file: File) -> None:
    Original.objects.update(warm_attempts=3)
    looker = User.objects.create_user("looker@example.org", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_original"))
    client.force_login(looker)
    data = {"action": "warm_again", "_selected_action": [str(file.original_id)]}
    client.post(reverse("admin:media_original_changelist"), data)
    assert Original.objects.get().warm_attempts == 3
