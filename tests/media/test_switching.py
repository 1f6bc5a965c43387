"""Switches of a library: what follows when one is turned, and what may happen at the same moment."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from media import dispatch, failures, ledger, pipeline, runs, switching, trash
from media.derivers.base import Ready
from media.derivers.registry import all_derivers, get_deriver
from media.errors import ConflictError, InfrastructureError, RunAbandonedError
from media.libraries import create_library
from media.models import Derivative, File, Library, Original, Switching, UnnamedBlob
from media.models.library import FIELD_OF, SWITCHES
from media.switching import LossError
from tests.conftest import client_of
from tests.derivers import TABLE, SeenDeriver
from tests.ingesting import run_queued, take_in
from tests.meanwhile import Meanwhile, waits_for_a_lock
from tests.media.api.conftest import PNG
from tests.workers import running_worker, wait_until

JSON = "application/json"
PROBE = {"kind": "image", "width": 1, "height": 1}


@pytest.fixture(autouse=True)
def derivers(settings: Any) -> None:
    settings.DERIVERS = {name: TABLE[name] for name in ("echo", "seen")}
    SeenDeriver.forgotten.clear()


def add(library: Library, number: int = 0) -> File:
    """A file whose metadata is ready."""
    file = take_in(library, PNG + bytes([number]), f"{number}.png").file
    file.original.record_probe(PROBE)
    return file


@pytest.fixture
def file(library: Library) -> File:
    return add(library)


def the_switching() -> Switching:
    row: Switching = Switching.objects.get()
    return row


def follow() -> None:
    """As a worker does, to the end."""
    for row in list(Switching.objects.all()):
        assert switching.follow(row.pk) is False
    assert not Switching.objects.exists()


def seen() -> Any:
    return Derivative.objects.filter(deriver="seen")


def on(library: Library) -> None:
    switching.turn(library, {"faces": True})
    follow()
    run_queued()


def off(library: Library) -> None:
    switching.turn(library, {"faces": False}, confirmed=True)


def test_on_plans_in_the_background_for_what_is_there(library: Library, file: File) -> None:
    switching.turn(library, {"faces": True})
    assert Library.objects.get().faces
    assert library.faces
    assert not seen().exists()
    row = the_switching()
    assert (row.switch, row.on, row.done, row.total) == ("faces", True, 0, 1)
    assert str(row) == "faces on: 0 of 1"
    follow()
    assert seen().get().original_id == file.original_id
    run_queued()
    assert seen().get().status == "ready"


def test_on_again_changes_nothing(library: Library, file: File) -> None:
    on(library)
    switching.turn(library, {"faces": True})
    assert not Switching.objects.exists()
    assert seen().get().requested_version == 1


def test_a_switch_of_another_sort_has_nothing_to_follow(library: Library, file: File) -> None:
    switching.turn(library, {"sharing": True, "faces": True})
    assert the_switching().switch == "faces"
    assert Library.objects.get().switches() == {"sharing", "faces"}


def test_what_lies_in_the_trash_is_planned_and_waits_there(library: Library, file: File) -> None:
    trash.trash(library, [file.pk])
    on(library)
    assert (seen().get().status, seen().get().published_at) == ("queued", None)
    trash.restore(library, [file.pk])
    run_queued()
    assert seen().get().status == "ready"


def test_off_asks_first_and_tells_what_goes(library: Library, file: File) -> None:
    on(library)
    with pytest.raises(LossError) as caught:
        switching.turn(library, {"faces": False})
    assert caught.value.losses == {"faces": {"results": 1, "people": 2}}
    assert "faces: 1 results, 2 people" in caught.value.message
    assert Library.objects.get().faces
    assert not Switching.objects.exists()


def test_off_deletes_rows_and_blobs_and_what_is_beside_them(library: Library, file: File) -> None:
    on(library)
    key = seen().get().outputs[0]["key"]
    off(library)
    assert not Library.objects.get().faces
    assert seen().exists()
    follow()
    assert not seen().exists()
    assert UnnamedBlob.objects.filter(key=key).exists()
    assert SeenDeriver.forgotten == [library.pk]
    assert Derivative.objects.get(deriver="echo").status == "ready"


def test_another_library_keeps_what_it_has(library: Library, file: File, bob: User) -> None:
    other = create_library(bob, "Work", faces=True)
    add(other)
    pipeline.plan_original(Original.objects.get(library=other), other.switches())
    on(library)
    off(library)
    follow()
    assert seen().get().original.library_id == other.pk


def test_off_where_nothing_was_made_asks_nothing(
    library: Library, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SeenDeriver, "holdings", lambda *_: {})
    switching.turn(library, {"faces": True})
    switching.turn(library, {"faces": False})
    follow()
    assert not seen().exists()


def test_turned_back_in_the_middle_it_ends_as_it_was_asked_last(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "BATCH", 1)
    for number in range(3):
        add(library, number)
    on(library)
    off(library)
    key = the_switching().pk
    assert switching.step(key)
    assert seen().count() == 2
    switching.turn(library, {"faces": True})
    row = the_switching()
    assert (row.pk, row.on, row.done, row.after) == (key, True, 0, None)
    follow()
    run_queued()
    assert [one.status for one in seen()] == ["ready"] * 3


def test_a_long_library_goes_on_in_the_next_message(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "BATCH", 2)
    monkeypatch.setattr(switching, "SLICE", 0.0)
    for number in range(5):
        add(library, number)
    switching.turn(library, {"faces": True})
    done = []
    while switching.follow(the_switching().pk):
        done.append(the_switching().done)
        if done[-1] == 5:
            break
    assert done == [2, 4, 5]
    assert switching.follow(the_switching().pk) is False
    assert seen().count() == 5


def test_a_message_for_what_is_done_already_changes_nothing(library: Library, file: File) -> None:
    switching.turn(library, {"faces": True})
    key = the_switching().pk
    follow()
    assert switching.follow(key) is False


def test_a_lost_message_is_sent_again(library: Library, file: File) -> None:
    switching.turn(library, {"faces": True})
    assert switching.resume() == 0
    Switching.objects.update(updated_at=timezone.now() - timedelta(minutes=2))
    assert switching.resume() == 1
    assert dispatch.queue_lengths()["maintenance"] == 1


def claimed() -> ledger.Claim:
    claim = ledger.claim(seen().get().pk, owner="w1", lease_seconds=20)
    assert claim is not None
    return claim


def test_a_run_that_ends_after_off_names_nothing(library: Library, file: File) -> None:
    switching.turn(library, {"faces": True})
    follow()
    claim, deriver = claimed(), get_deriver("seen")
    made = runs.make(deriver, claim)
    off(library)
    assert seen().get().error_code == "cancelled"
    with pytest.raises(RunAbandonedError):
        runs.finish(deriver, claim, made)
    follow()
    assert not seen().exists()


def test_a_run_that_ends_after_its_row_went_names_nothing(library: Library, file: File) -> None:
    switching.turn(library, {"faces": True})
    follow()
    claim, deriver = claimed(), get_deriver("seen")
    made = runs.make(deriver, claim)
    off(library)
    follow()
    with pytest.raises(RunAbandonedError):
        runs.finish(deriver, claim, made)
    assert not seen().exists()


def test_what_was_cancelled_by_off_is_made_after_on(library: Library, file: File) -> None:
    switching.turn(library, {"faces": True})
    follow()
    claimed()
    off(library)
    switching.turn(library, {"faces": True})
    follow()
    run_queued()
    assert seen().get().status == "ready"


def test_what_was_turned_away_while_off_is_made_after_on(library: Library, file: File) -> None:
    pipeline.plan_original(file.original, frozenset({"faces"}))
    run_queued()
    assert (seen().get().status, seen().get().facts) == ("not_needed", {"reason": "not_accepted"})
    on(library)
    assert seen().get().status == "ready"


def test_a_run_that_turns_a_file_away_sees_that_the_switch_is_on_now(library: Library, file: File) -> None:
    pipeline.plan_original(file.original, frozenset({"faces"}))
    claim, deriver = claimed(), get_deriver("seen")
    made = runs.make(deriver, claim)
    switching.turn(library, {"faces": True})
    follow()  # Passes the row by: somebody is at it.
    assert runs.finish(deriver, claim, made) == "released"
    run_queued()
    assert seen().get().status == "ready"


def test_metadata_that_was_read_while_off_plans_by_what_is_on_now(library: Library, settings: Any) -> None:
    settings.DERIVERS = {
        "metadata": "media.derivers.metadata.MetadataDeriver",
        "seen": TABLE["seen"],
    }
    take_in(library, PNG, "a.png")
    claim = ledger.claim(Derivative.objects.get().pk, owner="w1", lease_seconds=20)
    assert claim is not None
    switching.turn(library, {"faces": True})
    follow()
    assert not seen().exists()  # There is no probe yet.
    deriver = get_deriver("metadata")
    runs.finish(deriver, claim, (Ready(learnt=PROBE), []))
    assert seen().exists()


def test_every_deriver_with_a_switch_waits_for_the_metadata(settings: Any) -> None:
    from alcoves.settings import base

    settings.DERIVERS = base.DERIVERS
    switched = [deriver for deriver in all_derivers() if deriver.switch]
    assert all(deriver.needs_probe and deriver.switch in SWITCHES for deriver in switched)


@pytest.mark.django_db(transaction=True)
def test_a_batch_waits_for_an_end_under_way_and_sees_its_probe(library: Library) -> None:
    file = take_in(library, PNG, "a.png").file
    switching.turn(library, {"faces": True})
    with transaction.atomic():
        original = Original.objects.select_for_update(no_key=True).get(pk=file.original_id)
        batch = Meanwhile(follow)
        wait_until(waits_for_a_lock, 10, "the batch")
        original.record_probe(PROBE)
    batch.end()
    assert seen().exists()


@pytest.mark.django_db(transaction=True)
def test_a_batch_waits_for_an_end_under_way_and_deletes_what_it_named(library: Library) -> None:
    file = add(library)
    switching.turn(library, {"faces": True})
    follow()
    off(library)
    Derivative.objects.filter(deriver="seen").delete()
    with transaction.atomic():
        Original.objects.select_for_update(no_key=True).get(pk=file.original_id)
        pipeline.plan_original(file.original, frozenset({"faces"}))
        batch = Meanwhile(follow)
        wait_until(waits_for_a_lock, 10, "the batch")
    batch.end()
    assert not seen().exists()


def add_unhashed(library: Library, twin: Original) -> Original:
    """The same bytes, uploaded by somebody who has not told what they are."""
    unhashed: Original = Original.objects.create(
        library=library, key="unhashed", size=twin.size, mime=twin.mime, kind=twin.kind, probe=PROBE
    )
    File.objects.create(library=library, original=unhashed, name="again.png")
    return unhashed


def merge(goes: Original, twin: Original, deadlock_timeout: str, meanwhile: Callable[[], Any]) -> None:
    """As the end of a run of `hash`; `meanwhile` happens when one of the two is locked."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('deadlock_timeout', %s, true)", [deadlock_timeout])
        locked = Original.objects.select_for_update(no_key=True).get(pk=goes.pk)
        meanwhile()
        locked.adopt_digest(str(twin.sha256))


