"""Every metric that is declared moves when something happens that it tells of: a table of acts, and what each moves.

A metric without a line in the table fails the last test. Acts are real: uploads, runs, a worker, a mirror, a model.
What is compared are looks at the exposition, before the act, within it and after it: never a sum over all labels, and
never what an earlier test has left behind.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import psycopg
import pytest
import redis
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import REGISTRY

from alcoves import asgi_cold, figures, health, metrics, redis_clients
from alcoves.backup import writing
from alcoves.backup.errors import BackupError
from alcoves.celery import app
from alcoves.metrics.figures import FAMILIES
from media import audit, blobs, evicting, imagecache, orphans, pictures, prewarm, reconcile
from media.images.recipes import Recipe
from media.models import CachedImage, Derivative, File, Library, UnnamedBlob, uuid7
from ml.downloads import flow
from ml.registry import table
from ml.runtime.client import onnx_model
from storage.errors import StoreAccessError, StoreFullError, StoreUnavailableError
from storage.registry import build, get_store
from tests.conftest import client_of
from tests.derivers import TABLE as DERIVERS
from tests.docs.reading import PROJECT
from tests.ingesting import run_queued, take_in
from tests.makers import make_image, make_video
from tests.ml.downloads.conftest import installation, mirror  # noqa: F401  Fixtures.
from tests.ml.graphs import plain
from tests.ml.runtime.conftest import own_host  # noqa: F401  A fixture.
from tests.workers import Process, database_url, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PREFIX: Final = "alcoves_"


@dataclass
class World:
    """What an act needs. Fixtures are made when an act asks for them."""

    request: pytest.FixtureRequest
    folder: Path
    settings: Any
    others: tuple[str, ...] = ()
    """Where else the numbers of this act are told: the ports of workers."""
    looks: list["Samples"] = field(default_factory=list)
    """Everything that was told, each time somebody looked."""

    @property
    def library(self) -> Library:
        found: Library = self.request.getfixturevalue("library")
        return found

    @property
    def owner(self) -> Client:
        return client_of(self.request.getfixturevalue("alice"))

    def picture(self, name: str = "lake.jpg", size: tuple[int, int] = (400, 300)) -> File:
        return take_in(self.library, make_image(self.folder / name, size=size), name).file

    def look(self) -> "Samples":
        """All samples, here and there."""
        texts = [metrics.render([figures.Figures()]).decode()]
        texts += [httpx.get(f"{address}/metrics", timeout=30).text for address in self.others]
        return self.saw(*texts)

    def saw(self, *texts: str) -> "Samples":
        self.looks.append(samples_of(*texts))
        return self.looks[-1]


Samples = dict[tuple[str, str, frozenset[tuple[str, str]]], float]
"""By metric, sample (a histogram has two without its buckets) and labels. Those of several processes are added up."""


def samples_of(*texts: str) -> Samples:
    found: Samples = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            for sample in family.samples:
                if not sample.name.endswith(("_bucket", "_created")):
                    key = (name, sample.name, frozenset(sample.labels.items()))
                    found[key] = found.get(key, 0) + sample.value
    return found


def moved(looks: list[Samples], metric: str, labels: dict[str, str]) -> bool:
    """One sample of it, with these labels, was told as two values. What is not told is 0."""
    keys = {
        key for look in looks for key in look if key[0] == metric and labels.items() <= dict(key[2]).items()
    }
    return any(len({look.get(key, 0) for look in looks}) > 1 for key in keys)


Act = Callable[[World], None]
TABLE: dict[str, str] = {}
"""By metric the act that moves it."""
ACTS: dict[str, Act] = {}
LABELS: dict[str, list[dict[str, str]]] = {}
"""By metric the labels, each of which must have moved."""
ALSO: dict[str, list[tuple[str, list[dict[str, str]]]]] = {}
"""By act, more labels of metrics that stand in the table with another one."""


def moves(*names: str, **labels: list[dict[str, str]]) -> Callable[[Act], Act]:
    """Metrics by their names; those of `labels` have to move with each of these."""

    def enter(act: Act) -> Act:
        ACTS[act.__name__] = act
        TABLE.update({PREFIX + name: act.__name__ for name in (*names, *labels)})
        LABELS.update({PREFIX + name: list(wanted) for name, wanted in labels.items()})
        return act

    return enter


def also(metric: str, labels: list[dict[str, str]]) -> Callable[[Act], Act]:
    """What an act moves of a metric that is another act's."""

    def enter(act: Act) -> Act:
        ALSO.setdefault(act.__name__, []).append((PREFIX + metric, labels))
        return act

    return enter


def each(label: str, *values: str) -> list[dict[str, str]]:
    return [{label: value} for value in values]


