"""A clip from the mark to the download, with a real worker: asked for, edited and killed in the middle, split."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from alcoves.accounts.models import User
from media.libraries import create_library
from media.models import Derivative, File, UnnamedBlob
from media.tools import ffprobe
from storage.registry import get_store
from tests.conftest import client_of
from tests.ingesting import run_queued, take_in
from tests.makers import make_video
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"
REAL = {"ALCOVES_TEST_REAL_DERIVERS": "1"}


@pytest.fixture
def client(db: None) -> Client:
    return client_of(User.objects.create_user("owner@example.org", "owner-password", name="Owner"))


@pytest.fixture
def film(client: Client, tmp_path: Path, settings: Any) -> File:
    """A minute that takes a while to encode, with its metadata read and nothing else planned."""
    settings.STORE_RESERVE_BYTES = 0
    all_of_them = configured.DERIVERS
    settings.DERIVERS = {name: all_of_them[name] for name in ("metadata", "moment")}
    library = create_library(User.objects.get(), "Films")
    source = make_video(tmp_path / "film.mp4", seconds=60, size=(1280, 720), options=("-g", "50"))
    file = take_in(library, source, "film.mp4").file
    run_queued()
    file.refresh_from_db()
    assert file.original.duration == pytest.approx(60, abs=0.1)
    return file


def base(film: File) -> str:
    return f"/api/libraries/{film.library_id}/files/{film.pk}/moments"


def mark(client: Client, film: File, start: float, end: float) -> str:
    made = client.post(base(film), {"name": "Goal", "start": start, "end": end}, JSON)
    assert made.status_code == 201, made.content
    return f"{base(film)}/{made.json()['id']}"


def under_way(client: Client, address: str) -> bool:
    told = client.get(address).json()
    return bool(told["exportStatus"] == "processing" and told["exportProgress"] > 0)


def ready(client: Client, address: str) -> Any:
    told = client.get(address).json()
    assert told["exportStatus"] != "failed", told
    return told if told["exportStatus"] == "ready" else None


def duration_of(content: bytes, folder: Path) -> float:
    path = folder / "downloaded.mp4"
    path.write_bytes(content)
    return float(ffprobe.read(path, "mov")["format"]["duration"])


def encoders(folder: Path) -> list[int]:
    """Processes that write a clip into this test's scratch."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"ffmpeg" in words[0] and any(word.startswith(bytes(folder)) for word in words[1:]):
            found.append(int(entry.name))
    return found


def test_from_the_mark_to_the_download(client: Client, film: File, tmp_path: Path) -> None:
    address = mark(client, film, 10.02, 12.5)
    with running_worker(tmp_path, **REAL):
        assert client.get(f"{address}/download").status_code == 202
        told = wait_until(lambda: ready(client, address), 120, "the export")
        assert (told["exportedVersion"], told["stale"], told["exportProgress"]) == (1, False, 100)
        whole = client.get(told["downloadUrl"])
        content = whole.getvalue()
        assert duration_of(content, tmp_path) == pytest.approx(2.48, abs=0.04)
        part = client.get(told["downloadUrl"], headers={"range": "bytes=100-199", "if-range": whole["ETag"]})
        assert (part.status_code, part.getvalue()) == (206, content[100:200])
        assert client.get(told["posterUrl"]).getvalue()[8:12] == b"WEBP"
        assert client.post(f"{address}/export").status_code == 200
        halves = client.post(f"{address}/split", {"at": 11}, JSON).json()
        assert (halves["left"]["stale"], halves["right"]["exportStatus"]) == (True, None)
        assert client.get(told["downloadUrl"]).getvalue() == content
        assert client.post(f"{address}/export").status_code == 202
        right = f"{base(film)}/{halves['right']['id']}"
        client.post(f"{right}/export")
        for one, seconds in ((address, 0.98), (right, 1.5)):
            told = wait_until(partial(ready, client, one), 120, "a half")
            assert not told["stale"]
            assert duration_of(client.get(told["downloadUrl"]).getvalue(), tmp_path) == pytest.approx(
                seconds, abs=0.04
            )