def batch_that_waits() -> "Meanwhile":
    batch = Meanwhile(follow)
    wait_until(waits_for_a_lock, 10, "the batch")
    return batch


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("value", [True, False])
def test_a_batch_that_meets_a_merge_in_a_ring_begins_anew(library: Library, value: bool) -> None:
    """The batch holds the older original and wants the newer one; the merge holds that and wants the older."""
    twin = add(library).original
    goes = add_unhashed(library, twin)
    assert goes.pk > twin.pk
    switching.turn(library, {"faces": True})
    if not value:
        follow()
        off(library)
    batches: list[Meanwhile] = []
    merge(
        goes, twin, "1min", lambda: batches.append(batch_that_waits())
    )  # So it is the batch that gives way.
    batches[0].end()
    assert not Original.objects.filter(pk=goes.pk).exists()
    assert [row.original_id for row in seen()] == ([twin.pk] if value else [])
    assert File.objects.filter(original=twin).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_merge_that_gives_way_to_a_batch_is_tried_again(library: Library) -> None:
    """The other way round: Postgres ends the merge, whose run waits for a moment and costs no attempt."""
    twin = add(library).original
    goes = add_unhashed(library, twin)
    switching.turn(library, {"faces": True})
    batches: list[Meanwhile] = []
    with pytest.raises(OperationalError) as caught:
        merge(goes, twin, "100ms", lambda: batches.append(batch_that_waits()))
    batches[0].end()
    assert isinstance(failures.understood(caught.value), InfrastructureError)
    assert {row.original_id for row in seen()} == {twin.pk, goes.pk}
    merge(goes, twin, "1s", lambda: None)
    assert [row.original_id for row in seen()] == [twin.pk]


