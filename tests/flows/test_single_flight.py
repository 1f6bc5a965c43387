"""Pictures on demand with real workers and real web processes: made once, whatever is killed in the middle."""

import contextlib
import json
import os
import re
import signal
import subprocess  # noqa: TID251  A test starts processes that ask.
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from alcoves import locks
from alcoves.accounts.models import User
from media import blobs, bulletin, dispatch, imagecache, imagemaking, imageproxy, trash
from media.errors import TimedOutError
from media.imageproxy import Fresh, NotMadeError, Pending
from media.images.recipes import Recipe
from media.libraries import create_library
from media.models import CachedImage, File, Library, UnnamedBlob
from media.pictures import Picture
from media.serving import Served
from storage.registry import get_store
from tests import servers
from tests.ingesting import take_in
from tests.makers import make_image
from tests.media.picturing import SMALL, picture_of, put_picture, size_of
from tests.workers import PROJECT, Process, database_url, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SLOW = Recipe(quality=40, format="avif")
"""Of noise it takes seconds: time enough to kill somebody."""


@pytest.fixture(autouse=True)
def nothing_is_left(settings: Any) -> Iterator[None]:
    """Nobody waits, no lock is held, scratch is empty, and the store holds what the rows say, to the byte."""
    yield
    assert (bulletin.topics(), imageproxy.flights) == (0, {})
    assert not locked()
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    blobs.sweep()
    stored = {stat.key: stat.size for stat in get_store("cache").iterate()}
    assert stored == dict(CachedImage.objects.filter(size__gt=0).values_list("key", "size"))
    root = Path(settings.SCRATCH_PATH)
    assert not root.exists() or list(root.glob("image.*")) == []


def locked() -> bool:
    """Whether a worker is still busy, be it only with keeping what it has told already."""
    return bool(dispatch.redis_client().keys(locks.PREFIX + "image:*"))


def settle() -> None:
    wait_until(lambda: not locked(), 20, "the locks to be given back")


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Pictures")


@pytest.fixture
def file(home: Library, tmp_path: Path) -> File:
    return put_picture(home, tmp_path, size=(1200, 800))


@pytest.fixture
def picture(file: File) -> Picture:
    return picture_of(file)


@pytest.fixture
def noise(home: Library, tmp_path: Path) -> File:
    pixels = np.random.default_rng(1).integers(0, 255, (1800, 1800, 3), dtype=np.uint8)
    return put_picture(home, tmp_path, "noise.png", pixels=pixels)


def start_asking(folder: Path, picture: Picture, *recipes: Recipe, each: int) -> "subprocess.Popen[bytes]":
    """A web process of its own, with the stores of the test."""
    from django.conf import settings

    asking = subprocess.Popen(
        [sys.executable, "-m", "tests.flows.asking"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.worker_settings",
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "ALCOVES_DATA_PATH": str(folder / "data"),
            "ALCOVES_STORAGE_PATH": str(folder / "stores"),
            "ALCOVES_SCRATCH_PATH": str(folder / "scratch"),
        },
    )
    assert asking.stdin is not None
    wanted = {"picture": picture.as_json(), "recipes": [recipe.text for recipe in recipes], "each": each}
    asking.stdin.write(json.dumps(wanted).encode())
    asking.stdin.close()
    asking.stdin = None
    return asking


def answers_of(asking: "subprocess.Popen[bytes]") -> list[list[str]]:
    out, _ = asking.communicate(timeout=90)
    told = json.loads(out)
    assert told["left"] == {"topics": 0, "flights": 0}
    return list(told["answers"])


def transforms(worker: Process) -> dict[str, int]:
    """What the worker has made, by outcome."""
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found: dict[str, int] = {}
    for outcome, count in re.findall(
        r'^alcoves_image_transforms_total\{.*outcome="(\w+)".*\} ([0-9.]+)$', text, re.MULTILINE
    ):
        found[outcome] = found.get(outcome, 0) + int(float(count))
    return found


