"""Blobs that nothing names are found, what is named or under way never; and names without a blob are told."""

import base64
import io
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from alcoves.accounts.models import User
from media import blobs, dispatch, epochs, orphans, tasks
from media.libraries import create_library
from media.models import (
    AuditEntry,
    CachedImage,
    Derivative,
    File,
    Library,
    Original,
    UnnamedBlob,
    Upload,
    uuid7,
)
from media.orphans import Position, Report, Scan
from storage import registry
from storage.errors import StoreUnavailableError
from storage.local import LocalStore
from storage.registry import get_store
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in
from tests.media.api.conftest import PNG
from tests.storage.s3server import running_server


@pytest.fixture(autouse=True)
def one_deriver(settings: Any) -> None:
    settings.DERIVERS = {"echo": TABLE["echo"]}


def use(settings: Any, backend: str, options: dict[str, Any]) -> None:
    settings.BLOB_STORES = settings.BLOB_STORES | {"files": {"BACKEND": backend, "OPTIONS": options}}
    registry.reset()


@pytest.fixture(params=["local", "memory", "s3"])
def any_store(request: pytest.FixtureRequest, settings: Any, own_stores: None) -> Any:
    with ExitStack() as stack:
        if request.param == "memory":
            use(settings, "storage.memory.MemoryStore", {"secret": "test-store-secret"})
        if request.param == "s3":
            server = stack.enter_context(running_server())
            bucket = server.create_bucket(f"orphans-{uuid7()}")
            use(settings, "storage.s3.S3Store", server.options | {"bucket": bucket})
        yield request.param
        registry.reset()


def search(**choices: Any) -> Report:
    """To its end, as if every blob had lain there for long."""
    scan = Scan(**{"before": timezone.now() + timedelta(minutes=1), **choices})
    at: Position | None = Position()
    while at is not None:
        at = scan.advance(at)
    return scan.report


def put(*names: str) -> list[str]:
    for name in names:
        get_store("files").put(name, [b"x"])
    return list(names)


def keys_in_store() -> set[str]:
    return {stat.key for stat in get_store("files").iterate()}


def registered() -> set[str]:
    return set(UnnamedBlob.objects.values_list("key", flat=True))


def forget(file: File) -> None:
    """As a database that was restored from before the file came: the rows are gone, nobody registered a key."""
    File.objects.filter(pk=file.pk).delete()
    Original.objects.filter(pk=file.original_id).delete()


def test_what_a_restored_database_does_not_name_is_found(library: Library, any_store: str) -> None:
    kept, lost = (take_in(library, PNG + bytes([number]), "a.png").file for number in (1, 2))
    run_queued()
    original = lost.original
    orphaned = set(original.blob_keys())
    assert len(orphaned) == 2
    forget(lost)
    report = search()
    assert (report.blobs, report.orphans, report.entered, report.alarm) == (4, 2, 2, "")
    assert registered() == orphaned == set(report.examples)
    due = UnnamedBlob.objects.values_list("due_at", flat=True)
    assert all(moment > timezone.now() + orphans.GRACE - timedelta(hours=1) for moment in due)
    assert blobs.sweep() == 0  # There is time to stop it.
    assert search().orphans == 0
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert blobs.sweep() == 2
    assert keys_in_store() == set(kept.original.blob_keys())
    assert not UnnamedBlob.objects.exists()


def test_a_young_blob_is_left_alone(db: None, tmp_path: Path) -> None:
    young, old = put("a/young/blob", "b/old/blob")
    seconds = orphans.SETTLED.total_seconds()
    for key, age in ((young, seconds - 60), (old, seconds + 60)):
        moment = time.time() - age
        os.utime(tmp_path / "stores" / "files" / key, (moment, moment))
    report = search(before=None)
    assert (report.young, report.orphans, registered()) == (1, 1, {old})
    assert orphans.SETTLED >= blobs.WRITING


def make_upload(library: Library, user: User, key: str, **more: Any) -> None:
    expires = timezone.now() + timedelta(hours=1)
    Upload.objects.create(library=library, user=user, kind="presigned", key=key, expires_at=expires, **more)


