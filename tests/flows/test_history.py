"""The history of jobs with real workers: one that is killed, and many jobs that are made anew by a task."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from alcoves.accounts.models import User
from media import audit, bulk, selecting
from media.libraries import create_library
from media.models import Attempt, AuditEntry, Derivative
from tests.derivers import TABLE
from tests.ingesting import take_in
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def test_a_worker_that_is_killed_is_told_as_lost(tmp_path: Path, settings: Any) -> None:
    settings.STORE_RESERVE_BYTES = 0
    settings.DERIVERS = {"slow": TABLE["slow"]}
    home = create_library(User.objects.create_user("owner@example.org", "owner-password"), "History")
    starts = tmp_path / "starts"
    with running_worker(tmp_path):
        take_in(home, PNG, "a.png")
        first = wait_until(lambda: starts.exists() and starts.read_text().split())[0]
        os.kill(int(first), signal.SIGKILL)
        (tmp_path / "go").touch()
        wait_until(lambda: Derivative.objects.filter(status="ready").exists(), 60)
    told = list(Attempt.objects.order_by("number").values_list("outcome", "worker", "process"))
    assert [outcome for outcome, _, _ in told] == ["lost", "ready"]
    assert told[0][2] == int(first)
    assert all(worker.startswith("all@") for _, worker, _ in told)


def test_many_jobs_are_made_anew_by_a_task(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STORE_RESERVE_BYTES = 0
    settings.DERIVERS = {"echo": TABLE["echo"]}
    monkeypatch.setattr(selecting, "BATCH", 2)
    home = create_library(User.objects.create_user("owner@example.org", "owner-password"), "History")
    with running_worker(tmp_path):
        for number in range(5):
            take_in(home, PNG + bytes([number]), f"{number}.png")
        wait_until(lambda: Derivative.objects.filter(status="ready").count() == 5, 60)
        task = bulk.act_on("reprocess", selecting.Selection(deriver="echo"), audit.SYSTEM).task
        assert task
        wait_until(lambda: Derivative.objects.filter(ready_version=2).count() == 5, 60)
        progress = wait_until(lambda: (now := bulk.progress(task)) and now.state == "done" and now, 30)
    assert (progress.done, progress.total) == (5, 5)
    assert AuditEntry.objects.filter(action="derivatives.reprocess").count() == 2
