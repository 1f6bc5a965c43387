"""Stacks: who belongs together, who stands for the rest, whatever comes first and whatever people do."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test import Client

from alcoves.accounts.models import User
from media import blobs, intake, runs, stacks, trash
from media.derivers.base import BaseDeriver, Context, Ready, Result, Subject
from media.folders import create_folder, trash_folder
from media.intake import Place, Stored
from media.libraries import create_library
from media.models import Derivative, File, Folder, Library, Original, Stack, uuid7
from media.sniffing import described
from tests.ingesting import put_bytes, run_queued
from tests.meanwhile import waits_for_a_lock
from tests.workers import wait_until

NOON = datetime(2024, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)
DNG, JPEG, HEIC, MOV = "image/x-adobe-dng", "image/jpeg", "image/heic", "video/quicktime"


class ToldDeriver(BaseDeriver):
    """A metadata deriver that finds whatever its parameters say, without a decoder."""

    name: ClassVar[str] = "metadata"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "metadata"
    replans: ClassVar[bool] = True
    regroups: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return True

    def derive(self, context: Context) -> Result:
        return Ready(facts=context.parameters)

    def record(self, original: Any, result: Ready) -> None:
        original.probe = dict(result.facts)
        for name, value in result.facts.items():
            setattr(original, name, value)
        original.save()


@pytest.fixture(autouse=True)
def told(settings: Any) -> None:
    settings.DERIVERS = {
        "metadata": "tests.media.test_stacks.ToldDeriver",
        "hash": "media.derivers.hash.HashDeriver",
    }


def bring(
    library: Library,
    name: str,
    mime: str = JPEG,
    *,
    folder: Folder | None = None,
    digest: str = "",
    **facts: Any,
) -> File:
    """A file whose metadata, once run, will say these facts."""
    sniffed = described(mime)
    key = uuid7()
    blobs.register([f"{library.pk}/{key}"])
    stored = Stored(key, f"{library.pk}/{key}", 10, digest or uuid4().hex * 2, sniffed)
    admitted = intake.admit(stored, Place(library, name, folder))
    taken = facts.get("captured_at")
    given = facts | ({"captured_at": taken.isoformat()} if taken else {})
    Derivative.objects.filter(original=admitted.file.original).update(parameters=given)
    return admitted.file


def add(library: Library, name: str, mime: str = JPEG, **more: Any) -> File:
    """The same, and the metadata is ready."""
    file = bring(library, name, mime, **more)
    run_queued()
    file.refresh_from_db()
    return file


def the_stack() -> Stack:
    found: Stack = Stack.objects.get()
    return found


def lead() -> str:
    primary = the_stack().primary
    return primary.name if primary else ""


def names_of(stack: Stack) -> list[str]:
    return sorted(stack.members.values_list("name", flat=True))


@pytest.mark.parametrize("order", [("still", "film"), ("film", "still")])
def test_a_live_photo_whichever_half_comes_last(order: tuple[str, str], library: Library) -> None:
    halves = {"still": ("IMG_1.HEIC", HEIC), "film": ("IMG_1.MOV", MOV)}
    first = add(library, *halves[order[0]], content_id="AB-12")
    assert not Stack.objects.shown().exists()
    second = add(library, *halves[order[1]], content_id="ab-12")
    still = {order[0]: first, order[1]: second}["still"]
    stack = the_stack()
    assert (stack.kind, stack.primary_id, stack.count) == ("live_photo", still.pk, 2)
    assert names_of(stack) == ["IMG_1.HEIC", "IMG_1.MOV"]


def test_never_across_libraries(library: Library, alice: Any) -> None:
    other = create_library(alice, "Other")
    add(library, "a.heic", HEIC, content_id="x")
    add(other, "a.mov", MOV, content_id="x")
    add(library, "b.dng", DNG)
    add(other, "b.jpg")
    assert not Stack.objects.shown().exists()


@pytest.mark.parametrize("order", [("a.dng", "A.JPG"), ("A.JPG", "a.dng")])
def test_raw_and_jpeg_whichever_comes_last(order: tuple[str, str], library: Library) -> None:
    kinds = {"a.dng": DNG, "A.JPG": JPEG}
    for name in order:
        add(library, name, kinds[name], captured_at=NOON, camera_model="R5")
    stack = the_stack()
    assert (stack.kind, stack.count, lead()) == ("raw", 2, "A.JPG")


def test_one_picture_alone_makes_no_row(library: Library) -> None:
    add(library, "a.jpg")
    add(library, "b.dng", DNG)
    add(library, "c.png", "image/png")
    assert not Stack.objects.exists()


def test_what_the_metadata_says_ends_a_pair(library: Library) -> None:
    raw = bring(library, "a.dng", DNG, captured_at=NOON)
    add(library, "a.jpg", captured_at=NOON)
    assert the_stack().count == 2
    row = Derivative.objects.get(original=raw.original)
    later = (NOON + timedelta(minutes=5)).isoformat()
    Derivative.objects.filter(pk=row.pk).update(
        parameters={"captured_at": later}, status="queued", requested_version=2
    )
    run_queued()
    assert not Stack.objects.exists()
    assert not File.objects.filter(stack__isnull=False).exists()


def test_a_second_run_changes_nothing(library: Library) -> None:
    add(library, "a.heic", HEIC, content_id="x")
    add(library, "a.mov", MOV, content_id="x")
    before = the_stack()
    files = list(File.objects.order_by("pk").values("pk", "stack_id", "updated_at"))
    Derivative.objects.update(status="queued", requested_version=2)
    assert run_queued() == 2
    after = the_stack()
    assert (after.pk, after.updated_at, after.primary_id) == (before.pk, before.updated_at, before.primary_id)
    assert list(File.objects.order_by("pk").values("pk", "stack_id", "updated_at")) == files


def test_a_burst_is_led_by_its_first_frame_even_when_it_comes_late(library: Library) -> None:
    for number in (3, 1, 2):
        add(library, f"{number}.jpg", burst_id="B", captured_at=NOON + timedelta(milliseconds=100 * number))
    assert (the_stack().kind, the_stack().count, lead()) == ("burst", 3, "1.jpg")


def test_the_next_leads_when_the_first_is_trashed_and_it_leads_again(library: Library) -> None:
    frames = [
        add(library, f"{n}.jpg", burst_id="B", captured_at=NOON + timedelta(seconds=n)) for n in range(3)
    ]
    trash.trash(library, [frames[0].pk])
    assert (the_stack().primary_id, the_stack().count) == (frames[1].pk, 2)
    trash.trash(library, [frames[1].pk])
    assert (the_stack().primary_id, the_stack().count) == (None, 1)
    trash.restore(library, [frames[0].pk, frames[1].pk])
    assert (the_stack().primary_id, the_stack().count) == (frames[0].pk, 3)
    for frame in frames:
        trash.purge(library, [frame.pk])
    assert not Stack.objects.exists()


def test_a_raw_pair_through_the_trash(library: Library) -> None:
    raw, jpeg = add(library, "a.dng", DNG), add(library, "a.jpg")
    trash.trash(library, [jpeg.pk])
    assert the_stack().primary is None
    trash.restore(library, [jpeg.pk])
    assert (the_stack().primary_id, the_stack().count) == (jpeg.pk, 2)
    trash.trash(library, [raw.pk])
    trash.purge(library, [raw.pk])
    jpeg.refresh_from_db()
    assert jpeg.stack is None
    assert not Stack.objects.exists()


def test_a_folder_that_goes_takes_the_leader_along(library: Library) -> None:
    folder = create_folder(library, "Stills")
    still = add(library, "a.heic", HEIC, folder=folder, content_id="x")
    add(library, "a.mov", MOV, content_id="x")
    assert the_stack().primary_id == still.pk
    trash_folder(library, folder.pk)
    assert (the_stack().primary, the_stack().count) == (None, 1)
    trash.restore(library, [still.pk])
    assert the_stack().primary_id == still.pk


def rename(file: File, name: str, folder: Folder | None = None) -> None:
    place = (folder.pk if folder else None, name)
    with transaction.atomic(), stacks.rearranging(file.library_id, [file.pk], to=[place]):
        File.objects.filter(pk=file.pk).update(name=name, folder=folder)


def test_names_make_and_end_a_pair(library: Library) -> None:
    raw, jpeg = add(library, "a.dng", DNG), add(library, "b.jpg")
    assert not Stack.objects.exists()
    rename(jpeg, "A.jpg")
    assert the_stack().primary_id == jpeg.pk
    rename(raw, "c.dng")
    assert not Stack.objects.exists()
    folder = create_folder(library, "Raws")
    rename(raw, "a.dng", folder)
    assert not Stack.objects.exists()
    rename(jpeg, "a.jpg", folder)
    assert (the_stack().count, the_stack().primary_id) == (2, jpeg.pk)


def test_a_copy_of_known_bytes_finds_its_stack_without_a_run(library: Library) -> None:
    digest = "ab" * 32
    first = add(library, "a.heic", HEIC, digest=digest, content_id="x")
    add(library, "a.mov", MOV, content_id="x")
    copy = bring(library, "b.heic", HEIC, digest=digest)
    assert copy.original_id == first.original_id
    assert (the_stack().count, the_stack().primary_id) == (3, first.pk)


def test_bytes_hashed_late_that_are_known_already(library: Library) -> None:
    content = b"\xff\xd8\xff\xe0 a picture"
    known = intake.admit(put_bytes(library, content), Place(library, "a.jpg")).file
    Derivative.objects.update(parameters={"content_id": "x"})
    run_queued()
    add(library, "a.mov", MOV, content_id="x")
    late = intake.admit(put_bytes(library, content, hashed=False), Place(library, "late.jpg")).file
    Derivative.objects.filter(original=late.original, deriver="metadata").delete()
    run_queued()
    late.refresh_from_db()
    assert late.original_id == known.original_id
    assert late.stack_id == the_stack().pk
    assert the_stack().count == 3


def test_taken_apart_stays_apart(library: Library) -> None:
    raw, jpeg = add(library, "a.dng", DNG), add(library, "a.jpg")
    stacks.take_apart(the_stack())
    assert (the_stack().primary, the_stack().apart) == (None, True)
    Derivative.objects.update(status="queued", requested_version=2)
    run_queued()
    trash.trash(library, [raw.pk])
    trash.restore(library, [raw.pk])
    assert the_stack().primary is None
    stacks.choose(the_stack(), raw.pk)
    assert the_stack().primary_id == raw.pk
    Derivative.objects.update(status="queued", requested_version=3)
    run_queued()
    assert the_stack().primary_id == raw.pk
    trash.trash(library, [raw.pk])
    trash.restore(library, [raw.pk])
    assert the_stack().primary_id == raw.pk
    trash.trash(library, [raw.pk])
    trash.purge(library, [raw.pk])
    assert not Stack.objects.shown().exists()
    assert File.objects.get().pk == jpeg.pk


def test_a_chosen_one_that_is_trashed_makes_room_until_it_is_back(library: Library) -> None:
    frames = [add(library, f"{n}.jpg", burst_id="B") for n in range(3)]
    stacks.choose(the_stack(), frames[2].pk)
    assert the_stack().primary_id == frames[2].pk
    trash.trash(library, [frames[2].pk])
    assert the_stack().primary_id == frames[0].pk
    trash.restore(library, [frames[2].pk])
    assert the_stack().primary_id == frames[2].pk


def test_a_stranger_cannot_lead(library: Library) -> None:
    add(library, "a.dng", DNG)
    add(library, "a.jpg")
    other = add(library, "c.jpg")
    with pytest.raises(stacks.NotInStackError):
        stacks.choose(the_stack(), other.pk)
    trashed = File.objects.get(name="a.jpg")
    trash.trash(library, [trashed.pk])
    with pytest.raises(stacks.NotInStackError):
        stacks.choose(the_stack(), trashed.pk)


# Together at the same moment, on real connections.


def at_once(*work: Callable[[], object]) -> None:
    """Run each in a thread with a connection of its own; all start together. Their errors are ours."""
    start = threading.Barrier(len(work))
    errors: list[BaseException] = []

    def go(one: Callable[[], object]) -> None:
        try:
            start.wait(10)
            one()
        except BaseException as error:  # noqa: BLE001  Told below, in the thread of the test.
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors, errors


def run_all_at_once() -> None:
    keys: list[UUID] = list(Derivative.objects.filter(status="queued").values_list("pk", flat=True))
    at_once(*(partial(runs.run, key) for key in keys))
    assert set(Derivative.objects.values_list("status", "attempts", "deferrals")) == {("ready", 0, 0)}


@pytest.mark.django_db(transaction=True)
def test_halves_that_become_ready_at_the_same_moment_make_one_stack(library: Library) -> None:
    for number in range(8):
        bring(library, f"{number}.heic", HEIC, content_id=f"id-{number}")
        bring(library, f"{number}.mov", MOV, content_id=f"id-{number}")
        run_all_at_once()
    assert list(Stack.objects.values_list("count", flat=True)) == [2] * 8
    assert Stack.objects.shown().count() == 8


@pytest.mark.django_db(transaction=True)
def test_pairs_and_bursts_that_become_ready_at_the_same_moment(library: Library) -> None:
    for number in range(6):
        bring(library, f"{number}.dng", DNG, captured_at=NOON)
        bring(library, f"{number}.jpg", JPEG, captured_at=NOON)
        for frame in range(4):
            bring(library, f"f{number}-{frame}.jpg", burst_id=f"b{number}")
        run_all_at_once()
    assert set(Stack.objects.values_list("kind", "count")) == {("raw", 2), ("burst", 4)}
    assert Stack.objects.shown().count() == 12


@pytest.mark.django_db(transaction=True)
def test_trash_rename_and_runs_at_the_same_moment_leave_the_truth(library: Library) -> None:
    for number in range(4):
        frames = [bring(library, f"{number}-{frame}.jpg", burst_id=f"b{number}") for frame in range(3)]
        raw = add(library, f"q{number}.dng", DNG)
        jpeg = add(library, f"x{number}.jpg")
        Derivative.objects.update(status="queued", requested_version=number + 2)
        keys = list(Derivative.objects.filter(original__files__in=frames).values_list("pk", flat=True))
        at_once(
            *(partial(runs.run, key) for key in keys),
            partial(trash.trash, library, [frames[0].pk]),
            partial(rename, jpeg, f"r{number}.jpg"),
            partial(rename, raw, f"R{number}.DNG"),
        )
        run_queued(200)
    for stack in Stack.objects.all():
        live = stack.members.filter(trashed_at__isnull=True)
        assert stack.count == live.count() == 2
        assert stack.primary_id in set(live.values_list("pk", flat=True))
    assert sorted(Stack.objects.values_list("kind", flat=True)) == ["burst"] * 4 + ["raw"] * 4
    assert not Original.objects.exclude(files__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_two_names_that_meet_wait_for_each_other(library: Library) -> None:
    """Neither transaction sees the other's new name before it ends: only the lock of the name makes the pair."""
    raw, jpeg = add(library, "q.dng", DNG), add(library, "x.jpg")
    renamed, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            rename(raw, "r.dng")
            renamed.set()
            go_on.wait(20)

    def late() -> None:
        renamed.wait(20)
        rename(jpeg, "R.jpg")

    def release() -> None:
        try:
            wait_until(waits_for_a_lock, 20, "a wait for the lock of the name")
        finally:
            go_on.set()

    at_once(slow, late, release)
    assert (the_stack().kind, the_stack().count, lead()) == ("raw", 2, "R.jpg")


# In the admin.


def test_the_admin_shows_stacks_and_renames_with_care(library: Library, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    add(library, "a.dng", DNG)
    jpeg = add(library, "a.jpg")
    shown = client.get(f"/admin/media/stack/{the_stack().pk}/change/")
    assert "a.dng" in shown.content.decode()
    assert client.get("/admin/media/stack/").status_code == 200
    assert client.post(f"/admin/media/stack/{the_stack().pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"/admin/media/file/{jpeg.pk}/change/").status_code == 200
    answer = client.post(f"/admin/media/file/{jpeg.pk}/change/", {"name": "b.jpg"})
    assert answer.status_code == 302
    assert not Stack.objects.exists()
