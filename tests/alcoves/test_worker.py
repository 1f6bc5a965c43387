"""The worker's own threads: the watchdog that ends it, the port that tells of it, the command that starts it."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from alcoves import worker_http
from tests.workers import Process, database_url, free_port, niceness, run_python, running_worker, wait_until

STUCK = """
import os, time
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.worker_settings"
import django; django.setup()
from alcoves import worker, scheduling
now = time.monotonic()
scheduling.pulse.update({hub!r})
scheduling.pulse.update({{name: now - age for name, age in scheduling.pulse.items()}})
watchdog = worker.Watchdog()
watchdog.awake -= {slept}
watchdog()
print("lives on")
"""


@pytest.mark.parametrize(
    ("ages", "slept", "code"),
    [
        ({"hub": 1, "last_poll": 1}, 5, 0),
        ({"hub": 100, "last_poll": 100}, 5, 70),
        ({"hub": 1, "last_poll": 100}, 5, 70),
        pytest.param({"hub": 100, "last_poll": 100}, 90, 0, id="the machine stood still"),
    ],
)
def test_a_worker_that_stopped_looking_for_work_ends_itself(
    db: None, ages: dict[str, int], slept: int, code: int
) -> None:
    done = run_python(
        "-c",
        STUCK.format(hub=ages, slept=slept),
        DATABASE_URL=database_url(),
        REDIS_URL=settings.REDIS_URL,
        PYTHONPATH=".",
    )
    assert done.returncode == code, done.stderr
    assert ("lives on" in done.stdout) == (code == 0)


def test_a_broker_that_is_away_is_no_reason_to_end(db: None) -> None:
    done = run_python(
        "-c",
        STUCK.format(hub={"hub": 100, "last_poll": 100}, slept=5),
        DATABASE_URL=database_url(),
        REDIS_URL="unix:///nowhere/redis.sock",
        PYTHONPATH=".",
    )
    assert "lives on" in done.stdout, done.stderr


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.django_db(transaction=True)
def test_the_port_of_a_worker(tmp_path: Path) -> None:
    with running_worker(tmp_path) as worker:
        base = f"http://127.0.0.1:{worker.port}"
        assert get(f"{base}/healthz")[0] == 200
        status, body = get(f"{base}/readyz")
        parts = json.loads(body)["parts"]
        assert status == 200, body
        assert {"postgres", "redis", "ffmpeg"} <= set(parts)
        assert any("files" in name for name in parts)
        wait_until(lambda: b'alcoves_reconciled_total{reason="resent"}' in get(f"{base}/metrics")[1], 10)
        assert get(f"{base}/etc/passwd")[0] == 404


@pytest.mark.parametrize(
    ("consumes", "idle", "expected"),
    [(False, 0.0, (503, "starting")), (True, 1.0, (200, "ok")), (True, 60.0, (503, "stuck"))],
)
def test_a_worker_is_well_once_it_consumes(consumes: bool, idle: float, expected: tuple[int, str]) -> None:
    port = free_port()
    with worker_http.serving(port, lambda: idle, 60.0, consumes=lambda: consumes):
        status, body = get(f"http://127.0.0.1:{port}/healthz")
    assert (status, json.loads(body)["status"]) == expected


@pytest.mark.django_db(transaction=True)
def test_a_worker_without_a_broker_is_still_starting(tmp_path: Path) -> None:
    port = free_port()
    process = Process(
        ["manage.py", "worker"], tmp_path, WORKER_METRICS_PORT=str(port), REDIS_URL="redis://127.0.0.1:1/0"
    )
    try:
        wait_until(lambda: "Cannot connect" in process.text(), 30, "the word that the broker is away")
        assert get(f"http://127.0.0.1:{port}/healthz")[0] == 503
        assert process.popen.poll() is None
    finally:
        process.kill_all()


def test_a_taken_port_is_one_line(db: None, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        done = run_python(
            *("manage.py", "worker"),
            DJANGO_SETTINGS_MODULE="tests.worker_settings",
            DATABASE_URL=database_url(),
            REDIS_URL=settings.REDIS_URL,
            ALCOVES_DATA_PATH=str(tmp_path),
            WORKER_METRICS_PORT=str(port),
            PYTHONPATH=".",
        )
    assert done.returncode != 0
    assert f"port {port} of 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db(transaction=True)
def test_lanes_are_processes_that_are_started_again_and_leave_nothing(tmp_path: Path) -> None:
    with running_worker(tmp_path, "--lanes", "interactive,heavy") as supervisor:
        wait_until(lambda: "All lanes consume" in supervisor.text())
        first = lane_pids(supervisor)
        assert len(first) == 2
        assert sorted(os.getpriority(os.PRIO_PROCESS, pid) for pid in first) == [niceness(), niceness(10)]
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: len(set(lane_pids(supervisor)) - set(first)) == 1, 30)
        supervisor.signal(signal.SIGTERM)
        assert supervisor.popen.wait(30) == 0
        assert not lane_pids(supervisor)


def lane_pids(supervisor: Process) -> list[int]:
    """The workers' main processes: children of the supervisor that run a lane."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if b"--lane" in words and parent == supervisor.popen.pid:
            found.append(int(folder.name))
    return sorted(found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lanes", "fast"], "No lane is named fast"),
        (["--lanes", ","], "No lane is named"),
        (["--lane", "fast"], "invalid choice"),
    ],
)
def test_a_wrong_lane_is_told(db: None, arguments: list[str], said: str) -> None:
    done = run_python(
        *("manage.py", "worker", *arguments),
        DJANGO_SETTINGS_MODULE="tests.worker_settings",
        DATABASE_URL=database_url(),
        REDIS_URL=settings.REDIS_URL,
        PYTHONPATH=".",
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_only_serves_refuses_to_work(db: None, tmp_path: Path) -> None:
    done = run_python(
        *("manage.py", "worker"),
        DJANGO_SETTINGS_MODULE="tests.worker_settings",
        DATABASE_URL=database_url(),
        REDIS_URL=settings.REDIS_URL,
        ALCOVES_MODE="server",
        ALCOVES_DATA_PATH=str(tmp_path),
        PYTHONPATH=".",
    )
    assert done.returncode != 0
    assert "ALCOVES_MODE" in done.stderr


def test_settings_of_celery_are_those_that_were_measured(settings: Any) -> None:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert options["queue_order_strategy"] == "alcoves.scheduling:CappedCycle"
    assert options["priority_steps"] == [0]
    assert settings.CELERY_WORKER_PREFETCH_MULTIPLIER == 1
    assert settings.CELERY_WORKER_DISABLE_PREFETCH is True
    assert settings.CELERY_TASK_ACKS_LATE is True
    assert settings.CELERY_TASK_REJECT_ON_WORKER_LOST is False
    assert (settings.LEASE_SECONDS, settings.RECONCILE_SECONDS) == (20, 15)


def test_a_worker_loads_the_web_part_for_no_checks_whose_answers_nobody_sees(tmp_path: Path) -> None:
    told = run_python(
        "-c",
        "import sys; from alcoves.worker_environment import prepare; prepare(); import os;"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'alcoves.settings.base'; import django; django.setup();"
        "from alcoves.celery import app; app.loader.import_default_modules(); print('alcoves.urls' in sys.modules)",
        ALCOVES_DATA_PATH=str(tmp_path),
        DATABASE_URL="postgresql://nobody@localhost/none",
        REDIS_URL="redis://localhost:1/0",
        ALCOVES_SECRET_KEY="x" * 50,
    )
    assert told.stdout.strip().endswith("False"), told.stderr
