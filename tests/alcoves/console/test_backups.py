"""The pages of backups: who may see and do what, what bad input says, what is written to the audit log."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from alcoves.accounts.models import User
from alcoves.backup import maintenance, sets, targets, tasks
from alcoves.backup.models import Backup, Check, Finding, Look
from media import audit, controls, epochs, orphans
from media.models import AuditEntry, SweepHold, UnnamedBlob
from storage.registry import get_store

PAGE = "/admin/backups"


def staff(email: str, *roles: str, superuser: bool = False) -> Client:
    user: Any = User.objects.create_user(email, "staff-password-1", is_staff=True, is_superuser=superuser)
    user.groups.set(Group.objects.filter(name__in=roles))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def own_place(settings: Any, tmp_path: Any) -> None:
    settings.DATA_PATH = tmp_path / "data"
    settings.BACKUP_PATH = tmp_path / "data" / "backups"
    settings.BACKUP_PASSPHRASE = ""
    maintenance.known.forget()


@pytest.fixture
def operator(db: None) -> Client:
    return staff("op@example.org", "operator")


@pytest.fixture
def boss(db: None) -> Client:
    return staff("boss@example.org", superuser=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Messages that were sent to workers."""
    found: list[tuple[str, Any]] = []
    for name in ("make", "check", "look", "mend", "restore"):

        def apply(args: Any, more: Any = None, _name: str = name, **_: Any) -> None:
            found.append((_name, (*args, more) if more else args))

        monkeypatch.setattr(getattr(tasks, name), "apply_async", apply)
    return found


def told(client: Client, data: dict[str, Any], page: str = PAGE) -> str:
    answer = client.post(page, data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_backup_is_asked_for(operator: Client, sent: Any) -> None:
    assert "begins as soon as" in told(operator, {"act": "make", "target": "local", "blobs": "originals"})
    row = Backup.objects.get()
    assert sent == [("make", (str(row.pk),))]
    entry = AuditEntry.objects.get(action="backup.make")
    assert (entry.via, entry.actor_name) == ("console", "op@example.org")
    assert "Another backup is being made" in told(
        operator, {"act": "make", "target": "local", "blobs": "none"}
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"act": "make", "target": "local", "blobs": "some"}, "Choose which bytes"),
        ({"act": "make", "target": "/etc", "blobs": "none"}, "no backup target named /etc"),
        ({"act": "check", "backup": "none"}, "no finished backup of that name"),
        ({"act": "maintenance", "on": "yes", "reason": " "}, "Say why"),
        ({"act": "look", "repair": "on"}, "Say that you are sure"),
        ({"act": "stop", "kind": "cache", "row": "x", "sure": "yes"}, "a backup, a check or a look"),
        ({"act": "stop", "kind": "look", "row": "x", "sure": "yes"}, "has ended already"),
        ({"act": "remove", "backup": "none", "sure": "yes"}, "no finished backup of that name"),
        ({"act": "dance"}, "This page can make"),
    ],
)
def test_bad_input_is_told(operator: Client, sent: Any, data: dict[str, str], sentence: str) -> None:
    assert sentence in told(operator, data)
    assert sent == []


def test_who_may(sent: Any, operator: Client) -> None:
    auditor = staff("look@example.org", "auditor")
    assert auditor.get(PAGE).status_code == 200
    assert b"Back up now" not in auditor.get(PAGE).content
    for data in (
        {"act": "make", "target": "local", "blobs": "none"},
        {"act": "maintenance", "on": "no"},
        {"act": "stop", "kind": "look", "row": "x", "sure": "yes"},
        {"act": "remove", "backup": "x", "sure": "yes"},
    ):
        assert auditor.post(PAGE, data).status_code == 403
    assert auditor.get(f"{PAGE}/manifest?backup=x").status_code == 403
    assert operator.get(f"{PAGE}/manifest?backup=x").status_code == 404
    for client in (auditor, operator):
        assert client.get(f"{PAGE}/restore").status_code == 403
        assert client.post(f"{PAGE}/restore", {"set": "x"}).status_code == 403
    assert Client().get(PAGE).status_code == 302
    assert Client().post(f"{PAGE}/restore").status_code == 302
    assert sent == []