def claims_of(library: Library, user: User) -> dict[str, Callable[[str], object]]:
    """Every way in which a key may belong to somebody, and some in which it does not."""

    def original(key: str) -> Original:
        made: Original = Original.objects.create(
            id=key.split("/")[1], library=library, size=1, mime="image/png", kind="image", key=key
        )
        return made

    def output(key: str) -> None:
        owner = Original.objects.create(
            id=key.split("/")[1], library=library, size=1, mime="image/png", kind="image", key=f"not/{key}"
        )
        outputs = [{"name": "n", "key": key, "size": 1, "content_type": "image/png", "sha256": "0" * 64}]
        Derivative.objects.create(
            original=owner, deriver="echo", queue="metadata", outputs=outputs, queued_at=timezone.now()
        )

    return {
        "original": original,
        "output": output,
        "registered": lambda key: UnnamedBlob.objects.register([key], due=timedelta(hours=1)),
        "uploading": lambda key: make_upload(library, user, key),
        "uploaded": lambda key: make_upload(library, user, key, finished_at=timezone.now()),
        "nobody": lambda key: None,
    }


ORPHANED = {"uploaded", "nobody"}


@effort(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claimed=st.lists(st.sampled_from(["original", "output", "registered", "uploading", *ORPHANED])))
def test_what_belongs_to_somebody_is_never_entered(
    library: Library, alice: User, monkeypatch: pytest.MonkeyPatch, claimed: list[str]
) -> None:
    monkeypatch.setattr(orphans, "BATCH", 3)
    monkeypatch.setattr(orphans, "SLICE", 2)
    for model in (UnnamedBlob, Upload, Derivative, Original):
        model.objects.all().delete()
    for key in keys_in_store():
        get_store("files").delete(key)
    claims = claims_of(library, alice)
    expected = set()
    for claim in claimed:
        (key,) = put(f"{library.pk}/{uuid7()}/blob")
        claims[claim](key)
        if claim in ORPHANED:
            expected.add(key)
    before = registered()
    report = search()
    assert registered() - before == expected
    assert (report.orphans, report.entered) == (len(expected), len(expected))


def test_keys_of_any_form_are_compared(library: Library) -> None:
    taken = take_in(library, PNG, "a.png").file.original
    strays = put("x", "a/b/c", "not-a-uuid/neither/blob", f"{library.pk}/{taken.pk}/echo/old-1/copy")
    report = search()
    assert registered() == set(strays)
    assert report.lost_originals == 0


def test_a_file_that_is_no_blob_of_ours_is_told_and_not_entered(db: None, tmp_path: Path) -> None:
    put("a/b/blob")
    (tmp_path / "stores" / "files" / "a" / "lost & found").write_bytes(b"x")
    report = search()
    assert (report.blobs, report.strange, registered()) == (2, 1, {"a/b/blob"})