def test_packets_are_copied_in_no_time(client: Client, film: File, tmp_path: Path) -> None:
    address = mark(client, film, 10, 50)
    with running_worker(tmp_path, **REAL):
        client.post(f"{address}/export")
        told = wait_until(lambda: ready(client, address), 60, "the export")
    row = Derivative.objects.get(deriver="moment")
    assert row.made_by["encoder"] == "copy"
    assert duration_of(client.get(told["downloadUrl"]).getvalue(), tmp_path) == pytest.approx(40, abs=0.04)


def test_an_edit_in_mid_export_discards_what_was_under_way(
    client: Client, film: File, tmp_path: Path
) -> None:
    address = mark(client, film, 1.02, 58)
    with running_worker(tmp_path, **REAL):
        client.post(f"{address}/export")
        wait_until(lambda: under_way(client, address), 60, "some progress")
        told = client.patch(address, {"end": 3.5}, JSON).json()
        assert (told["exportVersion"], told["exportedVersion"]) == (2, None)
        told = wait_until(lambda: ready(client, address), 120, "the export")
        wait_until(lambda: not encoders(tmp_path), 20, "the end of the first encode")
    assert (told["exportedVersion"], told["stale"]) == (2, False)
    assert duration_of(client.get(told["downloadUrl"]).getvalue(), tmp_path) == pytest.approx(2.48, abs=0.04)
    assert_nothing_is_left()


def test_an_ffmpeg_that_is_killed_is_started_again(client: Client, film: File, tmp_path: Path) -> None:
    address = mark(client, film, 1.02, 30)
    with running_worker(tmp_path, ALCOVES_RETRY_SECONDS="0", **REAL):
        client.post(f"{address}/export")
        wait_until(lambda: under_way(client, address), 60, "some progress")
        for pid in encoders(tmp_path):
            os.kill(pid, signal.SIGKILL)
        told = wait_until(lambda: ready(client, address), 200, "the export")
    assert duration_of(client.get(told["downloadUrl"]).getvalue(), tmp_path) == pytest.approx(28.98, abs=0.04)
    assert_nothing_is_left()


def test_a_worker_that_is_killed_loses_no_export(client: Client, film: File, tmp_path: Path) -> None:
    address = mark(client, film, 1.02, 20)
    with running_worker(tmp_path, **REAL) as worker:
        client.post(f"{address}/export")
        wait_until(lambda: under_way(client, address), 60, "some progress")
        worker.kill_all()
        wait_until(lambda: not encoders(tmp_path), 20, "the end of its ffmpeg")
    with running_worker(tmp_path, **REAL):
        told = wait_until(lambda: ready(client, address), 200, "the export")
    assert told["exportedVersion"] == 1
    assert duration_of(client.get(told["downloadUrl"]).getvalue(), tmp_path) == pytest.approx(18.98, abs=0.04)


def test_a_moment_that_is_deleted_stops_its_export(client: Client, film: File, tmp_path: Path) -> None:
    address = mark(client, film, 1.02, 58)
    with running_worker(tmp_path, **REAL):
        client.post(f"{address}/export")
        wait_until(lambda: under_way(client, address), 60, "some progress")
        assert client.delete(address).status_code == 204
        wait_until(lambda: not encoders(tmp_path), 20, "the end of the encode")
        told = client.post(f"{address}/restore").json()
        assert (told["exportStatus"], told["downloadUrl"]) == ("failed", None)


def assert_nothing_is_left() -> None:
    """What lies in the store is named by the row, or registered to be swept."""
    named = {output["key"] for row in Derivative.objects.all() for output in row.outputs}
    registered = set(UnnamedBlob.objects.values_list("key", flat=True))
    stored = {stat.key for stat in get_store("files").iterate() if "/moment/" in stat.key}
    assert stored - registered == {key for key in named if "/moment/" in key}
    assert not list(Path(configured.SCRATCH_PATH).glob("*/moment.*"))