@moves(
    *("http_seconds", "upload_bytes_total", "db_query_duration_seconds", "redis_operations_total"),
    *("storage_operation_duration_seconds", "storage_bytes_written_total", "storage_bytes_read_total"),
    *("queue_size", "queue_oldest_age_seconds"),
    http_requests_total=each("status", "201"),
    uploads_total=each("outcome", "new"),
    db_queries_total=each("operation", "select", "insert"),
    storage_operations_total=each("operation", "put", "open"),
    files=each("state", "live"),
    storage_bytes=each("kind", "image"),
    derivatives=each("status", "queued"),
    queue_tasks=each("state", "due"),
)
def upload(world: World) -> None:
    world.settings.DERIVERS = {"faces": "tests.derivers.FaceDeriver"}
    content = make_image(world.folder / "a.png").read_bytes()
    client = world.owner
    address = f"/api/libraries/{world.library.pk}/files"
    answer = client.post(address, {"file": SimpleUploadedFile("a.png", content, "image/png")})
    assert answer.status_code in {200, 201}, answer.content
    row = Derivative.objects.get()
    Derivative.objects.update(queued_at=timezone.now() - timedelta(minutes=1))
    app.send_task("media.derive", args=(str(row.pk),), queue=row.queue)
    with get_store("files").open(row.original.key) as stored:
        assert stored.read() == content


@also("http_seconds", each("method", "GET"))
@moves(http_requests_in_progress=each("area", "metrics"))
def look_at_metrics(world: World) -> None:
    """The request for them is one that is under way."""
    world.saw(Client().get("/metrics").content.decode())


@also("redis_operations_total", each("result", "error"))
@also("http_requests_total", each("status", "503"))
@moves(readiness_failures_total=each("check", "redis"))
def lose_redis(world: World) -> None:
    world.settings.REDIS_URL = "redis://127.0.0.1:1/0"
    health.readiness = health.Readiness()
    assert Client().get("/readyz").status_code == 503
    with pytest.raises(redis.RedisError):
        redis_clients.connect(world.settings.REDIS_URL).ping()


@moves(
    "job_seconds", "queue_wait_seconds", "worker_jobs_completed_total", jobs_total=each("outcome", "ready")
)
def run_a_job(world: World) -> None:
    world.picture()
    assert run_queued(1) == 1


@also("jobs_total", [*each("outcome", "failed", "not_needed")])
@moves()
def run_jobs_that_do_not_end_well(world: World) -> None:
    world.settings.DERIVERS = {"fussy": DERIVERS["fussy"]}
    for width, mood in ((400, "permanent"), (500, "unneeded")):
        file = world.picture(f"{width}.jpg", (width, 300))
        Derivative.objects.filter(original=file.original).update(parameters={"mood": mood})
    run_queued()


@also("queue_oldest_age_seconds", each("queue", "metadata", "thumbnail", "imageproxy"))
@moves()
def leave_people_waiting(world: World) -> None:
    original = world.picture().original
    for queue in ("metadata", "thumbnail", "imageproxy"):
        since = timezone.now() - timedelta(hours=1)
        Derivative.objects.create(
            original=original, deriver="echo", variant=queue, queue=queue, queued_at=since
        )


@also("reconciled_total", each("reason", "quarantined"))
@moves()
def die_of_a_file(world: World) -> None:
    world.settings.LEASE_SECONDS = 1
    world.picture()
    past = timezone.now() - timedelta(minutes=1)
    Derivative.objects.update(
        status="processing", lease_owner="dead@here", lease_expires_at=past, started_at=past, lost_claims=99
    )
    assert reconcile.reconcile() is not None


@also(
    "storage_operations_total",
    each("result", "store_full", "store_unavailable", "store_access", "error"),
)
@moves()
def lose_the_store(world: World) -> None:
    """Stores that are full, lie where nobody may write, and are not there; and a sender that breaks off."""
    for error, options, chunks in (
        (StoreFullError, {"root": world.folder / "full", "min_free_bytes": 1 << 60}, [b"x"]),
        (StoreAccessError, {"root": Path("/sys/alcoves")}, [b"x"]),
        (StoreUnavailableError, {"root": world.folder / ("x" * 300)}, [b"x"]),
        (RuntimeError, {"root": world.folder / "sound"}, breaking_off()),
    ):
        about = {"BACKEND": "storage.local.LocalStore", "OPTIONS": {"secret": "a-secret", **options}}
        with pytest.raises(error):
            build("files", about).put("a/b", chunks)


def breaking_off() -> Iterator[bytes]:
    yield b"x"
    raise RuntimeError("The line is dead.")