def test_checks_and_looks_are_asked_for(
    operator: Client, sent: Any, django_capture_on_commit_callbacks: Any
) -> None:
    row = Backup.objects.create(name="20260311-030000-abcdef", target="local", state="done")
    with django_capture_on_commit_callbacks(execute=True):
        told(operator, {"act": "check", "backup": row.name})
        told(operator, {"act": "look", "deep": "on"})
    look = Look.objects.get()
    assert look.deep
    assert not look.repair
    assert [name for name, _ in sent] == ["check", "look"]
    assert AuditEntry.objects.filter(action__in=("backup.verify", "blobs.verify")).count() == 2


def test_two_clicks_ask_for_one_check_and_one_look(operator: Client, sent: Any) -> None:
    row = Backup.objects.create(name="20260311-030000-abcdef", target="local", state="done")
    told(operator, {"act": "check", "backup": row.name})
    assert "is being verified already" in told(operator, {"act": "check", "backup": row.name})
    told(operator, {"act": "look"})
    assert "looks at the blobs already" in told(operator, {"act": "look"})
    assert (Check.objects.count(), Look.objects.count()) == (1, 1)
    page = operator.get(PAGE).content.decode()
    assert "Verified backups" in page


def test_what_is_under_way_is_stopped(operator: Client, sent: Any) -> None:
    about = {"state": "running", "holder": "another 1 1", "alive_at": timezone.now()}
    backup = Backup.objects.create(name="20260311-030000-abcdef", target="local", **about)
    whole = Backup.objects.create(name="20260310-030000-abcdef", target="local", state="done")
    rows: dict[str, Any] = {
        "backup": backup,
        "check": Check.objects.create(backup=whole, **about),
        "look": Look.objects.create(**about),
    }
    page = operator.get(PAGE).content.decode()
    for kind, row in rows.items():
        assert f'id="stop-{kind}-{row.pk}"' in page
        given = {"act": "stop", "kind": kind, "row": str(row.pk)}
        assert "Say that you are sure" in told(operator, given)
        row.refresh_from_db()
        assert row.state == "running"
        assert "ends within seconds" in told(operator, {**given, "sure": "yes"})
        row.refresh_from_db()
        assert (row.state, row.holder) == ("stopped", "")
        assert "op@example.org" in row.error
        assert "has ended already" in told(operator, {**given, "sure": "yes"})
    acts = ("backup.stop", "backup.verify.stop", "blobs.verify.stop")
    assert AuditEntry.objects.filter(action__in=acts, actor_name="op@example.org").count() == 3
    assert sent == []


def test_work_is_stopped_in_maintenance_too(operator: Client) -> None:
    """Members wait outside, and somebody wants them back in."""
    about = {"state": "running", "holder": "another 1 1", "alive_at": timezone.now()}
    row = Look.objects.create(**about)
    told(operator, {"act": "maintenance", "on": "yes", "reason": "Moving."})
    maintenance.known.forget()
    told(operator, {"act": "stop", "kind": "look", "row": str(row.pk), "sure": "yes"})
    row.refresh_from_db()
    assert row.state == "stopped"
    maintenance.end(by=audit.COMMAND)


@pytest.mark.django_db(transaction=True)
def test_a_set_is_removed(operator: Client, settings: Any) -> None:
    for _ in range(2):
        call_command("backup", to="local", no_blobs=True)
    store = targets.by_name("local").store
    first, last = Backup.objects.order_by("pk")
    page = operator.get(PAGE).content.decode()
    assert f'id="remove-{last.name}"' in page
    given = {"act": "remove", "backup": last.name}
    assert "Say that you are sure" in told(operator, given)
    assert [head.name for head in sets.heads(store)] == [last.name]  # Of one day the last is kept.
    assert "is removed" in told(operator, {**given, "sure": "yes"})
    assert sets.heads(store) == []
    last.refresh_from_db()
    assert last.pruned_at is not None
    entry = AuditEntry.objects.get(action="backup.remove")
    assert (entry.actor_name, entry.target_name) == ("op@example.org", last.name)
    for name in (last.name, first.name):
        assert "no finished backup" in told(operator, {**given, "backup": name, "sure": "yes"})
    assert AuditEntry.objects.filter(action="backup.remove").count() == 1


