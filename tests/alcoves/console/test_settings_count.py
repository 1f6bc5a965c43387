"""A setting that is changed moves what it is for, in this process and in workers that run already.

`COUNTS` names for each setting the test that fails where its reader asks for something else. One that is in no line
fails the last test.
"""

import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from alcoves.accounts import locking
from alcoves.accounts.models import User
from alcoves.console.settings import changing
from media import audit, evicting, libraries, live, prewarm, runs, tasks
from media.derivers.base import Context, NotNeeded, Result
from media.models import Derivative, Library, Moment, Original, UnnamedBlob
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


HERE: Final = "tests.alcoves.console.test_settings_count."
WATCH: Final = "tests.alcoves.console.test_settings_watch."
SENDING: Final = "tests.alcoves.alerts.test_sending."
HOOK: Final = "tests.alcoves.alerts.test_hook."
COUNTS: Final[dict[str, tuple[str, ...]]] = {
    HERE + "test_the_image_cache": ("IMAGE_CACHE_MAX_BYTES",),
    HERE + "test_pictures_ahead": ("IMAGE_PREWARM_ENABLED",),
    HERE + "test_posters_that_people_bring": ("POSTER_MAX_BYTES",),
    "tests.media.test_imageproxy.test_time_over_the_next_request_begins_anew": ("IMAGE_WAIT_SECONDS",),
    "tests.alcoves.test_asgi_images.test_what_cannot_be_shown_is_told_as_by_django": ("IMAGE_QUEUE_LIMIT",),
    HERE + "test_uploads": ("MAX_UPLOAD_BYTES", "UPLOAD_EXPIRE_HOURS"),
    HERE + "test_a_new_library_begins_with_the_switches_of_operators": (
        *("NEW_LIBRARY_FACES", "NEW_LIBRARY_OBJECTS", "NEW_LIBRARY_AUDIO_EVENTS"),
        *("NEW_LIBRARY_TRANSCRIPTS", "NEW_LIBRARY_SEMANTIC", "NEW_LIBRARY_SHARING"),
    ),
    HERE + "test_sharing_ends_for_the_whole_server": ("SHARING_ENABLED",),
    "tests.media.test_shares.test_only_so_many_links_are_good_at_the_same_time": ("SHARES_OF_A_MOMENT",),
    "tests.media.test_shares.test_an_open_door_shuts_after_a_while": ("SHARE_OPEN_HOURS",),
    HERE + "test_tries_and_their_pause": ("RETRY_SECONDS", "MAX_RETRIES"),
    HERE + "test_replaced_outputs_stay_as_long_as_operators_want": ("SWEEP_GRACE_SECONDS",),
    "tests.media.test_bulk.test_old_ones_are_forgotten_once_they_have_ended": ("ATTEMPTS_KEPT_DAYS",),
    "tests.media.test_audit_kept.test_entries_go_when_their_time_is_over_and_that_is_noted": (
        "AUDIT_KEPT_DAYS",
    ),
    HERE + "test_how_long_ffmpeg_may_take_is_told_to_the_run": (
        *("FFMPEG_TIMEOUT_MULTIPLIER", "FFMPEG_TIMEOUT_MINIMUM", "FFMPEG_TIMEOUT_MAXIMUM"),
    ),
    HERE + "test_models": ("ML_IDLE_SECONDS", "MODEL_PREFETCH", "SEARCH_SECONDS"),
    HERE + "test_people": ("FACE_MAX_DISTANCE", "FACE_MIN_FACES", "FACE_NEIGHBOURS"),
    "tests.ml.faces.test_deriver.test_the_threshold_of_the_operator_decides": ("FACE_MIN_SCORE",),
    "tests.ml.objects.test_deriver.test_a_new_run_takes_the_place_of_the_old_one": (
        "OBJECT_DETECTION_MIN_SCORE",
    ),
    "tests.ml.objects.test_deriver.test_no_more_are_kept_than_operators_want": (
        "OBJECT_DETECTION_MAX_DETECTIONS",
    ),
    "tests.ml.sounds.test_deriver.test_windows_are_as_long_as_operators_want": ("AUDIO_DETECT_WINDOW_SEC",),
    "tests.ml.sounds.test_deriver.test_top_and_threshold_are_obeyed": (
        *("AUDIO_DETECT_THRESHOLD", "AUDIO_DETECT_TOP_K"),
    ),
    HERE + "test_wrong_passwords": ("LOGIN_FAILURES", "LOGIN_COOLOFF_MINUTES"),
    HERE + "test_metrics": ("METRICS_AUTH", "METRICS_ENABLED"),
    WATCH + "test_when_backups_are_made": ("BACKUP_SCHEDULE", "BACKUP_WEEKDAY", "BACKUP_HOUR"),
    WATCH + "test_what_backups_hold_and_where_they_go": ("BACKUP_TARGET", "BACKUP_BLOBS"),
    WATCH + "test_how_many_backups_stay": ("BACKUP_KEEP", "BACKUP_KEEP_WEEKLY"),
    WATCH + "test_how_old_backups_may_be": ("ALERT_BACKUP_HOURS",),
    WATCH + "test_how_seldom_blobs_are_read": ("VERIFY_DAYS",),
    WATCH + "test_when_and_how_long_blobs_are_read_at_night": ("VERIFY_HOUR", "VERIFY_MINUTES"),
    WATCH + "test_how_fast_blobs_are_read": ("VERIFY_MB_PER_SECOND",),
    WATCH + "test_when_a_run_is_stuck": ("ALERT_STUCK_MINUTES",),
    WATCH + "test_when_a_queue_waits_too_long": ("ALERT_QUEUED_MINUTES",),
    WATCH + "test_which_failures_are_too_many": ("ALERT_FAILURE_COUNT", "ALERT_FAILURE_PERCENT"),
    WATCH + "test_how_far_back_failures_count": ("ALERT_FAILURE_MINUTES",),
    WATCH + "test_when_a_worker_counts_as_gone": ("ALERT_WORKER_SECONDS",),
    "tests.alcoves.alerts.test_rules.test_disks_without_room_are_told_once_for_all_that_lies_on_them": (
        "ALERT_DISK_PERCENT",
    ),
    SENDING + "test_switched_off_nobody_is_told_and_troubles_are_kept": ("ALERTS_ENABLED",),
    SENDING + "test_one_bad_recipient_keeps_the_letter_from_no_other_and_nobody_gets_two": ("ALERT_MAIL_TO",),
    HOOK + "test_an_address_that_is_none_is_told": ("ALERT_WEBHOOK_URL",),
    HOOK + "test_a_hook_that_drips_its_answer_for_ever_is_left": ("ALERT_WEBHOOK_TIMEOUT",),
    SENDING + "test_what_happens_soon_after_a_letter_comes_in_one_with_the_rest": ("ALERT_RATE_SECONDS",),
}
"""By test the settings that it holds."""


