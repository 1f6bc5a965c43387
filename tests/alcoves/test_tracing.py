"""One trace from the request through the queue to the steps of the worker, as a collector sees it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from django.test import Client

from alcoves import tracing
from alcoves.accounts.models import AccessToken, User
from media.models import Derivative, Library
from tests.alcoves.collector import Collector, Seen, running_collector
from tests.makers import make_image
from tests.workers import Process, answers, free_port, run_python, running_worker, wait_until

NUMBER = re.compile(r"[0-9a-f]{32}")
THEIRS: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = {"traceparent": f"00-{THEIRS}-b7ad6b7169203331-01", "x-request-id": "1" * 32}


@pytest.mark.django_db
def test_every_answer_has_a_number(client: Client, db: None, settings: Any) -> None:
    for address in ("/login", "/api/_auth/session", "/nothing", "/api/libraries"):
        answer = client.get(address)
        assert NUMBER.fullmatch(answer["X-Trace-ID"]), address
        assert answer["X-Trace-ID"] == answer["X-Request-ID"]
    settings.TRUST_REQUEST_IDS = True
    given = client.get("/login", headers={"x-request-id": "abc-12345678", "x-trace-id": "1" * 32})
    assert given["X-Request-ID"] == "abc-12345678"
    assert NUMBER.fullmatch(given["X-Trace-ID"])
    assert given["X-Trace-ID"] != "1" * 32, "Nobody chooses it by that header."
    assert given["X-Trace-ID"] == client.get("/x", headers={"x-request-id": "abc-12345678"})["X-Trace-ID"]


def test_a_number_is_a_good_one() -> None:
    ours = "0199a3c4e5f60718293a4b5c6d7e8f90"
    assert tracing.number_of(ours) == ours
    for name in ("0" * 32, "abc-12345678", "A" * 32, ""):
        assert NUMBER.fullmatch(tracing.number_of(name))
        assert tracing.number_of(name) not in {name, "0" * 32}


def test_nothing_is_imported_where_nobody_collects(tmp_path: Path) -> None:
    done = run_python(
        "-c",
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'alcoves.settings.base'\n"
        "import django; django.setup()\n"
        "import sys; from alcoves import tracing\n"
        "with tracing.span('a'): pass\n"
        "assert tracing.headers() == {}; tracing.begin('a', 'server', {}, number='1').end()\n"
        # redis-py looks for what it could count with, wherever it is installed.
        "ours = ('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'opentelemetry.proto')\n"
        "print([name for name in sys.modules if name.startswith(ours)])",
        ALCOVES_DATA_PATH=str(tmp_path),
        DATABASE_URL="postgresql://nobody@localhost/none",
        REDIS_URL="redis://localhost:1/0",
        ALCOVES_SECRET_KEY="x" * 50,
    )
    assert done.stdout.strip() == "[]", done.stderr


@contextmanager
def running_web(folder: Path, **extra: str) -> Iterator[str]:
    port = free_port()
    arguments = ["-m", "uvicorn", "alcoves.asgi:application", "--port", str(port), "--lifespan", "off"]
    process = Process([*arguments, "--no-access-log"], folder, **extra)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 60, "web")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill_all()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.mark.django_db(transaction=True)
def test_one_trace_from_the_request_to_the_last_step(
    collector: Collector, library: Library, alice: User, tmp_path: Path
) -> None:
    _, token = AccessToken.issue(alice, "traces")
    soon = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    both = {**soon, "ALCOVES_TEST_REAL_DERIVERS": "metadata preview"}
    content = make_image(tmp_path / "lake.jpg", size=(400, 300)).read_bytes()
    with running_web(tmp_path, **both) as web, running_worker(tmp_path, **both):
        answer = httpx.post(
            f"{web}/api/libraries/{library.pk}/files",
            files={"file": ("lake.jpg", content, "image/jpeg")},
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
        )
        assert answer.status_code in {200, 201}, answer.text
        number = answer.headers["x-trace-id"]
        wait_until(lambda: Derivative.objects.filter(deriver="preview", status="ready").exists())
        wait_until(lambda: len(derived(collector, number)) == 2, 30, "the spans of both runs")
        wait_until(lambda: collector.of(number) and request_of(collector, number), 30, "the request's span")

        refused = httpx.get(f"{web}/api/libraries/{library.pk}", timeout=30)
        assert refused.status_code in {401, 403}
        wait_until(lambda: request_of(collector, refused.headers["x-trace-id"]), 30, "the refused one")

        stranger = httpx.get(f"{web}/login", headers=PARENT, timeout=30)
        assert stranger.headers["x-trace-id"] not in {THEIRS, PARENT["x-request-id"]}

    spans = collector.of(number)
    assert number == answer.headers["x-request-id"], "The request gives its trace the number."
    assert not any(token in str(one) or "lake.jpg" in str(one.attributes) for one in spans)
    request = request_of(collector, number)
    assert request is not None
    assert request.name == "POST api/libraries/<uuid:library_id>/files"
    assert request.attributes["http.response.status_code"] == answer.status_code
    hang_together(spans, request, derived(collector, number))


def hang_together(spans: list[Seen], request: Seen, runs: list[Seen]) -> None:
    assert {one.service for one in spans} == {"alcoves"}
    by_id = {one.span: one for one in spans}
    for run in runs:
        task = by_id[run.parent]
        assert task.name == "run media.derive"
        steps = {one.name for one in spans if one.parent == task.span}
        assert {"claim", "derive", "store", "finish"} <= steps
        assert reaches(task, request, by_id), "The task hangs on the request, or on the run that planned it."
    assert {one.attributes["alcoves.deriver"] for one in runs} == {"metadata", "preview"}
    assert any(one.name == "storage.put" for one in spans)


def derived(collector: Collector, number: str) -> list[Seen]:
    finished = {one.parent for one in collector.of(number) if one.name == "finish"}
    return [one for one in collector.of(number) if one.name == "derive" and one.parent in finished]


def request_of(collector: Collector, number: str) -> Seen | None:
    found = [one for one in collector.of(number) if "http.route" in one.attributes]
    return found[0] if found else None


def reaches(span: Seen, wanted: Seen, by_id: dict[str, Seen]) -> bool:
    at: Seen | None = span
    while at is not None and at is not wanted:
        at = by_id.get(at.parent)
    return at is wanted


def test_a_proxy_that_is_trusted_goes_before_us(collector: Collector, db: None, tmp_path: Path) -> None:
    trusting = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "ALCOVES_TRUST_REQUEST_IDS": "true"}
    with running_web(tmp_path, **trusting) as web:
        joined = httpx.get(f"{web}/login", headers=PARENT, timeout=30)
        assert joined.headers["x-trace-id"] == THEIRS
        assert joined.headers["x-request-id"] == PARENT["x-request-id"]


def test_a_collector_that_is_away_costs_no_answer(db: None, tmp_path: Path) -> None:
    with running_web(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as web:
        for _ in range(3):
            assert httpx.get(f"{web}/login", timeout=30).status_code == 200
