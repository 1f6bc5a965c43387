"""Buttons on the pages of files, originals and jobs: what the lists do, about one row, and back to the page."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from media import holding, imagecache, trash
from media.admin import offering
from media.audit import COMMAND
from media.models import AuditEntry, CachedImage, Derivative, File, Library, Original
from media.models.cached_image import CACHE
from storage.errors import BlobNotFoundError
from storage.registry import get_store
from tests.alcoves.console.test_many import client_of
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in
from tests.media.api.conftest import PNG

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(library: Library, settings: Any) -> File:
    settings.DERIVERS = {"echo": TABLE["echo"]}
    made: File = take_in(library, PNG, "a.png").file
    run_queued()
    return made


def page(row: Any) -> str:
    return reverse(f"admin:media_{row._meta.model_name}_change", args=(row.pk,))


def offered(client: Client, row: Any) -> dict[str, offering.Offer]:
    answer = client.get(page(row))
    assert answer.status_code == 200
    found = {one.label: one for one in answer.context["offers"]}
    assert all(label in answer.content.decode() for label in found)
    return found


def press(client: Client, row: Any, label: str, **more: str) -> Any:
    """As the page sends it."""
    offer = offered(client, row)[label]
    given = {"action": offer.action, "index": "0", "_selected_action": list(offer.keys), "back": page(row)}
    return client.post(offer.address, {**given, **more})


@pytest.mark.parametrize("role", ["operator", "librarian"])
@pytest.mark.parametrize("of", ["file", "original", "derivative"])
def test_set_aside_asks_is_noted_and_comes_back(file: File, role: str, of: str) -> None:
    row: Any = {"file": file, "original": file.original, "derivative": Derivative.objects.get()}[of]
    client = client_of(role)
    asked = press(client, row, "Set aside")
    assert asked.status_code == 200
    assert f'name="back" value="{page(row)}"' in asked.content.decode()
    assert f'href="{page(row)}"' in asked.content.decode()
    assert not AuditEntry.objects.exists()
    done = press(client, row, "Set aside", sure="yes", reason="It is odd.")
    assert (done.status_code, done["Location"]) == (302, page(row))
    assert Original.objects.get().held_reason == "It is odd."
    released = press(client, row, "Release")
    assert released["Location"] == page(row)
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "files.hold",
        "files.release",
    ]


def test_a_job_is_made_anew_and_stopped(file: File) -> None:
    row, client = Derivative.objects.get(), client_of("operator")
    assert "Cancel" not in offered(client, row)
    assert press(client, row, "Reprocess")["Location"] == page(row)
    row.refresh_from_db()
    assert (row.status, row.requested_version) == ("queued", 2)
    assert press(client, row, "Cancel").status_code == 200
    row.refresh_from_db()
    assert row.status == "queued"
    press(client, row, "Cancel", sure="yes")
    row.refresh_from_db()
    assert row.error_code == "cancelled"


def test_a_file_goes_to_the_trash_and_for_good(file: File) -> None:
    client = client_of("librarian")
    assert "Delete for good" not in offered(client, file)
    assert press(client, file, "Move to the trash")["Location"] == page(file)
    assert press(client, file, "Restore from the trash")["Location"] == page(file)
    trash.trash(file.library, [file.pk])
    assert b"What is lost" in press(client, file, "Delete for good").content
    assert File.objects.exists()
    done = press(client, file, "Delete for good", sure="yes")
    assert done["Location"] == reverse("admin:media_file_changelist"), "its page is gone"
    assert not File.objects.exists()


@pytest.mark.parametrize("of", ["original", "derivative"])
def test_what_is_in_the_trash_is_purged_from_where_one_looks(file: File, of: str) -> None:
    row: Any = file.original if of == "original" else Derivative.objects.get()
    client, label = client_of("librarian"), "Delete its files in the trash for good"
    assert label not in offered(client, row)
    trash.trash(file.library, [file.pk])
    press(client, row, label, sure="yes")
    assert not Original.objects.exists()


@pytest.mark.parametrize("of", ["file", "original"])
def test_all_that_is_made_of_a_file_is_asked_about_on_the_page_for_many(file: File, of: str) -> None:
    row: Any = file if of == "file" else file.original
    client = client_of("operator")
    for label, act in (("Reprocess all that is made of it", "reprocess"), ("Stop its jobs", "cancel")):
        offer = offered(client, row)[label]
        assert offer.keys == ()
        chosen = client.get(offer.address).context["chosen"]
        assert (chosen["act"], chosen["count"]) == (act, 1 if act == "reprocess" else 0)


def test_who_may_not_is_offered_nothing(file: File) -> None:
    auditor = client_of("auditor")
    for row in (file, file.original, Derivative.objects.get()):
        assert offered(auditor, row) == {}
    assert not {"Move to the trash", "Restore from the trash"} & set(offered(client_of("operator"), file))
    given = {"action": "hold", "_selected_action": [str(file.pk)], "sure": "yes", "reason": "x"}
    auditor.post(reverse("admin:media_file_changelist"), {**given, "back": page(file)})
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "back",
    ["https://example.org/", "//example.org", "/admin/logout/", "/admin/media/file/nothing/change/", "x", ""],
)
def test_it_leads_back_to_its_own_pages_alone(file: File, back: str) -> None:
    holding.hold([file.original_id], COMMAND, "It is odd.")
    given = {"action": "release", "_selected_action": [str(file.pk)], "back": back}
    answer = client_of("operator").post(reverse("admin:media_file_changelist"), given)
    assert answer["Location"] == reverse("admin:media_file_changelist")


def test_what_is_set_aside_is_found_again(file: File) -> None:
    other: File = take_in(file.library, PNG + b"x", "b.png").file
    holding.hold([file.original_id], COMMAND, "It is odd.")
    client = client_of("operator")
    for row in (file, file.original):
        address = reverse(f"admin:media_{row._meta.model_name}_changelist")
        shown = client.get(address, {"held": "yes"}).context["cl"].result_list
        assert [one.pk for one in shown] == [row.pk]
    assert other.original_id != file.original_id


def test_a_picture_that_is_put_while_its_file_is_set_aside_goes_too(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the removal of its bytes and that of its row."""
    row = CachedImage.objects.create(
        original=file.original, key="variants/aa/a", size=1, variants_version=1, used_at=timezone.now()
    )
    store, discard = get_store(CACHE), imagecache.discard

    def put_again(rows: Any) -> Any:
        store.put(row.key, [b"x"])
        return discard(rows)

    monkeypatch.setattr(imagecache, "discard", put_again)
    Original.objects.update(held_at=timezone.now(), held_reason="odd")
    assert imagecache.drop_held([file.original_id]) == 1
    with pytest.raises(BlobNotFoundError):
        store.stat(row.key)
