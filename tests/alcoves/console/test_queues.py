"""Queues and workers in the console, by the API and by the command: who may, what is told, what is refused."""

import json
from dataclasses import replace
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_celery_results.models import TaskResult

from alcoves.accounts.models import User
from alcoves.accounts.roles import AUDITOR, OPERATOR
from alcoves.console import upkeep
from alcoves.wording import spoken
from media import audit, backlog, controls, dispatch, workers
from media.models import AuditEntry, Control, Derivative, Library, WorkerReport
from media.models.audit import Via
from media.workers import Report, Running
from tests.conftest import client_of
from tests.derivers import TABLE
from tests.ingesting import take_in
from tests.staffing import member

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def olga() -> User:
    return member(OPERATOR, "olga@example.org")


@pytest.fixture
def anna() -> User:
    return member(AUDITOR, "anna@example.org")


@pytest.fixture
def operator(client: Client, olga: User) -> Client:
    client.force_login(olga)
    return client


def report(name: str, *running: Running, **values: Any) -> Report:
    now = timezone.now().timestamp()
    made = Report(
        name=name,
        lane="all",
        host="left",
        pid=7,
        version="1",
        began=now - 100,
        seen=now,
        slots=4,
        running=running,
    )
    return replace(made, **values)


def tell(one: Report) -> None:
    workers.write(one)
    workers.tell(one)


def put(library: Library, count: int, settings: Any) -> None:
    settings.DERIVERS = {"echo": TABLE["echo"]}
    for number in range(count):
        take_in(library, PNG + number.to_bytes(2, "big"), f"{number}.png")


@pytest.mark.parametrize(
    "page", ["queues", "workers", "upkeep", "queues/live", "workers/live", "upkeep/live"]
)
def test_pages_are_for_staff(client: Client, alice: User, operator: Client, page: str) -> None:
    assert operator.get(f"/admin/{page}").status_code == 200
    stranger = Client()
    assert stranger.get(f"/admin/{page}").status_code == 302
    stranger.force_login(alice)
    assert stranger.get(f"/admin/{page}").status_code in {302, 403, 404}


@pytest.mark.parametrize(
    ("page", "form"),
    [
        ("queues", {"act": "pause", "name": "heavy", "reason": "x"}),
        ("queues", {"act": "resume", "name": "heavy"}),
        ("queues", {"act": "slots", "name": "heavy", "slots": "2"}),
        ("workers", {"act": "drain", "name": "all@left", "reason": "x"}),
        ("upkeep", {"name": "sweep-blobs", "sure": "yes"}),
    ],
)
def test_who_only_looks_changes_nothing(anna: User, client: Client, page: str, form: dict[str, str]) -> None:
    tell(report("all@left"))
    client.force_login(anna)
    shown = client.get(f"/admin/{page}")
    assert shown.status_code == 200
    assert b'<form method="post" action="/admin/' not in shown.content
    assert client.post(f"/admin/{page}", form).status_code == 403
    assert not Control.objects.exists()
    assert not TaskResult.objects.exists()


def test_pausing_and_resuming(operator: Client, olga: User) -> None:
    form = {"act": "pause", "name": "metadata", "reason": "the <disk> is slow"}
    shown = operator.post("/admin/queues", form, follow=True).content.decode()
    assert "metadata is paused" in shown
    assert "the &lt;disk&gt; is slow" in shown
    assert controls.orders().queues == {"metadata"}
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.via) == ("queue.pause", olga, Via.CONSOLE)
    shown = operator.post(
        "/admin/queues", {"act": "resume", "name": "metadata"}, follow=True
    ).content.decode()
    assert "metadata goes on" in shown
    assert controls.orders() == controls.Orders()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"act": "pause", "name": "metadata", "reason": "  "}, "Say why"),
        ({"act": "pause", "name": "nothing", "reason": "x"}, "No queue or lane is named nothing"),
        ({"act": "slots", "name": "heavy", "slots": "many"}, "write a whole number"),
        ({"act": "slots", "name": "heavy", "slots": "65"}, "from 1 to 64"),
        ({"act": "slots", "name": "metadata", "slots": "2"}, "No lane is named metadata"),
        ({"act": "explode", "name": "heavy"}, "nothing else was done"),
    ],
)
def test_bad_orders_are_told(operator: Client, form: dict[str, str], said: str) -> None:
    assert said in operator.post("/admin/queues", form, follow=True).content.decode()
    assert controls.orders() == controls.Orders()


def test_slots_by_the_page(operator: Client) -> None:
    operator.post("/admin/queues", {"act": "slots", "name": "heavy", "slots": "3"})
    assert controls.orders().slots == {"heavy": 3}
    operator.post("/admin/queues", {"act": "slots", "name": "heavy", "slots": ""})
    assert controls.orders().slots == {}