def test_every_setting_has_a_test_that_holds_it() -> None:
    held = [name for names in COUNTS.values() for name in names]
    assert sorted(held) == sorted(django_settings.LIVE_SETTINGS)


def test_the_test_that_holds_a_setting_changes_it() -> None:
    for name, held in COUNTS.items():
        source = inspect.getsource(import_string(name))
        assert not [one for one in held if one not in source], name


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


def test_posters_that_people_bring(library: Library, as_alice: Client) -> None:
    file = take_in(library, PNG, "a.mp4").file
    Original.objects.filter(pk=file.original_id).update(kind="video")

    def answered() -> int:
        path = f"/api/libraries/{library.pk}/files/{file.pk}/poster/upload"
        return as_alice.post(path, {"file": SimpleUploadedFile("a.jpg", b"no picture" * 150_000)}).status_code

    assert answered() == 400
    put(POSTER_MAX_BYTES=1024**2)
    assert answered() == 413


def test_sharing_ends_for_the_whole_server(
    library: Library, alice: User, as_alice: Client, client: Client
) -> None:
    """The links that were given away shut at once, and open again."""
    Library.objects.filter(pk=library.pk).update(sharing=True)
    file = take_in(library, PNG, "film.mp4").file
    moment = Moment.objects.create(file=file, name="Waves", start=1, end=4, created_by=alice)
    path = f"/api/libraries/{library.pk}/files/{file.pk}/moments/{moment.pk}/shares"

    def made() -> Any:
        return as_alice.post(path, {}, "application/json")

    token = made().json()["token"]
    doors = [f"/s/{token}", f"/api/share/{token}"]
    assert [client.get(door).status_code for door in doors] == [200, 200]
    put(SHARING_ENABLED=False)
    assert [client.get(door).status_code for door in doors] == [404, 404]
    refused = made()
    assert (refused.status_code, refused.json()["code"]) == (409, "sharing_off")
    put(SHARING_ENABLED=True)
    assert [client.get(door).status_code for door in doors] == [200, 200]


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
