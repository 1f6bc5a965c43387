"""`manage.py ingest` among files that nobody meant: circles of links, pipes, devices, names that steer terminals."""

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from alcoves.accounts.models import User
from media.libraries import create_library
from media.models import File, Library
from media.uploads import watching
from media.uploads.importing import Found, State, Target, shown, take_in, walk
from media.uploads.places import moment_at
from media.uploads.watching import Settling
from tests.media.uploads.speaking import PNG
from tests.media.uploads.test_ingest import ingest, paths_of, wait_for


class Terminal:
    """Refuses what a terminal in UTF-8 cannot take, as the real one would."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text.encode().decode()
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


def refused(*paths: Path, **options: Any) -> str:
    out = Terminal()
    with pytest.raises(CommandError, match="refused"):
        call_command("ingest", *map(str, paths), library="Family", stdout=out, **options)
    return " ".join(out.text.split())


def test_a_link_to_itself_is_refused_and_the_rest_goes_on(library: Library, tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(PNG)
    said = refused(tmp_path)
    assert "1 new" in said
    assert "1 refused" in said
    assert list(paths_of(library)) == ["b.png"]
    outcome = take_in(next(iter(walk(tmp_path))), Target(library, None, None))
    assert (outcome.state, outcome.reason) == (
        State.REFUSED, "This link leads to itself. Remove it, or let it lead to a file.",
    )  # fmt: skip
    with pytest.raises(CommandError, match="leads nowhere"):
        ingest(tmp_path / "a.png")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_opened(library: Library, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pipe" if kind == "pipe" else Path("/dev/zero")
    if kind == "pipe":
        os.mkfifo(path)
    refused(path)
    outcome = take_in(Found(path, ()), Target(library, None, None))
    assert (outcome.state, outcome.code) == (State.REFUSED, "not_a_file")
    assert outcome.reason.startswith("This is a pipe, a device or a socket")
    assert not File.objects.exists()


def test_a_link_given_as_path_is_followed(library: Library, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(PNG)
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "file.png").symlink_to(tmp_path / "real" / "a.png")
    ingest(tmp_path / "folder")
    ingest(tmp_path / "file.png")
    assert set(paths_of(library)) == {"a.png", "file.png"}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("plain [b] ü 👩\u200d🌾.png", "plain [b] ü 👩\u200d🌾.png"),
        ("\x1b]0;owned\x07\x1b[31m", r"\x1b]0;owned\x07\x1b[31m"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\udcff\udc80.png", r"\xff\x80.png"),
        ("\ud800", r"\ud800"),
        ("\u202egpj.exe\x9b", r"\u202egpj.exe\x9b"),
    ],
)
def test_names_as_a_terminal_may_print_them(name: str, safe: str) -> None:
    assert shown(name) == safe
    assert shown(Path(name)) == safe


def test_names_that_steer_a_terminal_are_written_out(library: Library, tmp_path: Path) -> None:
    for name in (b"\x1b[31mred", b"new\nline", b"\xff\xfe"):
        (tmp_path / os.fsdecode(name)).touch()
    said = refused(tmp_path)
    for safe in (r"\x1b[31mred", r"new\nline", r"\xff\xfe"):
        assert safe in said
    assert "\x1b" not in said
    with pytest.raises(CommandError) as caught:
        ingest(tmp_path / "\x1b[2Jgone\udcff")
    assert str(caught.value).endswith(r"/\x1b[2Jgone\xff. Check the path.")


def test_a_time_of_change_nobody_can_mean(library: Library, tmp_path: Path) -> None:
    (tmp_path / "late.png").write_bytes(PNG)
    os.utime(tmp_path / "late.png", (7_258_118_400, 7_258_118_400))
    ingest(tmp_path)
    assert File.objects.get().client_modified_at is None
    assert [moment_at(seconds) for seconds in (1e18, -1e18, float("nan"), float("inf"))] == [None] * 4


def test_looking_again_gives_only_what_is_new(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"1")
    settling = Settling([tmp_path], 2.0)
    settling.look_around(0.0)
    settling.look_around(1.9)  # Does not begin the wait anew.
    assert {found.path.name for found in settling.settled(2.0)} == {"a", "b"}
    (tmp_path / "b").write_bytes(b"12")
    settling.look_around(3.0)
    assert [found.path.name for found in settling.settled(9.0)] == ["b"]
    settling.look_around(10.0)
    assert list(settling.settled(20.0)) == []


@pytest.mark.django_db(transaction=True)
def test_a_watch_outlives_names_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.1)
    library = create_library(User.objects.create_user("owner@example.org", "owner-password"), "Family")
    inbox, stop, out = tmp_path / "inbox", threading.Event(), Terminal()
    inbox.mkdir()
    (inbox / "early.png").write_bytes(PNG)

    def work() -> None:
        try:
            with contextlib.suppress(CommandError):  # Because one was refused.
                call_command(
                    "ingest", str(inbox), library="Family", watch=True, calm=0.05, stop=stop, stdout=out
                )
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_for(lambda: "early.png" in paths_of(library))
        (inbox / os.fsdecode(b"odd\xff.bin")).write_bytes(b"odd")
        wait_for(lambda: "odd.bin" in paths_of(library))
        (inbox / os.fsdecode(b"dir\xfe")).mkdir()
        (inbox / os.fsdecode(b"dir\xfe") / "inner.bin").write_bytes(b"inner")
        wait_for(lambda: "dir/inner.bin" in paths_of(library))
        (inbox / "late.bin").write_bytes(b"late")
        (inbox / "\x1bempty").touch()
        wait_for(lambda: "late.bin" in paths_of(library) and "empty" in out.text)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert File.objects.count() == 4
    for line in (
        "new: early.png (216 bytes) image/png\n",
        "refused: \\x1bempty (0 bytes) This file is empty",
        "The watch broke off (Unable to decode path",
        "4 new, 0 duplicate, 0 already there, 1 refused",
    ):
        assert line in out.text