@moves("ffmpeg_speed_ratio")
def make_a_film_playable(world: World) -> None:
    world.settings.DERIVERS = {
        name: world.settings.DERIVERS[name] for name in ("metadata", "hover", "proxy", "proxy-part")
    }
    film = make_video(world.folder / "a.mkv", seconds=1, codec="libx265", size=(64, 48))
    take_in(world.library, film, "a.mkv")
    run_queued()
    assert Derivative.objects.filter(deriver="proxy", status="ready").exists()


@moves(
    "reconciled_total",
    queue_metrics_sync_failures_total=each("source", "database"),
    scrape_errors_total=each("figure", "ledger"),
)
def fall_and_be_taken_up(world: World) -> None:
    world.picture()
    Derivative.objects.update(published_at=None)
    found = reconcile.reconcile()
    assert found is not None
    assert found.resent
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("ALTER TABLE media_derivative RENAME TO elsewhere")
    try:
        figures.asked(next(one for one in figures.FIGURES if one.name == "ledger"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO media_derivative")


@moves("db_query_retries_total")
def cut_the_database(world: World) -> None:
    file = world.picture()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    connection.close_at = None  # As in a web process, whose connections last.
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert asgi_cold.find(world.library.pk, file.pk) is not None


@moves(
    *("image_cache_total", "image_cache_events_total", "image_asked_total", "image_results_total"),
    *("image_errors_total", "image_transforms_total", "image_transform_seconds"),
)
def ask_for_pictures(world: World) -> None:
    """Nobody makes them in time, and one is broken; then this process makes one."""
    good = world.picture()
    broken = take_in(world.library, (world.folder / "lake.jpg").read_bytes()[:3000], "broken.jpg").file
    run_queued()
    client = world.owner
    world.settings.IMAGE_WAIT_SECONDS = 0.1
    for file in (good, broken):
        address = f"/api/files/proxy/{world.library.pk}/{file.pk}/a.jpg"
        client.get(address, {"width": "30", "height": "20"})
    (picture,) = pictures.live_pictures(good.original)
    from media import imagemaking

    imagemaking.make(picture, Recipe(30, 20, 80, "jpeg"))


@moves("evicted_images_total", "prewarmed_total")
def warm_and_evict(world: World) -> None:
    file = world.picture()
    run_queued()
    claims = prewarm.claim()
    assert [prewarm.warm(one) for one in claims]
    (picture,) = pictures.live_pictures(file.original)
    assert imagecache.keep(picture, Recipe(10, None, 50), b"x" * 1000) is not None
    CachedImage.objects.update(used_at=timezone.now() - timedelta(days=9))
    world.settings.IMAGE_CACHE_MAX_BYTES = 100
    assert evicting.evict().images


@moves(
    *("swept_blobs_total", "storage_reconciliation_status"),
    orphan_blobs_total=each("outcome", "entered"),
    missing_blobs_total=each("what", "original"),
)
def compare_the_store(world: World) -> None:
    file = world.picture()
    key, content = file.original.key, (world.folder / "lake.jpg").read_bytes()
    get_store("files").delete(key)
    get_store("files").put(f"{world.library.pk}/{uuid7()}", [b"x"])
    report = search()
    assert (report.lost_originals, report.entered) == (1, 1)
    assert reconciled() == 0
    world.look()
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(days=1))
    assert blobs.sweep()
    get_store("files").put(key, [content])
    assert search().lost_originals == 0
    assert reconciled() == 1


def reconciled() -> float:
    return next(iter(metrics.RECONCILIATION.collect())).samples[0].value


def search() -> orphans.Report:
    scan = orphans.Scan(before=timezone.now() + timedelta(minutes=1), force=True)
    at: orphans.Position | None = orphans.Position()
    while at is not None:
        at = scan.advance(at)
    return scan.report


@moves("model_seconds")
def ask_a_model(world: World) -> None:
    world.request.getfixturevalue("own_host")
    model = onnx_model(plain.doubling(world.folder / "a.onnx"))
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(model.run({"x": rows})["y"], rows * 2)


@moves("model_downloads_total", "model_download_bytes_total")
def download_a_model(world: World) -> None:
    world.request.getfixturevalue("installation")
    spec = table.find_model("sounds", "small")
    assert spec is not None
    assert flow.ensure(spec) is flow.Outcome.HERE


@moves(
    *("build_info", "worker_task_duration_seconds", "worker_heartbeat_age_seconds", "jobs_active"),
    *("background_task_duration_seconds", "db_connections_active"),
    worker_tasks_total=each("result", "ok", "failed"),
    worker_heartbeats_total=each("result", "kept"),
    workers=each("status", "alive"),
    background_task_errors_total=each("task", "media.find_orphans"),
    background_task_last_success_timestamp_seconds=each("task", "media.sweep_blobs", "media.find_orphans"),
)
def work(world: World) -> None:
    """A job under way whose lease is renewed, a sweep that ends well, and one that fails."""
    world.settings.DERIVERS = {"slow": "tests.derivers.SlowDeriver"}
    world.picture()
    app.send_task("media.sweep_blobs")
    app.send_task("media.find_orphans", kwargs={"no_such": 1})
    app.send_task("media.find_orphans")
    wait_until((world.folder / "starts").exists, 60, "the job is under way")

    with suppress(AssertionError):  # Whoever called this says what is missing.
        wait_until(lambda: not still(world, "work"), 30, "the worker counts")


@moves("scrape_up")
def scrape_everybody(world: World) -> None:
    world.settings.METRICS_TARGETS = [f"left={world.others[0].removeprefix('http://')}"]
    world.saw(Client().get("/metrics/all").content.decode())


@moves("disk_free_bytes", "disk_size_bytes")
def look_at_another_disk(world: World) -> None:
    world.settings.SCRATCH_PATH = Path("/dev/shm")


@moves(
    *("backup_last_success_timestamp_seconds", "backup_expected_age_seconds"),
    backups=each("state", "done", "running", "failed"),
)
def back_up(world: World) -> None:
    """One that stops half way and goes on, and one whose target is in the way."""
    world.settings.BACKUP_SCHEDULE = "daily"
    world.settings.DATA_PATH = world.folder / "data"
    world.settings.BACKUP_TARGETS = [f"shelf={world.folder / 'shelf'}", f"wall={world.folder / 'wall'}"]
    world.picture()
    row = writing.ask("shelf", "originals", by=audit.SYSTEM)
    assert not writing.make(row, seconds=0)
    world.look()
    while not writing.make(row, seconds=0):
        pass
    (world.folder / "wall").write_text("in the way")
    with pytest.raises(BackupError):
        writing.make(writing.ask("wall", "none", by=audit.SYSTEM))


WITH_WORKER: Final = {"work", "scrape_everybody"}


@contextmanager
def world_of(name: str, request: pytest.FixtureRequest, folder: Path, settings: Any) -> Iterator[World]:
    settings.RECONCILE_SECONDS = 3600
    if name not in WITH_WORKER:
        yield World(request, folder, settings)
        return
    with running_worker(folder, ALCOVES_STORAGE_PATH=str(folder / "stores")) as process:
        yield World(request, folder, settings, (address_of(process),))


def address_of(process: Process) -> str:
    return f"http://127.0.0.1:{process.port}"


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "readiness", health.readiness)