@pytest.mark.parametrize(
    ("named", "stray", "held"), [(0, 49, False), (0, 50, True), (200, 50, False), (199, 50, True)]
)
def test_too_many_to_be_true(
    named: int, stray: int, held: bool, library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    UnnamedBlob.objects.register(put(*(f"named/{n}/blob" for n in range(named))), due=timedelta(days=1))
    strays = set(put(*(f"stray/{n}/blob" for n in range(stray))))
    with caplog.at_level(logging.ERROR):
        report = search()
    assert bool(report.alarm) == held == ("right database" in caplog.text)
    assert registered() & strays == (set() if held else strays)
    if held:
        assert search(force=True).entered == stray
        assert registered() >= strays


def test_what_comes_after_the_counting_waits_for_the_next_search(db: None) -> None:
    put(*(f"stray/{n}/blob" for n in range(5)))
    scan = Scan(before=timezone.now() + timedelta(minutes=1))
    at = scan.advance(Position())
    assert at == Position("enter", orphans=5, epoch=epochs.current())
    put(*(f"later/{n}/blob" for n in range(60)))
    assert scan.advance(at) == Position("missing")
    assert UnnamedBlob.objects.count() == 5


def test_what_was_counted_before_a_restore_is_not_entered_after_it(db: None) -> None:
    put(*(f"stray/{n}/blob" for n in range(5)))
    at = Position("enter", orphans=5, epoch="another")
    assert Scan(before=timezone.now() + timedelta(minutes=1)).advance(at) == Position()
    assert not UnnamedBlob.objects.exists()


def test_what_nothing_names_is_counted_with_what_waits_for_the_sweeper(library: Library) -> None:
    UnnamedBlob.objects.register(put("waits/a/blob"), due=timedelta(days=1))
    put("stray/a/blob")
    take_in(library, b"words", "words.bin")
    count, size = orphans.count_unnamed(lambda: None)
    assert count == 2
    assert size == sum(get_store("files").stat(key).size for key in ("waits/a/blob", "stray/a/blob"))


def test_originals_and_outputs_whose_blobs_are_gone_are_told(
    library: Library, alice: User, any_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = create_library(alice, "Work")
    files = [take_in(home, PNG + bytes([n]), "a.png").file for home in (library, other) for n in range(4)]
    run_queued()
    store = get_store("files")
    gone, short, bare = (files[n].original for n in (0, 2, 5))
    store.delete(gone.key)
    store.put(short.key, [b"short"])
    store.delete(bare.derivatives.get().outputs[0]["key"])
    put(f"{library.pk}/{uuid7()}/blob", f"{other.pk}/zzz/blob", "zzz")
    with caplog.at_level(logging.ERROR):
        report = search()
    assert {named.original for named in report.lost} == {gone.pk, short.pk}
    assert (report.lost_originals, report.lost_outputs, report.orphans) == (2, 1, 3)
    assert all(str(original.pk) in caplog.text for original in (gone, short, bare))
    assert Original.objects.count() == 8


def test_a_whole_store_that_is_not_there(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "BATCH", 2)
    monkeypatch.setattr(orphans, "SLICE", 1)
    keys = [take_in(library, PNG + bytes([n]), "a.png").file.original.key for n in range(5)]
    for key in keys:
        get_store("files").delete(key)
    assert search().lost_originals == 5


def test_what_changes_meanwhile_is_not_told(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows read, then purged with their blobs before the store is read: not missing."""
    files = [take_in(library, PNG + bytes([n]), "a.png").file for n in range(3)]
    ((listing, page),) = list(orphans.pages_after(""))
    get_store("files").delete(files[1].original.key)
    forget(files[1])
    fresh = orphans.Listing(library.pk, "")
    assert orphans.lost_of(fresh, page) == []
    assert len(page) == 3
    assert listing is not fresh


def test_five_thousand_keys_in_a_bounded_number_of_queries(library: Library, settings: Any) -> None:
    use(settings, "storage.memory.MemoryStore", {"secret": "test-store-secret"})
    count, each = 1000, 4
    originals = [uuid7() for _ in range(count)]
    folders = [f"{library.pk}/{original}" for original in originals]
    outputs = [[f"{folder}/echo/run-1/{n}" for n in range(each)] for folder in folders]
    Original.objects.bulk_create(
        Original(id=key, library=library, size=1, mime="image/png", kind="image", key=f"{folder}/blob")
        for key, folder in zip(originals, folders, strict=True)
    )
    Derivative.objects.bulk_create(
        Derivative(
            original_id=original,
            deriver="echo",
            queue="metadata",
            queued_at=timezone.now(),
            outputs=[{"name": str(n), "key": key, "size": 1} for n, key in enumerate(made)],
        )
        for original, made in zip(originals, outputs, strict=True)
    )
    put(*(f"{folder}/blob" for folder in folders), *(key for made in outputs for key in made))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        report = search()
    assert (report.blobs, report.orphans, report.lost_originals, report.lost_outputs) == (5000, 0, 0, 0)
    assert len(asked) <= 5 * 2 + 7


def test_a_search_goes_on_from_where_it_was_told(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice by another process: nothing but the position is carried on."""
    monkeypatch.setattr(orphans, "BATCH", 2)
    monkeypatch.setattr(orphans, "SLICE", 1)
    originals = [take_in(library, PNG + bytes([n]), "a.png").file.original for n in range(5)]
    get_store("files").delete(originals[-1].key)
    strays = put(*(f"{n}/stray/blob" for n in range(5)))
    at: Position | None = Position()
    slices, lost = 0, 0
    while at is not None:
        scan = Scan(before=timezone.now() + timedelta(minutes=1))
        at = scan.advance(Position(**asdict(at)))
        slices, lost = slices + 1, lost + scan.report.lost_originals
    assert (registered(), lost) == (set(strays), 1)
    assert slices > 10


def sent() -> list[dict[str, Any]]:
    """The arguments of what waits in the queue of upkeep; taken out."""
    client = dispatch.redis_client()
    waiting = []
    while (message := client.rpop("maintenance")) is not None:
        body = json.loads(base64.b64decode(json.loads(message)["body"]))
        waiting.append(body[1])
    return waiting


def test_the_weekly_task_sends_itself_on(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "SETTLED", timedelta(hours=-1))
    (stray,) = put("stray/a/blob")
    tasks.find_orphans()
    followed = []
    while positions := sent():
        followed += [position["phase"] for position in positions]
        for position in positions:
            tasks.find_orphans(**position)
    assert followed == ["enter", "missing", "cache"]
    assert registered() == {stray}


def test_a_store_that_is_away_ends_the_search_quietly(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: LocalStore, prefix: str = "", *, after: str = "") -> None:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(LocalStore, "iterate", refuse)
    tasks.find_orphans()
    assert "next week" in caplog.text
    assert sent() == []
    with pytest.raises(CommandError, match="not looked through"):
        say()


@pytest.mark.django_db(transaction=True)
def test_two_searches_at_once_harm_nothing() -> None:
    library = create_library(User.objects.create_user("owner@example.org", "owner-password"), "Busy")
    named = {take_in(library, PNG + bytes([n]), "a.png").file.original.key for n in range(10)}
    strays = set(put(*(f"stray/{n}/blob" for n in range(40))))
    errors: list[Exception] = []

    def work() -> None:
        try:
            search()
        except Exception as error:  # noqa: BLE001  The thread hands it to the test.
            errors.append(error)
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert registered() == strays
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    blobs.sweep()
    assert keys_in_store() == named


def say(*options: str) -> str:
    out = io.StringIO()
    call_command("orphans", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def old_stray(db: None, tmp_path: Path) -> str:
    (key,) = put("stray/a/blob")
    os.utime(tmp_path / "stores" / "files" / key, (1, 1))
    return key


def test_the_command_looks_enters_and_sweeps_at_once_if_told(old_stray: str) -> None:
    assert old_stray in say("--dry-run")
    assert registered() == set()
    assert old_stray in say()
    assert registered() == {old_stray}
    assert old_stray not in say("--now")  # It is entered already and keeps its time.
    UnnamedBlob.objects.all().delete()
    assert not AuditEntry.objects.exists()
    say("--now")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.via, entry.count) == ("blobs.enter_orphans", "command", 1)
    assert entry.detail == {"now": True, "force": False}
    assert blobs.sweep() == 1
    assert keys_in_store() == set()


def test_the_command_fails_where_originals_are_missing(library: Library) -> None:
    original = take_in(library, PNG, "a.png").file.original
    say("--dry-run")
    get_store("files").delete(original.key)
    out = io.StringIO()
    with pytest.raises(CommandError, match="bytes of 1 original are missing") as refused:
        call_command("orphans", "--dry-run", stdout=out)
    assert refused.value.returncode == 1
    assert str(original.pk) in out.getvalue()


def test_the_command_fails_where_too_many_are_found(db: None, tmp_path: Path) -> None:
    for key in put(*(f"stray/{n}/blob" for n in range(60))):
        os.utime(tmp_path / "stores" / "files" / key, (1, 1))
    with pytest.raises(CommandError, match="60 of 60 blobs"):
        say("--now")
    assert registered() == set()
    say("--force")
    assert UnnamedBlob.objects.count() == 60


@pytest.mark.parametrize("driver", ["local", "s3"])
def test_the_cache_loses_nothing_that_can_be_lost(
    library: Library, settings: Any, driver: str, own_stores: None
) -> None:
    """A picture without a row is swept at once, a row without its picture goes and is warmed again."""
    with ExitStack() as stack:
        if driver == "s3":
            server = stack.enter_context(running_server())
            options = server.options | {"bucket": server.create_bucket(f"cache-{uuid7()}")}
            cache = {"BACKEND": "storage.s3.S3Store", "OPTIONS": options}
            settings.BLOB_STORES = settings.BLOB_STORES | {"cache": cache}
            registry.reset()
        original = take_in(library, PNG, "a.png").file.original
        Original.objects.update(warmed_version=1)
        for name in ("derived/a-b/1", "variants/a/kept", "variants/a/lost"):
            if not name.endswith("lost"):
                get_store("cache").put(name, [b"x"])
            if not name.endswith("1"):
                CachedImage.objects.create(
                    original=original, key=name, size=1, variants_version=1, used_at=timezone.now()
                )
        assert search(dry_run=True).cached == 2
        assert CachedImage.objects.count() == 2
        assert search().cached == 2
        original.refresh_from_db()
        assert original.warmed_version == 0
        UnnamedBlob.objects.filter(store="cache").update(due_at=timezone.now() - timedelta(seconds=1))
        blobs.sweep()
        assert [stat.key for stat in get_store("cache").iterate()] == ["variants/a/kept"]
        assert [row.key for row in CachedImage.objects.all()] == ["variants/a/kept"]
        assert search().cached == 0
        registry.reset()