@pytest.mark.django_db(transaction=True)
def test_another_trouble_of_the_database_is_not_tried_again(library: Library, monkeypatch: Any) -> None:
    add(library)
    switching.turn(library, {"faces": True})
    calls: list[object] = []

    def fail(*_: object) -> None:
        calls.append(None)
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(switching, "plan", fail)
    with pytest.raises(OperationalError):
        switching.follow(the_switching().pk)
    assert len(calls) == 1
    assert the_switching().done == 0


@pytest.mark.django_db(transaction=True)
def test_two_messages_do_not_do_the_same_twice(library: Library) -> None:
    add(library)
    switching.turn(library, {"faces": True})
    key = the_switching().pk
    with transaction.atomic():
        Switching.objects.select_for_update().get(pk=key)
        other = Meanwhile(lambda: switching.follow(key))
        other.end()
    assert the_switching().done == 0


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_follows(library: Library, tmp_path: Any, settings: Any, alice: User) -> None:
    settings.BLOB_STORES["files"]["OPTIONS"]["root"] = tmp_path / "stores" / "files"
    for number in range(3):
        add(library, number)
    client = client_of(alice)
    path = f"/api/libraries/{library.pk}"
    with running_worker(tmp_path):
        assert client.patch(path, {"faces": True}, JSON).status_code == 200
        wait_until(lambda: seen().filter(status="ready").count() == 3, 30, "results")
        wait_until(lambda: client.get(path).json()["switching"] == [], 10, "the end of it")
        assert client.patch(path, {"faces": False, "confirm": True}, JSON).status_code == 200
        wait_until(lambda: not seen().exists(), 30, "nothing left")