def test_what_waits_is_told(
    operator: Client, library: Library, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        put(library, 3, settings)
    tell(report("all@left", Running("media.derive", "1", "metadata", 1.0)))
    found = {queue.name: queue for queue in backlog.find().queues}
    assert (found["metadata"].depth, found["metadata"].rows, found["metadata"].running) == (3, 3, 1)
    assert (found["metadata"].age or 0) >= 0
    assert (found["thumbnail"].rows, found["thumbnail"].oldest) == (0, None)
    html = json.loads(operator.get("/admin/queues/live").content)["html"]
    assert "metadata" in html
    assert "csrfmiddlewaretoken" in html


def test_a_pause_over_all_is_told(operator: Client) -> None:
    controls.pause_all(reason="a restore")
    shown = operator.get("/admin/queues").content.decode()
    assert "All lanes are paused" in shown
    assert "a restore" in shown


OURS = (
    *("media_control", "media_workerreport", "media_derivative", "media_tally", "media_auditentry"),
    "django_celery_results",
)
"""What the middleware asks for beside, once in a while, does not count."""


def test_the_pages_cost_the_same_for_many(
    operator: Client, library: Library, settings: Any, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def cost(page: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            assert operator.get(page).status_code == 200
        return sum(any(table in one["sql"] for table in OURS) for one in caught)

    put(library, 3, settings)
    counts = {}
    for many in (3, 30):
        for number in range(many):
            rows = list(Derivative.objects.all()[:3])
            running = tuple(
                Running("media.derive", str(n), "metadata", 1.0, str(row.pk)) for n, row in enumerate(rows)
            )
            tell(report(f"all@{number}", *running))
            for _ in range(many):
                audit.note(upkeep.ACTION, by=audit.COMMAND, text="x", work="prewarm", task=str(uuid4()))
        counts[many] = [cost(f"/admin/{page}/live") for page in ("queues", "workers", "upkeep")]
    assert counts[3] == counts[30]
    assert 2 <= min(counts[3]) <= max(counts[3]) <= 5


def test_workers_and_what_they_do(operator: Client, library: Library, settings: Any) -> None:
    put(library, 1, settings)
    row = Derivative.objects.get()
    Derivative.objects.update(progress=40)
    tell(
        report(
            "all@a/b", Running("media.derive", "1", "metadata", timezone.now().timestamp() - 65, str(row.pk))
        )
    )
    tell(report("heavy@gone", lane="heavy", seen=timezone.now().timestamp() - 100))
    shown = operator.get("/admin/workers").content.decode()
    assert f"/admin/media/derivative/{row.pk}/change/" in shown
    assert "40 %" in shown
    assert "1 min 5 s" in shown
    assert shown.index("all@a/b") < shown.index("heavy@gone")
    assert ">offline<" in shown


def test_draining_and_releasing(operator: Client) -> None:
    tell(report("all@a/b"))
    assert (
        "Say why"
        in operator.post("/admin/workers", {"act": "drain", "name": "all@a/b"}, follow=True).content.decode()
    )
    form = {"act": "drain", "name": "all@a/b", "reason": "a new disk"}
    shown = operator.post("/admin/workers", form, follow=True).content.decode()
    assert "takes nothing new" in shown
    assert "a new disk" in shown
    assert controls.orders().drained == {"all@a/b"}
    shown = operator.post(
        "/admin/workers", {"act": "release", "name": "all@a/b"}, follow=True
    ).content.decode()
    assert "takes work again" in shown
    form["name"] = "nobody"
    assert "No worker is named nobody" in operator.post("/admin/workers", form, follow=True).content.decode()
    assert (
        "nothing else was done" in operator.post("/admin/workers", {"act": "x"}, follow=True).content.decode()
    )


def test_reports_fade_and_rows_stay() -> None:
    tell(report("all@left", draining=True))
    dispatch.redis_client().flushdb()
    [found] = workers.find()
    assert (found.state, found.live, found.running) == ("draining", False, ())
    WorkerReport.objects.update(seen_at=timezone.now() - workers.OFFLINE)
    assert workers.find()[0].state == "offline"
    controls.drain("all@left", by=audit.COMMAND)
    WorkerReport.objects.update(seen_at=timezone.now() - workers.FORGOTTEN)
    assert workers.forget_gone() == 0
    controls.undrain("all@left", by=audit.COMMAND)
    assert workers.forget_gone() == 1


def test_a_report_of_another_version_is_read() -> None:
    tell(report("all@left", Running("media.derive", "1", "metadata", 1.0)))
    key = workers.PREFIX + "all@left"
    content = json.loads(dispatch.redis_client().get(key))
    content["running"][0]["colour"] = content["mood"] = "new"
    del content["memory"]
    dispatch.redis_client().set(key, json.dumps(content))
    [found] = workers.find()
    assert (found.live, found.memory, found.running[0].task) == (True, 0, "media.derive")


def test_two_of_one_name_are_noticed() -> None:
    mine = report("all@left", began=timezone.now().timestamp() - 60)
    assert workers.twin_of(mine) is None
    tell(mine)
    assert workers.twin_of(mine) is None
    tell(replace(mine, pid=8))
    twin = workers.twin_of(mine)
    assert twin is not None
    assert twin.pid == 8
    assert workers.twin_of(replace(mine, began=timezone.now().timestamp())) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3665, "1 h 1 min"),
        (90000, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_times_in_words(seconds: float | None, said: str) -> None:
    assert spoken(seconds) == said


# The API.


def test_the_api_looks_and_steers(olga: User) -> None:
    client = client_of(olga)
    tell(report("all@a/b", Running("media.derive", "1", "metadata", 1.0)))
    told = client.get("/api/admin/queues").json()
    assert len(told["queues"]) == 13
    assert [lane["name"] for lane in told["lanes"]] == ["interactive", "standard", "heavy", "maintenance"]
    told = client.post(
        "/api/admin/queues/heavy/pause", {"reason": "hot"}, content_type="application/json"
    ).json()
    assert told["lanes"][2]["pause"]["reason"] == "hot"
    assert client.post("/api/admin/queues/heavy/resume").json()["lanes"][2]["pause"] is None
    told = client.put("/api/admin/lanes/heavy/slots", {"slots": 2}, content_type="application/json").json()
    assert told["lanes"][2]["orderedSlots"] == 2
    [worker] = client.get("/api/admin/workers").json()
    assert (worker["name"], worker["state"], worker["running"][0]["task"]) == (
        "all@a/b",
        "alive",
        "media.derive",
    )
    [worker] = client.post("/api/admin/workers/all@a/b/drain", {}, content_type="application/json").json()
    assert (worker["state"], worker["drain"]["by"]) == ("draining", str(olga))
    assert client.post("/api/admin/workers/all@a/b/release").json()[0]["drain"] is None
    assert set(AuditEntry.objects.values_list("via", flat=True)) == {Via.API}
    assert AuditEntry.objects.count() == 5


STEERING = [
    ("post", "queues/heavy/pause"),
    ("post", "queues/heavy/resume"),
    ("put", "lanes/heavy/slots"),
    ("post", "workers/all@left/drain"),
    ("post", "workers/all@left/release"),
]


@pytest.mark.parametrize(("method", "path"), [("get", "queues"), ("get", "workers"), *STEERING])
def test_the_api_is_not_there_for_members(as_alice: Client, method: str, path: str) -> None:
    assert getattr(as_alice, method)(f"/api/admin/{path}").status_code == 404
    assert getattr(Client(), method)(f"/api/admin/{path}").status_code in {401, 403}


@pytest.mark.parametrize(("method", "path"), STEERING)
def test_the_api_refuses_who_only_looks(anna: User, method: str, path: str) -> None:
    client = client_of(anna)
    assert client.get("/api/admin/queues").status_code == 200
    assert getattr(client, method)(f"/api/admin/{path}").status_code == 404
    assert not Control.objects.exists()


def test_the_api_refuses_bad_input(olga: User) -> None:
    client = client_of(olga)
    as_json: Any = {"content_type": "application/json"}
    assert client.post("/api/admin/queues/nothing/pause", {}, **as_json).status_code == 404
    assert (
        client.put(
            "/api/admin/lanes/nothing/slots", {"slots": 2}, content_type="application/json"
        ).status_code
        == 404
    )
    for slots in (0, 65, "x"):
        answer = client.put("/api/admin/lanes/heavy/slots", {"slots": slots}, content_type="application/json")
        assert (answer.status_code, "slots" in answer.json()["fields"]) == (400, True)
    long = {"reason": "x" * 300}
    assert (
        client.post("/api/admin/queues/heavy/pause", long, content_type="application/json").status_code == 400
    )
    assert client.post("/api/admin/workers/nobody/drain", {}, **as_json).status_code == 404
    assert not Control.objects.exists()


# The command.


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("queues", *arguments, stdout=out)
    return out.getvalue()


def test_the_command() -> None:
    tell(report("all@left"))
    assert "heavy is paused" in run("pause", "heavy", "--reason", "hot")
    assert "all@left takes nothing new" in run("drain", "all@left")
    assert "heavy has 2 slots" in run("slots", "heavy", "2")
    listed = run("list")
    assert "hot" in listed
    assert "all@left" in listed
    assert "heavy goes on" in run("resume", "heavy")
    assert "was not paused" in run("resume", "heavy")
    assert "takes work again" in run("release", "all@left")
    assert "environment" in run("slots", "heavy", "default")
    assert "Nothing held all lanes" in run("resume", "all")
    controls.pause_all(reason="a restore", by=audit.COMMAND)
    assert "All lanes go on" in run("resume", "all")
    assert controls.orders() == controls.Orders()
    assert set(AuditEntry.objects.values_list("via", flat=True)) == {Via.COMMAND}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause", "nothing"), "No queue or lane is named nothing"),
        (("drain", "nobody"), "No worker is named nobody"),
        (("slots", "heavy", "many"), "write a whole number"),
        (("slots", "heavy", "99"), "from 1 to 64"),
    ],
)
def test_the_command_refuses(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(*arguments)
