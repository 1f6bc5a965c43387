"""A setting that is changed moves what it is for, in this process and in workers that run already."""

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from alcoves.accounts import locking
from alcoves.accounts.models import User
from alcoves.console.settings import changing
from media import audit, evicting, libraries, live, prewarm, runs, tasks
from media.derivers.base import Context, NotNeeded, Result
from media.models import Derivative, Library, UnnamedBlob
from media.transcoding import timeouts
from media.uploads.expiry import next_expiry
from media.uploads.room import get_ceiling
from ml.downloads import tending
from ml.faces import assigning
from ml.runtime.places import Options
from ml.search.finding import Clock
from tests.derivers import TABLE, EchoDeriver
from tests.ingesting import run_queued, take_in
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def put(**values: Any) -> None:
    changing.change(values, by=audit.COMMAND)


class LimitedDeriver(EchoDeriver):
    """Tells how long ffmpeg might take in this run."""

    name: ClassVar[str] = "echo"
    seen: ClassVar[list[float]] = []

    def derive(self, context: Context) -> Result:
        self.seen.append(timeouts.encoding(1000, 360))
        return NotNeeded("seen")


def fussy(library: Library, number: int) -> Derivative:
    with transaction.atomic():  # A worker is told after it.
        take_in(library, PNG + bytes([number]), f"{number}.png")
        row: Derivative = Derivative.objects.latest("queued_at")
        Derivative.objects.filter(pk=row.pk).update(parameters={"mood": "transient"})
    return row


def test_the_image_cache() -> None:
    put(IMAGE_CACHE_MAX_BYTES=12345)
    assert evicting.usage().cap == 12345


def test_pictures_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prewarm, "claim", lambda: [1])
    monkeypatch.setattr(prewarm, "send", len)
    ahead = tasks.prewarm_pictures
    assert ahead() == 1
    put(IMAGE_PREWARM_ENABLED=False)
    assert ahead() == 0


def test_uploads(library: Library, as_alice: Client) -> None:
    put(MAX_UPLOAD_BYTES=1000, UPLOAD_EXPIRE_HOURS=2)
    assert get_ceiling(library).size == 1000
    assert as_alice.get("/api/capabilities").json()["maxUploadBytes"] == 1000
    assert timedelta(hours=1.9) < next_expiry() - timezone.now() < timedelta(hours=2.1)


def test_a_new_library_begins_with_the_switches_of_operators(alice: User, as_alice: Client) -> None:
    assert libraries.create_library(alice, "Before").switches() == frozenset()
    put(NEW_LIBRARY_FACES=True, NEW_LIBRARY_SHARING=True)
    made = as_alice.post("/api/libraries", {"name": "After"}, "application/json").json()
    after = Library.objects.get(pk=made["id"])
    assert (after.faces, after.sharing, after.semantic) == (True, True, False)
    assert not libraries.create_library(alice, "Own way", faces=False).faces
    put(
        NEW_LIBRARY_OBJECTS=True,
        NEW_LIBRARY_AUDIO_EVENTS=True,
        NEW_LIBRARY_TRANSCRIPTS=True,
        NEW_LIBRARY_SEMANTIC=True,
    )
    full = libraries.create_library(alice, "Full")
    assert full.objects_on
    assert full.audio_events
    assert full.transcripts
    assert full.semantic


def test_tries_and_their_pause(library: Library, settings: Any) -> None:
    settings.DERIVERS = {"fussy": TABLE["fussy"]}
    row = fussy(library, 1)
    put(RETRY_SECONDS=600.0)
    runs.run(row.pk)
    row.refresh_from_db()
    assert row.not_before is not None
    assert row.not_before - timezone.now() > timedelta(minutes=9)
    put(MAX_RETRIES=0)
    other = fussy(library, 2)
    runs.run(other.pk)
    other.refresh_from_db()
    assert (other.status, other.attempts) == ("failed", 1)
    assert runs.backoff(0) == 600


