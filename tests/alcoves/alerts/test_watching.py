"""Who checks: a worker that beat asks, and web and beat themselves where no worker is left."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.utils import timezone

from alcoves.alerts import checking, pulses, tasks, watching
from alcoves.alerts.models import Alert, Pulse
from ml.models import Download
from tests.alcoves.alerts.sinks import HookSink
from tests.alcoves.alerts.troubling import SECRET
from tests.workers import Process, database_url, free_port, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
WATCHING = "tests.alcoves.alerts.watching_settings"


def surroundings(sink: HookSink) -> dict[str, str]:
    return {
        "ALCOVES_ALERT_WEBHOOK_URL": sink.url,
        "ALCOVES_ALERT_WEBHOOK_SECRET": SECRET,
        "ALCOVES_ALERT_WEBHOOK_LOOPBACK": "true",
        "ALCOVES_ALERT_RATE_SECONDS": "0",
    }


def trouble() -> None:
    Download.objects.create(
        pipeline="faces", model="m", name="m.onnx", state="failed", error="The mirror is away."
    )


def keys_told(sink: HookSink) -> set[str]:
    return {one["key"] for told in sink.told() for one in told["data"]["troubles"]}


def test_a_round_finds_keeps_and_tells(hook: HookSink) -> None:
    trouble()
    tasks.check()
    assert "model:m.onnx" in keys_told(hook)
    assert Alert.objects.get(key="model:m.onnx").told_at is not None
    assert pulses.heard(pulses.CHECK) is not None
    assert tasks.deliver() == 0


def test_only_one_process_checks_at_a_time(hook: HookSink) -> None:
    trouble()
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [checking.LOCK])
        assert checking.check() is False
        assert not Alert.objects.exists()
    assert checking.check() is True
    assert Alert.objects.filter(key="model:m.onnx").exists()


def test_the_watch_checks_only_where_nobody_has_for_long(hook: HookSink) -> None:
    watch = watching.Watch(pause=1, silence=180, tells=True)
    trouble()
    watch.look()
    watch.look()
    assert hook.calls == []
    Pulse.objects.update(at=timezone.now() - timedelta(seconds=181))
    watch.look()
    assert "model:m.onnx" in keys_told(hook)
    before = len(hook.calls)
    watch.look()
    assert len(hook.calls) == before


def test_that_postgres_is_away_is_told_once_and_its_end_too(
    hook: HookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(name: str) -> Any:
        raise OperationalError("the connection is refused")

    watch = watching.Watch(pause=1, silence=180, tells=True)
    quiet = watching.Watch(pause=1, silence=180, tells=False)
    with monkeypatch.context() as patch:
        patch.setattr(pulses, "heard", away)
        for _ in range(2 * watching.AWAY_ROUNDS):
            watch.look()
            quiet.look()
    assert [told["data"]["troubles"][0]["key"] for told in hook.told()] == ["part:postgres"]
    watch.look()
    watch.look()
    assert [len(told["data"]["well"]) for told in hook.told()] == [0, 1]


def test_a_hook_that_is_away_then_hears_of_postgres_later(
    hook: HookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(name: str) -> Any:
        raise OperationalError("the connection is refused")

    hook.statuses = [500, 500]
    watch = watching.Watch(pause=1, silence=180, tells=True)
    monkeypatch.setattr(pulses, "heard", away)
    for _ in range(watching.AWAY_ROUNDS + 5):
        watch.look()
    assert len(hook.calls) == 3


def test_a_worker_checks_when_it_is_asked(hook: HookSink, tmp_path: Path) -> None:
    trouble()
    with running_worker(tmp_path, **surroundings(hook)):
        tasks.check.delay()
        wait_until(lambda: "model:m.onnx" in keys_told(hook), 60, "the worker tells the hook")


def test_the_web_process_tells_of_troubles_when_no_worker_is_left(hook: HookSink, tmp_path: Path) -> None:
    trouble()
    port = str(free_port())
    arguments = ["-m", "uvicorn", "alcoves.asgi:application", "--port", port, "--lifespan", "off"]
    web = Process(arguments, tmp_path, DJANGO_SETTINGS_MODULE=WATCHING, **surroundings(hook))
    try:
        wait_until(lambda: "model:m.onnx" in keys_told(hook) or web.popen.poll() is not None, 60, web.text())
        assert web.popen.poll() is None, web.text()
    finally:
        web.kill_all()
    assert pulses.heard(pulses.BEAT) is None


def test_beat_gives_signs_of_life_and_checks_when_no_worker_is_left(hook: HookSink, tmp_path: Path) -> None:
    trouble()
    schedule = str(tmp_path / "schedule")
    arguments = ["-m", "celery", "-A", "alcoves", "beat", "--schedule", schedule, "--pidfile", ""]
    beat = Process(arguments, tmp_path, DJANGO_SETTINGS_MODULE=WATCHING, **surroundings(hook))
    try:
        wait_until(lambda: "model:m.onnx" in keys_told(hook), 60, "beat checks")
        wait_until(lambda: pulses.heard(pulses.BEAT), 90, "beat has sent something")
        assert beat.popen.poll() is None, beat.text()
    finally:
        beat.kill_all()
