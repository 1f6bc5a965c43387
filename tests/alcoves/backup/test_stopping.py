"""A backup, a check or a look that somebody stops ends there, says so, and is not taken up again by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from alcoves.alerts import rules
from alcoves.backup import looking, sets, stopping, targets, tasks, verifying, writing
from alcoves.backup.errors import BackupError, LostError
from alcoves.backup.models import Backup, Check, Look, State
from media import audit
from media.models import AuditEntry, Library, SweepHold
from tests.alcoves.backup.making import fill

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""


def test_a_backup_under_way_ends_at_its_next_sign_of_life(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, run=False)
    send = writing.Writing.send_one

    def stopped_meanwhile(self: Any, *args: Any) -> None:
        stopping.stop(Backup, str(self.row.pk), by=audit.COMMAND)
        self.tick(at_once=True)
        send(self, *args)

    monkeypatch.setattr(writing.Writing, "send_one", stopped_meanwhile)
    with pytest.raises(CommandError, match="was stopped"):
        call_command("backup", blobs="originals")
    row = Backup.objects.get()
    assert (row.state, row.holder, row.error) == (State.STOPPED, "", f"Stopped by {audit.COMMAND.name}.")
    assert row.finished_at is not None
    assert not SweepHold.objects.exists()
    assert sets.heads(targets.get("shelf").store) == []
    entry = AuditEntry.objects.get(action="backup.stop")
    assert entry.target_id == str(row.pk)
    assert "backup:failed" not in {trouble.key for trouble in rules.check("backup")}
    monkeypatch.undo()


def test_one_that_waits_is_stopped_and_its_message_does_nothing(library: Library) -> None:
    fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    backup = writing.ask("shelf", "originals", by=audit.COMMAND)
    check = verifying.ask(Backup.objects.get(state="done"), by=audit.COMMAND)
    look = Look.objects.create()
    asked: tuple[tuple[Any, Any, Any], ...] = (
        (Backup, backup, tasks.make),
        (Check, check, tasks.check),
        (Look, look, tasks.look),
    )
    for model, row, task in asked:
        stopping.stop(model, str(row.pk), by=audit.COMMAND)
        task(str(row.pk))
        row.refresh_from_db()
        assert (row.state, row.started_at) == (State.STOPPED, None)
        with pytest.raises(BackupError, match="has ended already"):
            stopping.stop(model, str(row.pk), by=audit.COMMAND)
    assert writing.ask("shelf", "none", by=audit.COMMAND).state == State.QUEUED


def test_what_was_stopped_is_not_begun_again_by_itself(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    sent: list[str] = []
    for name in ("make", "check", "look"):
        monkeypatch.setattr(
            getattr(tasks, name), "apply_async", lambda *_, _name=name, **__: sent.append(_name)
        )
    settings.BACKUP_SCHEDULE, settings.BACKUP_HOUR = "daily", now.hour
    settings.VERIFY_DAYS, settings.VERIFY_HOUR = 30, now.hour
    Backup.objects.create(name="whole", target="shelf", state="done", finished_at=now)
    tasks.tick()
    assert sorted(sent) == ["check", "look", "make"]
    models: tuple[Any, ...] = (Backup, Check, Look)
    for model in models:
        stopping.stop(model, str(model.objects.latest("id").pk), by=audit.COMMAND)
    tasks.tick()
    tasks.tick()
    assert len(sent) == 3
    # The next night the pass is gone on with.
    Look.objects.update(finished_at=now - timedelta(hours=21))
    tasks.begin_night(now)
    assert sent[3:] == ["look"]


def test_who_has_lost_the_row_says_nothing_of_it(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has taken it up: it is neither failed under its hands, nor is the sweeper let go."""
    fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    begun: tuple[tuple[Any, Any, Any, str], ...] = (
        (writing.ask("shelf", "originals", by=audit.COMMAND), writing.make, writing.Writing, "go_on"),
        (
            verifying.ask(Backup.objects.get(state="done"), by=audit.COMMAND),
            verifying.verify,
            verifying.Verifying,
            "go_on",
        ),
        (Look.objects.create(), looking.look, looking.Looking, "go_on"),
    )
    for row, work, kind, method in begun:

        def taken(self: Any) -> bool:
            type(self.row).objects.filter(pk=self.row.pk).update(holder="another 1 1")
            self.tick(at_once=True)
            return True

        monkeypatch.setattr(kind, method, taken)
        with pytest.raises(BackupError) as told:
            work(row)
        assert isinstance(told.value.__cause__, LostError)
        row.refresh_from_db()
        assert (row.state, row.holder, row.error) == (State.RUNNING, "another 1 1", "")
    assert SweepHold.objects.filter(reason=f"backup {Backup.objects.get(state='running').name}").exists()