def ask(picture: Picture, recipe: Recipe) -> Pending:
    answer = imageproxy.ask(picture, recipe)
    assert isinstance(answer, Pending)
    return answer


def children(worker: Process) -> list[int]:
    """All processes below it: its lanes and those of their pools."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = [worker.popen.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def busy_child(worker: Process) -> int:
    """The child that is making the picture: the one that uses a core."""

    def ticks() -> dict[int, int]:
        found = {}
        for pid in children(worker):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found[pid] = int(fields[11]) + int(fields[12])
        return found

    before = ticks()

    def grown() -> list[int]:
        return [pid for pid, used in ticks().items() if used - before.get(pid, used) > 20]

    return int(wait_until(grown, 20, "a child at work")[0])


def test_a_hundred_in_two_processes_make_one_transform(tmp_path: Path, picture: Picture) -> None:
    with running_worker(tmp_path) as worker:
        asking = [start_asking(tmp_path, picture, SMALL, each=50) for _ in range(2)]
        answers = [answer for one in asking for answer in answers_of(one)]
        settle()
        assert transforms(worker) == {"made": 1}
    assert len(answers) == 100
    assert {kind for kind, _ in answers} <= {"fresh", "kept"}
    assert len({digest for _, digest in answers}) == 1
    assert CachedImage.objects.count() == 1


def test_a_hundred_threads_of_one_process_make_one_transform(tmp_path: Path, picture: Picture) -> None:
    def one(_: int) -> bytes:
        try:
            answer = imageproxy.ask(picture, SMALL)
            answer = imageproxy.wait(answer) if isinstance(answer, Pending) else answer
            if isinstance(answer, Fresh):
                return answer.content
            with get_store("cache").open(answer.key) as kept:
                return kept.read()
        finally:
            connection.close()

    with running_worker(tmp_path) as worker:
        with ThreadPoolExecutor(100) as pool:
            contents = set(pool.map(one, range(100)))
        settle()
        assert transforms(worker) == {"made": 1}
    assert len(contents) == 1


def test_different_pictures_are_made_side_by_side_each_once(tmp_path: Path, picture: Picture) -> None:
    recipes = [Recipe(width=100 + number) for number in range(30)]
    with running_worker(tmp_path) as worker:
        asking = [start_asking(tmp_path, picture, *recipes, each=3) for _ in range(2)]
        answers = [answer for one in asking for answer in answers_of(one)]
        settle()
        assert transforms(worker) == {"made": 30}
    assert len(answers) == 180
    assert len({digest for _, digest in answers}) == 30
    assert CachedImage.objects.count() == 30


def test_a_killed_child_is_told_at_once_and_the_next_request_makes_it(tmp_path: Path, noise: File) -> None:
    picture = picture_of(noise)
    with running_worker(tmp_path) as worker:
        waiting = [ask(picture, SLOW) for _ in range(3)]
        os.kill(busy_child(worker), signal.SIGKILL)
        killed = time.monotonic()
        for one in waiting:
            with pytest.raises(NotMadeError) as told:
                imageproxy.wait(one)
            assert (told.value.code, told.value.http_status) == ("worker_lost", 503)
        print(f"told {time.monotonic() - killed:.1f} s after the kill")
        assert time.monotonic() - killed < 15
        answer = imageproxy.wait(ask(picture, SLOW))
        settle()
    assert isinstance(answer, Fresh | Served)
    assert CachedImage.objects.get().size > 0


def test_a_killed_worker_costs_those_who_wait_their_time_and_nobody_else(
    tmp_path: Path, noise: File, settings: Any
) -> None:
    settings.IMAGE_WAIT_SECONDS = 4
    picture = picture_of(noise)
    with running_worker(tmp_path) as worker:
        waiting = ask(picture, SLOW)
        busy_child(worker)
        worker.kill_all()
        with pytest.raises(TimedOutError):
            imageproxy.wait(waiting)
    settings.IMAGE_WAIT_SECONDS = 30
    with running_worker(tmp_path):
        imageproxy.wait(ask(picture, SLOW))
        settle()
    assert CachedImage.objects.get().size > 0


def test_a_stopped_worker_tells_those_who_wait(tmp_path: Path, noise: File) -> None:
    picture = picture_of(noise)
    with running_worker(tmp_path, "--concurrency", "2") as worker:
        waiting = ask(picture, SLOW)
        busy_child(worker)
        worker.signal(signal.SIGQUIT)
        worker.popen.wait(40)
        try:
            imageproxy.wait(waiting)
        except NotMadeError as error:
            assert error.http_status == 503  # noqa: PT017  Either it ended in time, or it was told to leave.


def test_redis_killed_while_we_wait(tmp_path: Path, noise: File) -> None:
    if servers.running is None:
        pytest.skip("these servers are not ours to kill")
    picture = picture_of(noise)
    recipe = Recipe(width=200)
    with running_worker(tmp_path, "--lanes", "interactive") as worker:
        waiting = [ask(picture, SLOW)]
        busy_child(worker)
        waiting.append(ask(picture, recipe))
        servers.running.kill_redis()
        try:
            answers = [imageproxy.wait(one) for one in reversed(waiting)]
        finally:
            servers.running.start_redis()
        assert all(isinstance(answer, Fresh | Served) for answer in answers)
        wait_until(bulletin.alive, 10)
        answer = imageproxy.wait(ask(picture, Recipe(width=201)))
        settle()
    assert isinstance(answer, Fresh)
    assert size_of(answer.content) == (201, 201)


def test_a_client_that_goes_away_leaves_the_picture_for_the_next(tmp_path: Path, picture: Picture) -> None:
    with running_worker(tmp_path) as worker:
        ask(picture, SMALL).give_up()
        assert bulletin.topics() == 0
        wait_until(lambda: imagecache.find(picture.cache_key(SMALL)), 20)
        assert imageproxy.find(picture, SMALL) is not None
        wait_until(lambda: transforms(worker) == {"made": 1}, 10)


def test_a_damaged_picture_is_tried_once(tmp_path: Path, home: Library) -> None:
    whole = make_image(tmp_path / "whole.png", size=(400, 300)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:80])
    cut = picture_of(take_in(home, tmp_path / "cut.png", "cut.png").file)
    with running_worker(tmp_path) as worker:
        for _ in range(2):
            answers = answers_of(start_asking(tmp_path, cut, SMALL, each=20))
            assert answers == [["422", "damaged_file"]] * 20
        assert transforms(worker) == {"damaged_file": 1}
    assert not CachedImage.objects.exists()


def test_a_purge_in_the_middle_of_a_transform_leaves_nothing(tmp_path: Path, noise: File) -> None:
    picture = picture_of(noise)
    with running_worker(tmp_path) as worker:
        waiting = ask(picture, SLOW)
        busy_child(worker)
        trash.purge(noise.library, [noise.pk])
        UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        blobs.sweep()
        imageproxy.wait(waiting)  # Who asked before the purge may still be answered.
        settle()
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    blobs.sweep()
    assert list(get_store("cache").iterate()) == []
    assert not CachedImage.objects.exists()


def test_the_time_of_a_cold_picture(tmp_path: Path, picture: Picture) -> None:
    """Not a measurement, only an alarm: message, pub/sub and result are a few milliseconds, not tenths of a second."""
    with running_worker(tmp_path):
        imageproxy.wait(ask(picture, Recipe(width=50)))
        times = []
        for width in range(51, 71):
            began = time.perf_counter()
            imageproxy.wait(ask(picture, Recipe(width=width)))
            times.append(time.perf_counter() - began)
        bare = []
        for width in range(151, 171):
            began = time.perf_counter()
            imagemaking.generate(picture, Recipe(width=width))
            bare.append(time.perf_counter() - began)
        settle()
    print(f"cold {min(times) * 1000:.1f} ms, bare {min(bare) * 1000:.1f} ms")
    assert min(times) - min(bare) < 0.05