def test_the_last_whole_set_is_said_to_be_the_last(operator: Client) -> None:
    now = timezone.now()
    Backup.objects.create(name="one", target="local", state="done", finished_at=now)
    text = "It is the last one that is whole"
    assert text in operator.get(PAGE).content.decode()
    Backup.objects.create(name="two", target="local", state="done", finished_at=now)
    assert text not in operator.get(PAGE).content.decode()


def test_maintenance_is_turned(operator: Client) -> None:
    assert "Maintenance is on" in told(operator, {"act": "maintenance", "on": "yes", "reason": "Moving."})
    maintenance.known.forget()
    assert "Moving." in operator.get(PAGE).content.decode()
    assert "Maintenance is off" in told(operator, {"act": "maintenance", "on": "no"})


def test_nothing_is_asked_of_workers_that_rest(operator: Client, boss: Client, sent: Any) -> None:
    told(operator, {"act": "maintenance", "on": "yes", "reason": "Moving."})
    maintenance.known.forget()
    Backup.objects.create(name="20260311-030000-abcdef", target="local", state="done")
    for data in (
        {"act": "make", "target": "local", "blobs": "none"},
        {"act": "check", "backup": "20260311-030000-abcdef"},
        {"act": "look"},
    ):
        assert "Workers rest while maintenance is on" in told(operator, data)
    page = f"{PAGE}/restore"
    assert "Workers rest" in boss.get(page).content.decode()
    given = {"target": "local", "set": "20260311-030000-abcdef", "name": "127.0.0.1:8000"}
    assert "give manage.py restore on the server" in told(boss, given, page)
    assert sent == []
    assert Backup.objects.count() == 1
    assert not Look.objects.exists()
    assert not AuditEntry.objects.filter(action__in=("backup.make", "backup.restore")).exists()
    told(operator, {"act": "maintenance", "on": "no"})
    maintenance.known.forget()
    controls.pause("maintenance", by=audit.COMMAND)
    assert "The maintenance lane is paused" in told(operator, {"act": "look"})
    assert "The maintenance lane is paused" in told(boss, given, page)
    assert sent == []


@pytest.mark.django_db(transaction=True)
def test_a_restore_is_asked_for_by_name(boss: Client, sent: Any) -> None:
    call_command("backup", to="local", no_blobs=True)
    name = Backup.objects.get().name
    assert name in boss.get(f"{PAGE}/restore?target=local").content.decode()
    page = f"{PAGE}/restore"
    assert "Nothing was done" in told(boss, {"target": "local", "set": name, "name": "wrong"}, page)
    assert "There is no set" in told(boss, {"target": "local", "set": "x", "name": "127.0.0.1:8000"}, page)
    assert sent == []
    told(boss, {"target": "local", "set": name, "name": "127.0.0.1:8000"}, page)
    [(task, given)] = sent
    asked = ("local", name, "boss@example.org", "127.0.0.1:8000", epochs.current())
    assert (task, given) == ("restore", (*asked, {"with_losses": False}))
    assert AuditEntry.objects.get(action="backup.restore").target_id == ""
    manifest = boss.get(f"{PAGE}/manifest?backup={name}")
    assert manifest.status_code == 200
    assert manifest.getvalue() == b""


@pytest.mark.django_db(transaction=True)
def test_a_set_that_lacks_blobs_is_restored_where_that_is_asked_for(boss: Client, sent: Any) -> None:
    call_command("backup", to="local", no_blobs=True)
    given = {"target": "local", "set": Backup.objects.get().name, "name": "127.0.0.1:8000", "losses": "yes"}
    assert 'name="losses"' in boss.get(f"{PAGE}/restore?target=local").content.decode()
    told(boss, given, f"{PAGE}/restore")
    assert sent[0][1][-1] == {"with_losses": True}
    assert AuditEntry.objects.get(action="backup.restore").detail["losses"] is True