@pytest.mark.parametrize("name", sorted(ACTS))
def test_an_act_moves_its_metrics(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, settings: Any
) -> None:
    before = World(request, tmp_path, settings).look()
    with world_of(name, request, tmp_path, settings) as world:
        world.looks.append(before)
        ACTS[name](world)
        left = still(world, name)
    assert not left, f"{name} does not move {left}"


def still(world: World, name: str) -> list[str]:
    """What the act has not moved yet."""
    world.look()
    wanted = [(metric, LABELS.get(metric, [{}])) for metric, act in TABLE.items() if act == name]
    return [
        f"{metric} {labels or ''}"
        for metric, some in (*wanted, *ALSO.get(name, ()))
        for labels in some
        if not moved(world.looks, metric, labels)
    ]


def declared() -> set[str]:
    """By their names in the exposition."""
    names = set()
    for family in REGISTRY.collect():
        if family.name.startswith(PREFIX):
            names.add(f"{family.name}_total" if family.type == "counter" else family.name)
    return names | {family.name for family in FAMILIES}


def named_by_rules() -> set[tuple[str, str, str]]:
    """Metric, label and value, each that a rule of deploy/ asks for by name."""
    rules = yaml.safe_load((PROJECT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    found = set()
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        for name, matchers in re.findall(r"(alcoves_[a-z0-9_]+)\{([^}]*)\}", rule["expr"]):
            for label, values in re.findall(r'([a-z_]+)=~?"([^"]*)"', matchers):
                found |= {(name.removesuffix("_bucket"), label, value) for value in values.split("|")}
    return found


def test_each_value_that_a_rule_names_has_moved() -> None:
    """An alert that waits for a label that is never told is silent for ever."""
    known = [*LABELS.items(), *(one for some in ALSO.values() for one in some)]
    told = {(name, *pair) for name, some in known for labels in some for pair in labels.items()}
    left = {
        (name, label, value)
        for name, label, value in named_by_rules()
        if not any(one[:2] == (name, label) and re.fullmatch(value, one[2]) for one in told)
    }
    assert len(named_by_rules()) > 15
    assert left == set()


def test_every_declared_metric_has_an_act_and_no_other() -> None:
    assert declared() == set(TABLE)
