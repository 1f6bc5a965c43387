"""What a look may say: whether it was whole, what it could see, and how far it is."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rich.progress import Progress

from alcoves.accounts.models import User
from alcoves.alerts import rules
from alcoves.backup import looking, mending, shown
from alcoves.backup.models import Finding, Look
from alcoves.console.dashboard import warnings
from media import audit, blobs
from media.libraries import create_library
from media.models import Derivative, Library, Original, UnnamedBlob, uuid7
from storage.registry import get_store
from tests.alcoves.backup.making import fill, unreadable
from tests.alcoves.backup.test_looking import alter, path_of, verify
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""


def grow_old(path: Path) -> None:
    old = time.time() - 40 * 86400
    os.utime(path, (old, old))


def leave_unnamed(library: Library, count: int) -> None:
    for _ in range(count):
        key = f"{library.pk}/{uuid7()}"
        get_store("files").put(key, [b"x"])
        grow_old(path_of(key))


def repair_all() -> None:
    mending.mend_asked(mending.ask(Finding.objects.all(), by=audit.COMMAND), by=audit.COMMAND)


def newest() -> Look:
    row: Look = Look.objects.order_by("-id")[0]
    return row


@pytest.mark.parametrize("part", ["since", "library"])
def test_only_a_whole_look_lifts_the_alarm_of_too_many_orphans(library: Library, part: str) -> None:
    fill(library, count=1, run=False)
    leave_unnamed(library, 60)
    assert "too much to be true" in verify(1)
    assert newest().whole
    day = (timezone.now() - timedelta(days=1)).date().isoformat()
    told = verify(1, since=day) if part == "since" else verify(1, library=library.name)
    assert "2 blobs looked at" in told
    assert not newest().whole
    repair_all()
    assert not UnnamedBlob.objects.exists()
    assert {row.state for row in Finding.objects.all()} == {"open"}
    for stat in list(get_store("files").iterate())[5:]:
        if not blobs.find_named([stat.key]):
            get_store("files").delete(stat.key)
    verify(1)
    assert newest().whole
    repair_all()
    assert UnnamedBlob.objects.exists()


def test_a_look_that_ends_early_does_not_lose_its_alarm(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, count=1, run=False)
    leave_unnamed(library, 60)

    def fail(self: looking.Looking) -> None:
        raise OSError("no cache")

    monkeypatch.setattr(looking.Looking, "look_at_cache", fail)
    with pytest.raises(OSError, match="no cache"):
        verify()
    repair_all()
    assert not UnnamedBlob.objects.exists()


def test_a_look_of_some_days_goes_on_as_such(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and called again without the date it is another one: what is older was not seen by the first."""
    take_in(library, b"old", "old.bin")
    Original.objects.update(created_at=timezone.now() - timedelta(days=9))
    take_in(library, b"new", "new.bin")
    day = (timezone.now() - timedelta(days=1)).date().isoformat()
    verify(since=day)
    Look.objects.update(state="killed")
    assert "2 blobs looked at" in verify()
    assert Look.objects.count() == 2
    Look.objects.filter(whole=True).delete()
    verify(since=day)
    assert Look.objects.count() == 1


def test_sizes_close_nothing_that_was_found_by_reading(library: Library) -> None:
    fill(library, count=1, run=False)
    rotten, bad = Original.objects.order_by("pk")
    alter(rotten.key)
    with unreadable(path_of(bad.key)):
        verify(1, deep=True)
    verify(1)
    assert set(Finding.objects.values_list("kind", "state")) == {("altered", "open")}
    assert [one.key for one in rules.check("findings")] == ["blobs:altered:original"]
    place = path_of(rotten.key)
    away = place.rename(place.with_name("away"))
    verify(1)
    away.rename(place)
    verify(1)
    assert Finding.objects.filter(state="open").count() == 2
    verify(1, deep=True)
    assert list(Finding.objects.filter(state="open").values_list("key", flat=True)) == [rotten.key]
    alter(rotten.key)
    verify(deep=True)
    assert not rules.check("findings")


def test_sizes_close_what_sizes_found(library: Library) -> None:
    fill(library, count=1, run=False)
    one, two = Original.objects.order_by("pk")
    content = path_of(one.key).read_bytes()
    path_of(one.key).write_bytes(content + b"x")
    place = path_of(two.key)
    away = place.rename(place.with_name("away"))
    verify(1)
    verify(1, deep=True)
    path_of(one.key).write_bytes(content)
    away.rename(place)
    verify()
    assert set(Finding.objects.values_list("state", flat=True)) == {"repaired"}


