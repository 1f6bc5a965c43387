"""`manage.py ingest`: folders of this machine into a library, once or watched."""

import io
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from alcoves.accounts.models import User
from media import blobs
from media.intake import Place
from media.libraries import create_library, set_member
from media.management import progress
from media.models import File, Folder, Library, Original
from media.uploads import importing, watching
from media.uploads.importing import Found, State, Target, take_in, walk
from media.uploads.watching import Settling
from storage.registry import get_store
from tests.makers import make_image
from tests.media.uploads.speaking import PNG
from tests.storage.conformance import data_of, sha256_of
from tests.workers import running_worker


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two folders, a copy, hidden things, links that lead out and in, a pipe."""
    root = tmp_path / "inbox"
    for name, data in {
        "a.png": PNG, "Trip/b.bin": data_of(2000), "Trip/Day 1/copy of a.jpg": PNG, ".hidden/x.png": PNG,
        "Trip/.DS_Store": b"x",
    }.items():  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    secret = tmp_path / "secret.txt"
    secret.write_text("private")
    (root / "out.txt").symlink_to(secret)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "nothing").symlink_to(root / "missing")
    os.mkfifo(root / "pipe")
    return root


def ingest(*paths: Path | str, library: Library | str = "Family", **options: Any) -> str:
    out = io.StringIO()
    call_command(
        "ingest", *map(str, paths), library=str(getattr(library, "pk", library)), stdout=out, **options
    )
    return out.getvalue()


def paths_of(library: Library) -> dict[str, str | None]:
    """Every file by its path in the library, with its digest."""
    found = {}
    for file in File.objects.filter(library=library).select_related("original", "folder__parent__parent"):
        names, folder = [file.name], file.folder
        while folder is not None:
            names, folder = [folder.name, *names], folder.parent
        found["/".join(names)] = file.original.sha256
    return found


def contents(root: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in root.rglob("*") if path.is_file())


def test_a_tree_with_its_folders(library: Library, alice: User, tree: Path, any_store: str) -> None:
    before = contents(tree)
    said = ingest(tree)
    assert paths_of(library) == {
        "a.png": sha256_of(PNG), "Trip/b.bin": sha256_of(data_of(2000)), "Trip/Day 1/copy of a.jpg": sha256_of(PNG),
    }  # fmt: skip
    for word in ("a.png", "image/png", "216 bytes", "2 new", "1 duplicate", "0 refused"):
        assert word in said
    assert contents(tree) == before
    file = File.objects.get(name="a.png")
    assert file.created_by_id == alice.pk
    assert file.client_modified_at is not None
    assert file.client_modified_at.timestamp() == pytest.approx((tree / "a.png").stat().st_mtime, abs=0.001)


def test_the_table_tells_what_is_planned_for_each_file(library: Library, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "empty.png").touch()
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2"):
        call_command("ingest", str(tmp_path), library="Family", stdout=out)
    rows = [line.split("│") for line in out.getvalue().splitlines() if "│" in line]
    made = " ".join(" ".join(row[-2] for row in rows).split())
    assert made == "metadata, preview queued -"


@pytest.mark.django_db(transaction=True)
def test_waiting_until_everything_is_made(tmp_path: Path) -> None:
    owner = User.objects.create_user("owner@example.org", "owner-password")
    create_library(owner, "Family")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    make_image(inbox / "a.png")
    with running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="1"):
        said = ingest(inbox, wait=True)
    assert re.search(r"preview +│ 1 +│ 0 +│ 0 +│ 0 ", said), said
    assert "ready" in said
    assert "Everything that was planned is done after" in said


def test_waiting_without_a_worker_and_for_a_watch(
    library: Library, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0)
    assert "Start one with script/up" in ingest(tree, wait=True)
    with pytest.raises(CommandError, match="Give one of --watch and --wait"):
        ingest(tree, wait=True, watch=True)


def test_again_changes_nothing_and_new_bytes_are_new(library: Library, tree: Path, settings: Any) -> None:
    settings.SWEEP_GRACE_SECONDS = 0
    ingest(tree)
    assert "3 already there" in ingest(tree)
    assert File.objects.count() == 3
    (tree / "a.png").write_bytes(PNG + b"edited")
    assert "1 new, 0 duplicate, 2 already there" in ingest(tree)
    assert Folder.objects.count() == 2
    blobs.sweep()
    assert len(list(get_store("files").iterate())) == Original.objects.count() == 3


def test_refusals_are_told_and_fail_the_command(library: Library, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "good.png").write_bytes(PNG)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2 files were refused") as caught:
        call_command(
            "ingest", str(tmp_path / "empty.png"), str(tmp_path / "good.png"), library="Family", stdout=out
        )
    assert caught.value.returncode == 1
    assert "refused" in out.getvalue()
    assert "empty" in out.getvalue()
    assert list(paths_of(library)) == ["good.png"]


def test_into_a_folder_in_the_name_of_a_member(library: Library, bob: User, tree: Path) -> None:
    with pytest.raises(CommandError, match="no library"):
        ingest(tree, user=bob.email)
    set_member(library, bob, "admin")
    Folder.objects.create(library=library, name="holidays")
    ingest(tree / "a.png", user="BOB@example.org", folder="Holidays/2024")
    assert list(paths_of(library)) == ["holidays/2024/a.png"]
    assert File.objects.get().created_by_id == bob.pk


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"library": "Nowhere"}, "no library 'Nowhere'"),
        ({"user": "nobody@example.org"}, "Nobody here"),
        ({"folder": "../up"}, "without dots"),
    ],
)
def test_what_cannot_be_meant(library: Library, tree: Path, options: dict[str, str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        ingest(tree, **options)
    with pytest.raises(CommandError, match="There is no"):
        ingest(tree / "missing")
    assert not File.objects.exists()


def test_two_libraries_of_one_name(library: Library, alice: User, tree: Path) -> None:
    other = create_library(alice, "Family")
    with pytest.raises(CommandError, match=str(other.pk)):
        ingest(tree)
    ingest(tree, library=other)
    assert not paths_of(library)
    assert len(paths_of(other)) == 3


def test_a_file_that_changes_while_it_is_read(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(data_of(100))

    def touch(_: int) -> None:
        os.utime(path, ns=(1, 1))

    def grow(_: int) -> None:
        with path.open("ab") as writer:
            writer.write(b"more")

    for meddle in (touch, grow):
        outcome = take_in(Found(path, ()), Target(library, None, None), meddle)
        assert (outcome.state, outcome.again) == (State.REFUSED, True)
        assert "changed" in outcome.reason
    assert not File.objects.exists()
    blobs.sweep()
    assert list(get_store("files").iterate()) == []


def test_a_file_that_cannot_be_read(library: Library, tmp_path: Path) -> None:
    outcome = take_in(Found(tmp_path / "gone", ()), Target(library, None, None))
    assert (outcome.state, outcome.again) == (State.REFUSED, False)
    assert "cannot be read" in outcome.reason


def test_names_with_markup_and_odd_bytes(library: Library, tmp_path: Path) -> None:
    (tmp_path / "[red]x[").write_bytes(PNG)
    (tmp_path / "tab\tname.png").write_bytes(PNG)
    said = ingest(tmp_path)
    assert "[red]x[" in said
    assert set(paths_of(library)) == {"[red]x[", "tabname.png"}


def test_a_link_inside_the_tree_is_taken_once_per_name(tree: Path) -> None:
    (tree / "again.png").symlink_to(tree / "a.png")
    names = [str(found.path.relative_to(tree)) for found in walk(tree)]
    assert names == ["a.png", "again.png", "Trip/b.bin", "Trip/Day 1/copy of a.jpg"]


def test_a_file_is_given_out_once_it_is_calm(tmp_path: Path) -> None:
    path, hidden = tmp_path / "a", tmp_path / ".part"
    path.write_bytes(b"1")
    hidden.write_bytes(b"1")
    settling = Settling([tmp_path], 2.0)
    settling.note(path, 0.0)
    settling.note(hidden, 0.0)
    settling.note(tmp_path / "never-there", 0.0)
    assert list(settling.settled(1.9)) == []
    path.write_bytes(b"12")
    assert list(settling.settled(2.5)) == []
    assert list(settling.settled(4.4)) == []
    assert list(settling.settled(4.6)) == [Found(path, ())]
    assert list(settling.settled(9.0)) == []
    settling.note(path, 10.0)
    path.unlink()
    assert list(settling.settled(20.0)) == []


def test_a_folder_moved_in_is_searched(tmp_path: Path, tree: Path) -> None:
    settling = Settling([tmp_path / "inbox"], 0.0)
    settling.note(tree / "Trip", 0.0)
    settling.note(tree / ".hidden", 0.0)
    found = {(found.path.name, found.folders) for found in settling.settled(1.0)}
    assert found == {("b.bin", ("Trip",)), ("copy of a.jpg", ("Trip", "Day 1"))}


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.02)


@pytest.mark.django_db(transaction=True)
def test_watching_takes_what_is_there_and_what_comes(tmp_path: Path) -> None:
    owner = User.objects.create_user("owner@example.org", "owner-password")
    library = create_library(owner, "Family")
    inbox, stop, out = tmp_path / "inbox", threading.Event(), io.StringIO()
    inbox.mkdir()
    (inbox / "early.png").write_bytes(PNG)

    def work() -> None:
        try:
            call_command("ingest", str(inbox), library="Family", watch=True, calm=0.05, stop=stop, stdout=out)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_for(lambda: set(paths_of(library)) == {"early.png"})
        (inbox / "late.bin").write_bytes(data_of(10))
        moved = tmp_path / "moved"
        moved.mkdir()
        (moved / "in.bin").write_bytes(data_of(20))
        moved.rename(inbox / "Trip")
        wait_for(lambda: set(paths_of(library)) == {"early.png", "late.bin", "Trip/in.bin"})
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert "3 new" in out.getvalue()
    assert importing.find_same(inbox / "early.png", len(PNG), Place(library, "early.png")) is not None


@pytest.mark.django_db(transaction=True)
def test_a_watch_outlives_a_store_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.05)
    owner = User.objects.create_user("owner@example.org", "owner-password")
    library = create_library(owner, "Family")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.png").write_bytes(PNG)
    stop, out = threading.Event(), io.StringIO()
    store: Any = get_store("files")
    store.min_free_bytes = 2**62

    def work() -> None:
        try:
            options: dict[str, Any] = {
                "library": "Family",
                "watch": True,
                "calm": 0.05,
                "stop": stop,
                "stdout": out,
            }
            call_command("ingest", str(tmp_path / "inbox"), **options)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_for(lambda: "refused" in out.getvalue())
        assert not paths_of(library)
        store.min_free_bytes = 0
        wait_for(lambda: set(paths_of(library)) == {"a.png"})
    finally:
        stop.set()
        thread.join(20)
    assert "keeps" in out.getvalue()
    assert "1 new, 0 duplicate, 0 already there, 0 refused" in out.getvalue()