def test_replaced_outputs_stay_as_long_as_operators_want() -> None:
    put(SWEEP_GRACE_SECONDS=7200)
    UnnamedBlob.objects.retire(["files/a"])
    assert UnnamedBlob.objects.get().due_at - timezone.now() > timedelta(minutes=119)


def test_how_long_ffmpeg_may_take_is_told_to_the_run(library: Library, settings: Any) -> None:
    settings.DERIVERS = {"echo": f"{__name__}.LimitedDeriver"}
    LimitedDeriver.seen.clear()
    for number, values in enumerate(
        (
            {},
            {"FFMPEG_TIMEOUT_MULTIPLIER": 0.5},
            {"FFMPEG_TIMEOUT_MINIMUM": 900.0},
            {"FFMPEG_TIMEOUT_MULTIPLIER": 10.0, "FFMPEG_TIMEOUT_MAXIMUM": 5000.0},
        )
    ):
        if values:
            put(**values)
        take_in(library, PNG + bytes([number]), f"{number}.png")
        run_queued()
    assert LimitedDeriver.seen == [2000, 500, 900, 5000]
    assert timeouts.encoding(1000, 360) == 2000  # Outside of a run the defaults hold.


def test_models() -> None:
    put(ML_IDLE_SECONDS=7.0, MODEL_PREFETCH=False, SEARCH_SECONDS=30.0)
    assert Options.from_settings().idle_seconds == 7
    assert not tending.wanted_ahead("faces")
    with Clock.running(0.5) as clock:
        import time

        assert clock.until - time.monotonic() > 20


def test_people() -> None:
    put(FACE_MAX_DISTANCE=0.3, FACE_MIN_FACES=5, FACE_NEIGHBOURS=20)
    rules = assigning.rules()
    assert (rules.max_distance, rules.min_faces, rules.neighbours) == (0.3, 5, 20)


def test_wrong_passwords(alice: User, client: Client) -> None:
    put(LOGIN_FAILURES=2, LOGIN_COOLOFF_MINUTES=77)
    given = {"email": "alice@example.org", "password": "wrong"}
    answers = [client.post("/api/auth/login", given, "application/json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 429, 429]
    assert "Wait 77 minutes" in answers[-1].json()["message"]
    assert locking.cooloff() == timedelta(minutes=77)


def test_metrics(client: Client) -> None:
    stranger: Any = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/metrics", **stranger).status_code == 404
    put(METRICS_AUTH=False)
    assert client.get("/metrics", **stranger).status_code == 200
    put(METRICS_ENABLED=False)
    assert client.get("/metrics").status_code == 404


def test_a_worker_that_runs_counts_with_a_change_at_once(alice: User, settings: Any, tmp_path: Path) -> None:
    """It has read its settings already, and would keep them for a minute."""
    settings.DERIVERS = {"fussy": TABLE["fussy"]}
    settings.STORE_RESERVE_BYTES = 0
    library = libraries.create_library(alice, "Orders")
    settings.BLOB_STORES = {
        name: {**store, "OPTIONS": {**store["OPTIONS"], "root": tmp_path / "stores" / name}}
        for name, store in settings.BLOB_STORES.items()
    }
    with running_worker(tmp_path, ALCOVES_RETRY_SECONDS="600"):
        first = fussy(library, 1)
        tried(first)
        assert (first.status, first.attempts) == ("queued", 1)
        put(MAX_RETRIES=0)
        second = fussy(library, 2)
        tried(second)
        assert (second.status, second.attempts) == ("failed", 1)
        put(MAX_RETRIES=changing.RESET, RETRY_SECONDS=300.0)
        third = fussy(library, 3)
        tried(third)
        assert (third.status, third.attempts) == ("queued", 1)
        assert third.not_before is not None
        assert third.not_before - timezone.now() < timedelta(seconds=301)
    assert live.value("MAX_RETRIES") == 2


def tried(row: Derivative) -> None:
    def done() -> bool:
        row.refresh_from_db()
        return bool(row.attempts)

    wait_until(done, 60, "the worker has tried it")