def test_the_sweeper_goes_on_after_a_restore_when_somebody_says_so(operator: Client) -> None:
    data = {"act": "sweep", "sure": "yes"}
    assert "Nothing is held after a restore" in told(operator, data)
    SweepHold.objects.hold(orphans.RESTORED, ("files",), orphans.GRACE)
    assert "Nothing is swept since the last restore" in operator.get(PAGE).content.decode()
    assert "Say that you are sure" in told(operator, {"act": "sweep"})
    auditor = staff("look@example.org", "auditor")
    assert auditor.post(PAGE, data).status_code == 403
    assert SweepHold.objects.exists()
    assert "The sweeper goes on" in told(operator, data)
    assert not SweepHold.objects.exists()
    assert AuditEntry.objects.get(action="sweep.let_go").actor_name == "op@example.org"


def test_findings_are_repaired_and_ignored(
    operator: Client, sent: Any, django_capture_on_commit_callbacks: Any
) -> None:
    page = "/admin/backup/finding/"
    rows = [
        Finding.objects.create(
            kind="orphaned", what="blob", store="files", key=f"a/b/{number}", seen_at="2026-01-01T00:00Z"
        )
        for number in range(2)
    ]
    assert operator.get(page).status_code == 200
    for row, act in zip(rows, ("ignore", "repair"), strict=True):
        given = {"action": act, "_selected_action": [str(row.pk)]}
        assert f"{act.capitalize()} 1 finding?" in operator.post(page, given).content.decode()
        row.refresh_from_db()
        assert row.state == "open"
        with django_capture_on_commit_callbacks(execute=True):
            operator.post(page, {**given, "sure": "yes"})
    states = dict(Finding.objects.values_list("key", "state"))
    assert states == {"a/b/0": "ignored", "a/b/1": "repairing"}
    [(task, (keys, actor))] = sent
    assert (task, keys) == ("mend", [str(rows[1].pk)])
    assert not UnnamedBlob.objects.exists()
    tasks.mend(keys, actor)
    tasks.mend(keys, actor)
    assert Finding.objects.get(key="a/b/1").state == "repaired"
    assert UnnamedBlob.objects.filter(key="a/b/1").count() == 1
    actions = list(AuditEntry.objects.values_list("action", flat=True))
    assert {"findings.repair", "findings.ignore"} <= set(actions)
    assert actions.count("findings.repaired") == 1
    told_of = AuditEntry.objects.get(action="findings.repaired")
    assert (told_of.actor_name, told_of.detail["keys"]) == ("op@example.org", ["a/b/1"])
    auditor = staff("look@example.org", "auditor")
    auditor.post(page, {"action": "reopen", "_selected_action": [str(rows[0].pk)]})
    assert Finding.objects.get(key="a/b/0").state == "ignored"


def test_many_backups_cost_no_more_queries(
    operator: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    operator.get(PAGE)
    for number in range(30):
        Backup.objects.create(name=f"set-{number}", target="local", state="done")
        Look.objects.create(state="done")
        if number in {2, 29}:
            with CaptureQueriesContext(
                connection,
            ) as seen:
                assert operator.get(PAGE).status_code == 200
            counts.append(len(seen))
    assert counts[0] == counts[1]


def test_the_stores_are_not_written_to(operator: Client) -> None:
    operator.get(PAGE)
    assert list(get_store("files").iterate()) == []


def test_looking_at_the_page_writes_nothing_and_tells_of_the_dead(operator: Client) -> None:
    """The page asks every few seconds, from each window. Who died is kept as killed by the tick alone."""
    Backup.objects.create(name="one", target="local", state="running", holder="elsewhere 1 1", phase="blobs")
    Backup.objects.update(updated_at=timezone.now() - timedelta(days=1))
    with CaptureQueriesContext(connection) as captured:
        shown = operator.get(reverse("admin:backups-live")).json()["html"]
    assert [one["sql"] for one in captured if one["sql"].split()[0] in {"UPDATE", "INSERT", "DELETE"}] == []
    assert ">killed</span>" in shown
    assert Backup.objects.get().state == "running"
    tasks.tick()
    assert Backup.objects.get().state == "killed"
