"""What a scrape gets: the numbers of the dead, figures that fail alone, all workers by one address, and who may ask."""

import os
import subprocess  # noqa: TID251  A test has real processes that count and end.
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from alcoves import figures, metrics, scraping
from alcoves.accounts.models import User
from alcoves.figures import Figure, Figures
from alcoves.metrics import exposition
from alcoves.metrics.figures import FILES
from media import live, workers
from tests.workers import PROJECT, free_port, running_worker, wait_until

FAR: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.9"}

COUNT = """
import sys
from alcoves import metrics
metrics.SWEPT.inc(3)
metrics.JOB_SECONDS.labels("echo").observe(2)
metrics.BACKGROUND_SUCCESS.labels("a").set(float(sys.argv[1]))
metrics.RECONCILIATION.set(float(sys.argv[1]))
metrics.HTTP_IN_PROGRESS.labels("api").inc()
print("counted", flush=True)
sys.stdin.read()
"""


def values(text: str, name: str) -> dict[str, float]:
    """Samples by their labels."""
    return {
        ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def counting(folder: Path, number: int) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(
        [sys.executable, "-c", COUNT, str(number)],
        env=environment,
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.communicate("")
    assert process.returncode == 0


def test_what_the_dead_have_counted_stays_and_their_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(exposition.FOLDER, str(tmp_path))
    for number in (1, 2, 3):
        end(counting(tmp_path, number))
    lives = counting(tmp_path, 2)
    try:
        for _ in range(3):
            text = exposition.render().decode()
            assert values(text, "alcoves_swept_blobs_total") == {"": 12}
            assert values(text, "alcoves_job_seconds_sum") == {"deriver=echo": 8}
            assert values(text, "alcoves_job_seconds_count") == {"deriver=echo": 4}
            assert values(text, "alcoves_background_task_last_success_timestamp_seconds") == {"task=a": 3}
            assert values(text, "alcoves_storage_reconciliation_status") == {"": 2}
            assert values(text, "alcoves_http_requests_in_progress") == {"area=api": 1}
        owners = {path.stem.rpartition("_")[2] for path in tmp_path.glob("*.db")}
        assert owners == {str(lives.pid), exposition.GONE}
    finally:
        end(lives)
    assert values(exposition.render().decode(), "alcoves_swept_blobs_total") == {"": 12}


def samples(figure: Figures) -> dict[str, list[Any]]:
    return {metric.name: metric.samples for metric in figure.collect()}


def test_one_figure_that_fails_blanks_no_other(db: None) -> None:
    def broken() -> Iterator[figures.Sample]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column")
        yield FILES, ("x",), 1

    def slow() -> Iterator[figures.Sample]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
        yield FILES, ("y",), 1

    before = {name: metrics.SCRAPE_ERRORS.labels(name)._value.get() for name in ("broken", "slow", "wrong")}

    def wrong() -> Iterator[figures.Sample]:
        yield FILES, ("z",), 1 / 0

    asked = {"broken": broken, "slow": slow, "files": figures.files, "wrong": wrong}
    collector = Figures([Figure(name, question) for name, question in asked.items()])
    found = samples(collector)
    assert {sample.labels["state"] for sample in found["alcoves_files"]} == {"live", "trashed", "held"}
    for name, count in before.items():
        assert metrics.SCRAPE_ERRORS.labels(name)._value.get() == count + 1
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "0", "The limit ends with the figure."


def test_figures_are_worked_out_once_in_a_while(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def count() -> Iterator[figures.Sample]:
        asked.append(1)
        yield FILES, ("x",), len(asked)

    collector = Figures([Figure("count", count)])
    for _ in range(5):
        assert samples(collector)["alcoves_files"][0].value == 1
    monkeypatch.setattr(figures, "KEPT_SECONDS", 0.0)
    assert samples(collector)["alcoves_files"][0].value == 2


def test_those_whose_turn_does_not_come_are_first_the_next_time(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "TURN_SECONDS", -1.0)
    monkeypatch.setattr(figures, "KEPT_SECONDS", 0.0)
    collector = Figures([Figure("files", figures.files)])
    assert samples(collector) == {}
    monkeypatch.setattr(figures, "TURN_SECONDS", 5.0)
    assert "alcoves_files" in samples(collector)


def test_scrapes_ask_few_questions(db: None, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(40):
        assert Figures().ask()


class Strange(BaseHTTPRequestHandler):
    """A worker that answers anything."""

    server: Any

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while block := self.server.block():
                self.wfile.write(block)
        except OSError:
            return

    def log_message(self, message: str, *args: Any) -> None:
        """Nothing: pytest shows what matters."""


@pytest.fixture
def strange() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Strange)
    server.daemon_threads = True
    server.ended = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()


@pytest.mark.django_db(transaction=True)
def test_all_workers_by_one_address(
    tmp_path: Path, settings: Any, strange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by its own report, one by the settings, one that is not there, one that never ends."""
    monkeypatch.setattr(figures, "KEPT_SECONDS", 0.0)
    strange.block = lambda: "" if strange.ended.wait(0.01) else b"# nothing\n"
    with running_worker(tmp_path) as worker:
        wait_until(lambda: any(one.metrics for one in workers.find()), 30, "the worker's report")
        settings.METRICS_TARGETS = [
            f"gone=127.0.0.1:{free_port()}",
            f"strange=127.0.0.1:{strange.server_port}",
            f"mine=127.0.0.1:{worker.port}",
        ]
        text = Client().get("/metrics/all").content.decode()
        assert values(text, "alcoves_scrape_up") == {"worker=gone": 0, "worker=mine": 1, "worker=strange": 0}
        settings.METRICS_TARGETS = []
        text = Client().get("/metrics/all").content.decode()
        (name,) = [one.name for one in workers.find()]
        assert values(text, "alcoves_scrape_up") == {f"worker={name}": 1}
    build = values(text, "alcoves_build_info")
    assert {key.rpartition("worker=")[2] for key in build} == {"web", name}
    assert values(text, "alcoves_workers")["status=alive"] == 1
    assert text.count("# TYPE alcoves_jobs_total ") <= 1
    assert text.count("# TYPE alcoves_db_query_duration_seconds ") == 1


def test_an_answer_that_is_too_long_or_nonsense_counts_as_none(
    strange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "LARGEST", 1000)
    strange.block = lambda: b"x" * 600
    assert scraping.ask(f"127.0.0.1:{strange.server_port}") == ""
    assert scraping.ask("no such host:1") == ""
    assert scraping.families_of("a{b 1") == []


@pytest.mark.parametrize("path", ["/metrics", "/metrics/all"])
def test_both_are_for_this_machine_staff_and_the_token(path: str, client: Client, db: None) -> None:
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 405
    assert client.get(path, **FAR).status_code == 404
    client.force_login(User.objects.create_user("user@example.org"))
    assert client.get(path, **FAR).status_code == 404
    client.force_login(User.objects.create_superuser("root@example.org"))
    assert client.get(path, **FAR).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/metrics/all"])
def test_operators_open_and_close_them_at_run_time(path: str, client: Client, db: None) -> None:
    try:
        live.suppose({"METRICS_AUTH": False})
        assert client.get(path, **FAR).status_code == 200
        live.suppose({"METRICS_ENABLED": False})
        assert client.get(path).status_code == 404
    finally:
        live.forget()