def test_the_api_asks_and_tells_how_far_it_is(library: Library, file: File, as_alice: Client) -> None:
    path = f"/api/libraries/{library.pk}"
    told = as_alice.patch(path, {"faces": True, "emoji": "🌲"}, JSON).json()
    assert (told["faces"], told["emoji"]) == (True, "🌲")
    assert told["switching"] == [{"switch": "faces", "on": True, "done": 0, "total": 1}]
    follow()
    run_queued()
    assert as_alice.get(path).json()["switching"] == []
    refused = as_alice.patch(path, {"faces": False, "name": "New"}, JSON)
    assert (refused.status_code, refused.json()["code"]) == (409, "confirm_deletion")
    assert refused.json()["losses"] == {"faces": {"results": 1, "people": 2}}
    library.refresh_from_db()
    assert (library.faces, library.name) == (True, "Family")
    assert as_alice.patch(path, {"faces": False, "confirm": True}, JSON).json()["faces"] is False
    follow()
    assert not seen().exists()


def test_who_may_turn_a_switch(library: Library, bob: User, charlie: User, as_alice: Client) -> None:
    path = f"/api/libraries/{library.pk}"
    assert client_of(bob).patch(path, {"faces": True}, JSON).status_code == 403
    assert client_of(charlie).patch(path, {"faces": True}, JSON).status_code == 404
    for bad in ({"faces": "perhaps"}, {"faces": None}, {"confirm": [1]}):
        assert as_alice.patch(path, bad, JSON).status_code == 400
    assert Library.objects.get().switches() == frozenset()


def test_the_list_of_libraries_costs_the_same_for_many(
    library: Library, alice: User, as_alice: Client, django_assert_num_queries: Any
) -> None:
    for name in ("Work", "Club"):
        switching.turn(create_library(alice, name), {"faces": True})
    with django_assert_num_queries(4):
        told = as_alice.get("/api/libraries").json()
    assert sorted(len(one["switching"]) for one in told) == [0, 1, 1]


def page_of(library: Library) -> dict[str, Any]:
    """What the page of the console sends when nobody changes anything."""
    member = library.memberships.get(role="owner")
    viewer = library.memberships.exclude(role="owner").get()
    fields: dict[str, Any] = {"name": library.name, "emoji": "", "quota_bytes": ""}
    fields |= {"memberships-TOTAL_FORMS": 2, "memberships-INITIAL_FORMS": 2}
    for place, row in enumerate((member, viewer)):
        fields |= {
            f"memberships-{place}-id": row.pk,
            f"memberships-{place}-library": library.pk,
            f"memberships-{place}-user": row.user_id,
            f"memberships-{place}-role": row.role,
        }
    return fields | {field: "on" for field in FIELD_OF.values() if getattr(library, field)}


def test_the_page_of_the_console_goes_the_same_way(library: Library, file: File, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    path = f"/admin/media/library/{library.pk}/change/"
    answer = client.post(path, page_of(library) | {"faces": "on", "name": "Ours"})
    assert answer.status_code == 302, answer.content.decode()
    library.refresh_from_db()
    assert (library.faces, library.name) == (True, "Ours")
    assert b"faces on: 0 of 1" in client.get(path).content
    follow()
    run_queued()
    without = {name: value for name, value in page_of(library).items() if name != "faces"}
    refused = client.post(path, without)
    assert refused.status_code == 200
    assert "1 results, 2 people" in refused.content.decode()
    assert seen().exists()
    assert client.post(path, without | {"confirm": "on"}).status_code == 302
    library.refresh_from_db()
    assert not library.faces
    follow()
    assert not seen().exists()


def test_a_library_that_is_gone_cannot_be_turned(library: Library) -> None:
    gone = Library.objects.get(pk=library.pk)
    library.delete()
    with pytest.raises(ConflictError):
        switching.turn(gone, {"faces": True})


def test_the_lease_of_a_run_does_not_outlive_the_switch(library: Library, file: File) -> None:
    switching.turn(library, {"faces": True})
    follow()
    claim = claimed()
    off(library)
    assert not ledger.renew(claim, lease_seconds=20, progress=10, eta_seconds=None)
    assert not Derivative.objects.filter(status="processing", lease_expires_at__gt=Now()).exists()