def test_what_has_another_name_by_now_is_closed_by_a_whole_look(library: Library) -> None:
    """A file that was purged, or a run that made it anew under another key."""
    original = take_in(library, b"words", "a.bin").file.original
    about = {"kind": "missing", "store": "files", "seen_at": timezone.now()}
    gone = Finding.objects.create(what="output", key=f"{library.pk}/{original.pk}/echo/run/old", **about)
    verify(1, library=library.name)
    verify()
    gone.refresh_from_db()
    assert (gone.state, gone.text) == ("repaired", mending.UNNAMED)


def test_only_whole_looks_that_read_are_a_verification(library: Library, alice: User) -> None:
    fill(library, count=1, run=False)
    Original.objects.update(created_at=timezone.now() - timedelta(days=200))
    create_library(alice, "Empty")
    assert "never" in said_of_verification()
    verify(library="Empty", deep=True)
    assert "never" in said_of_verification()
    verify(since=timezone.now().date().isoformat(), deep=True)
    assert "never" in said_of_verification()
    verify()
    assert "sizes were compared" in said_of_verification()
    verify(deep=True)
    assert said_of_verification() == ""


def said_of_verification() -> str:
    return " ".join(one.sentence for one in warnings.verification())


@pytest.mark.parametrize("deep", [True, False])
def test_a_look_says_how_far_it_is(library: Library, monkeypatch: pytest.MonkeyPatch, deep: bool) -> None:
    monkeypatch.setattr(looking, "PAGE", 1)
    for number in range(4):
        take_in(library, b"x" * 1000 + bytes([number]), f"{number}.bin")
    seen: list[int] = []
    row = Look.objects.create(deep=deep)
    while not looking.look(row, seconds=0):
        row.refresh_from_db()
        seen.append(row.percent)
    row.refresh_from_db()
    assert (row.total, row.total_bytes, row.percent) == (4, 4004, 100)
    assert seen[:4] == ([25, 50, 75, 99] if deep else [12, 25, 37, 50])
    assert seen == sorted(seen)


def test_the_time_left_goes_by_what_was_looked_at() -> None:
    about = {"state": "running", "total": 100, "started_at": timezone.now() - timedelta(minutes=10)}
    row = Look(**about, looked=50, phase="named")
    assert 1700 < (row.seconds_left or 0) < 1900
    assert Look(**about, phase="named").seconds_left is None
    deep = Look(**about, deep=True, looked=99, total_bytes=1000, done_bytes=500)
    assert 590 < (deep.seconds_left or 0) < 610


def test_derived_files_count_in_the_whole(library: Library) -> None:
    original = take_in(library, b"words", "a.bin").file.original
    key = f"{library.pk}/{original.pk}/echo/run/part.bin"
    get_store("files").put(key, [b"part"])
    outputs = [{"name": "part.bin", "key": key, "size": 4, "content_type": "x/y", "sha256": ""}]
    about = {"original": original, "queue": "metadata", "queued_at": timezone.now(), "status": "ready"}
    Derivative.objects.create(deriver="echo", outputs=outputs, **about)
    day = timezone.now().date().isoformat()
    wanted: list[dict[str, Any]] = [{}, {"library": library.name}, {"since": day}]
    for options in wanted:
        verify(anew=True, **options)
        assert (newest().total, newest().total_bytes) == (2, 9)


@pytest.mark.parametrize("deep", [True, False])
def test_the_bar_counts_what_the_look_counts(monkeypatch: pytest.MonkeyPatch, deep: bool) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(Progress, "update", lambda _, __, **about: told.append(about))
    with shown.bar(quiet=True, of_bytes=deep) as say:
        say(Look(deep=deep, phase="named", looked=3, total=10, done_bytes=500, total_bytes=1000))
    expected = {"completed": 500, "total": 1000} if deep else {"completed": 3, "total": 20}
    assert told == [{"description": "What is named", **expected}]


def test_the_pages_say_what_a_look_was(library: Library, admin_client: Client) -> None:
    """How far, over what, and what is under repair."""
    began = timezone.now() - timedelta(minutes=10)
    about = {"state": "running", "started_at": began, "alive_at": timezone.now(), "phase": "named"}
    Look.objects.create(**about, library=library.pk, looked=5, total=10)
    told = {"store": "files", "seen_at": timezone.now(), "kind": "missing", "what": "original"}
    Finding.objects.create(**told, key="a/b", state="repairing")
    page = admin_client.get("/admin/backups").content.decode()
    for text in ("sizes, some of them", "50 %, 10 min", "5 of 10", "should be; 1 under repair"):
        assert text in page
    there = admin_client.get("/admin/backup/finding/?state__in=open,repairing&kind=missing").content.decode()
    assert "a/b" in there
