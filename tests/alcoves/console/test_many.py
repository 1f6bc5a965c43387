"""Acts on many rows: they ask, they write down what they did, large ones go to a worker, and nothing more is done."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_results.models import TaskResult

from alcoves.accounts.models import User
from alcoves.console import tasks
from media import epochs, trash
from media.admin import libraries, many
from media.audit import COMMAND
from media.libraries import create_library
from media.models import AuditEntry, File, Library, Original
from ml.models import Face, FaceProposal, MergeProposal, Person
from tests.ingesting import take_in
from tests.media.api.conftest import PNG
from tests.ml.people.making import make_face
from tests.staffing import client_of_role

pytestmark = pytest.mark.django_db
client_of = client_of_role


@pytest.fixture
def librarian(db: None) -> Client:
    return client_of("librarian")


def files(library: Library, count: int) -> list[File]:
    return [take_in(library, PNG + bytes([number]), f"{number}.png").file for number in range(count)]


def post(client: Client, page: str, action: str, rows: list[Any], **more: str) -> str:
    given = {"action": action, "_selected_action": [str(row.pk) for row in rows], **more}
    return client.post(reverse(f"admin:{page}_changelist"), given, follow=True).content.decode()


def acts() -> list[tuple[str, int, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "count", "actor_name"))


def test_a_purge_asks_and_says_what_is_lost(librarian: Client, library: Library) -> None:
    rows = files(library, 3)
    trash.trash(library, [row.pk for row in rows[:2]])
    text = post(librarian, "media_file", "purge", rows)
    assert "Delete 2 files for good?" in text
    assert "Only a backup has them still" in text
    assert File.objects.count() == 3
    assert acts() == []
    assert "2 files are gone for good" in post(librarian, "media_file", "purge", rows, sure="yes")
    assert list(File.objects.all()) == [rows[2]]
    assert Original.objects.count() == 1
    assert acts() == [("files.purge", 2, "librarian@example.org")]


def test_who_may_only_change_files_purges_none(library: Library) -> None:
    client = client_of("operator")
    rows = files(library, 1)
    trash.trash(library, [rows[0].pk])
    post(client, "media_file", "purge", rows, sure="yes")
    post(client, "media_file", "restore", rows)
    assert File.objects.get().trashed_at is not None
    assert acts() == []


def test_more_than_a_page_can_do_goes_to_a_worker(
    librarian: Client,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    rows = files(library, 5)
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(many, "AT_ONCE", 2)
    monkeypatch.setattr(
        current_app, "send_task", lambda name, **given: sent.append((name, given)), raising=False
    )
    with django_capture_on_commit_callbacks(execute=True):
        text = post(librarian, "media_file", "to_trash", rows[:1], select_across="1", index="0")
    assert "5 files are too many for one page" in text
    assert not File.objects.filter(trashed_at__isnull=False).exists()
    ((name, given),) = sent
    assert (name, given["queue"], given["ignore_result"]) == ("console.act_on_files", "maintenance", False)
    assert tasks.act_on_files(**given["kwargs"]) == 5
    assert tasks.act_on_files(**given["kwargs"]) == 0
    assert File.objects.filter(trashed_at__isnull=False).count() == 5
    assert acts() == [
        ("files.trash.many", 5, "librarian@example.org"),
        ("files.trash", 5, "librarian@example.org"),
    ]


def test_the_trash_of_a_library_is_emptied_and_of_no_other(
    librarian: Client,
    library: Library,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    other = create_library(alice, "Other")
    mine, theirs = files(library, 3), files(other, 2)
    trash.trash(library, [row.pk for row in mine])
    trash.trash(other, [row.pk for row in theirs])
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(
        current_app,
        "send_task",
        lambda name, **given: sent.append({"name": name, **given}),
        raising=False,
    )
    address = reverse("admin:media_library_empty_trash", args=(library.pk,))
    text = librarian.get(address).content.decode()
    assert "Family: 3 files of" in text
    assert librarian.post(address).status_code == 200
    assert sent == []
    with django_capture_on_commit_callbacks(execute=True):
        assert librarian.post(address, {"sure": "yes"}).status_code == 302
    (message,) = sent
    assert message["name"] == "console.empty_trash"
    trash.restore(library, [mine[0].pk])
    trash.trash(library, [])
    assert tasks.empty_trash(**message["kwargs"]) == 2
    assert set(File.objects.all()) == {mine[0], *theirs}
    assert [name for name, *_ in acts()] == ["trash.empty", "files.purge"]


def test_a_large_trash_is_not_counted_while_somebody_waits(
    librarian: Client, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    trash.trash(library, [row.pk for row in files(library, 3)])
    monkeypatch.setattr(libraries, "COUNTED", 2)
    address = reverse("admin:media_library_empty_trash", args=(library.pk,))
    assert "Family: over 2 files, and all" in librarian.get(address).content.decode()


def test_who_sees_no_history_sees_no_traceback(librarian: Client) -> None:
    row = TaskResult.objects.create(
        task_id="1", task_name=many.TASK, status="FAILURE", traceback="in /srv/a.py"
    )
    address = reverse("admin:django_celery_results_taskresult_change", args=(row.pk,))
    assert "/srv/a.py" not in librarian.get(address).content.decode()
    assert "/srv/a.py" in client_of("operator").get(address).content.decode()


def test_what_is_thrown_away_later_stays(library: Library) -> None:
    rows = files(library, 2)
    trash.trash(library, [row.pk for row in rows])
    File.objects.filter(pk=rows[0].pk).update(trashed_at=timezone.now() - timedelta(hours=2))
    assert trash.empty(library, before=timezone.now() - timedelta(hours=1), by=COMMAND) == 1
    assert list(File.objects.all()) == [rows[1]]


def test_a_library_that_is_gone_never_means_all(library: Library) -> None:
    rows = files(library, 1)
    trash.trash(library, [rows[0].pk])
    now = timezone.now().isoformat()
    assert tasks.empty_trash(str(uuid4()), now, str(uuid4()), epochs.current()) == 0
    assert File.objects.count() == 1
    assert acts() == []


def test_the_trash_is_emptied_by_those_who_may_delete(library: Library) -> None:
    address = reverse("admin:media_library_empty_trash", args=(library.pk,))
    for role in ("operator", "auditor"):
        client = client_of(role)
        assert client.get(address).status_code == 403
        assert client.post(address, {"sure": "yes"}).status_code == 403
    gone = reverse("admin:media_library_empty_trash", args=(uuid4(),))
    assert client_of("librarian").get(gone).status_code == 404


def test_people_are_merged_and_parted(librarian: Client, library: Library) -> None:
    one, two = (Person.objects.create(library=library, name=name) for name in ("", "Ann"))
    for person in (one, two):
        make_face(library, person=person, assigned_by="user")
    text = post(librarian, "ml_person", "merge", [one, two])
    assert "Who stays?" in text
    assert not Person.objects.filter(merged_into__isnull=False).exists()
    post(librarian, "ml_person", "merge", [one, two], sure="yes", stays=str(two.pk))
    assert set(Face.objects.values_list("person", flat=True)) == {two.pk}
    post(librarian, "ml_person", "undo", [two])
    assert set(Face.objects.values_list("person", flat=True)) == {one.pk, two.pk}
    assert [name for name, *_ in acts()] == ["people.merge", "people.undo_merge"]
    assert "Nobody was merged" in post(librarian, "ml_person", "undo", [two])


def test_people_of_two_libraries_are_not_merged(librarian: Client, library: Library, alice: User) -> None:
    other = create_library(alice, "Other")
    rows = [Person.objects.create(library=where, name="Ann") for where in (library, other)]
    text = post(librarian, "ml_person", "merge", rows, sure="yes", stays=str(rows[0].pk))
    assert "different libraries" in text
    assert "takes two" in post(librarian, "ml_person", "merge", rows[:1])
    assert not Person.objects.filter(merged_into__isnull=False).exists()


def test_proposals_are_answered(librarian: Client, library: Library) -> None:
    one, two, three = sorted(
        (Person.objects.create(library=library, name=name) for name in "ABC"), key=lambda row: row.pk
    )
    face = make_face(library)
    taken = MergeProposal.objects.create(library=library, first=one, second=two, distance=0.1)
    told_apart = MergeProposal.objects.create(library=library, first=one, second=three, distance=0.1)
    offered = FaceProposal.objects.create(library=library, face=face, person=three, distance=0.2)
    post(librarian, "ml_mergeproposal", "decline", [told_apart])
    post(librarian, "ml_mergeproposal", "accept", [taken])
    post(librarian, "ml_faceproposal", "accept", [offered])
    assert Person.objects.filter(merged_into__isnull=False).count() == 1
    assert Face.objects.get(pk=face.pk).person_id == three.pk
    assert MergeProposal.objects.get(pk=told_apart.pk).declined
    names = [name for name, *_ in acts()]
    assert names == ["people.decline_merge", "people.accept_merge", "people.accept_face"]
    for role in ("operator", "auditor"):
        again = MergeProposal.objects.create(library=library, first=two, second=three, distance=0.1)
        post(client_of(role), "ml_mergeproposal", "accept", [again])
        assert MergeProposal.objects.filter(pk=again.pk, declined=False).exists()
        again.delete()
