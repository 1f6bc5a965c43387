"""The proxy before Flower: a small server of ours stands where Flower would. And Flower itself, with real workers."""

import inspect
import json
import re
import signal
import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.contrib.auth.models import Group
from django.test import Client

from alcoves import flowering
from alcoves.accounts.management.commands import flower as command
from alcoves.accounts.models import User
from alcoves.accounts.roles import AUDITOR, LIBRARIAN, OPERATOR
from alcoves.embedded.testing import Servers
from alcoves.queues import QUEUES
from alcoves.settings import urls
from media import audit, controls, imageproxy
from media.libraries import create_library
from tests.media.picturing import SMALL, picture_of, put_picture
from tests.workers import Process, free_port, running_worker, wait_until


class Echo(BaseHTTPRequestHandler):
    """Tells what it was asked."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode(),
        }
        content = json.dumps(told).encode()
        self.send_response(203)
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "_xsrf=flower")
        self.send_header("X-Umlaut", "h\xe4st")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_POST = do_HEAD = do_GET  # noqa: N815  The names of the parent.

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  As above.
        """Quiet."""


@pytest.fixture
def flower(settings: Any) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    settings.FLOWER_PORT = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def staff(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.org"))
    return client


def test_staff_only(flower: None, client: Client, alice: User) -> None:
    away = client.get("/flower/workers")
    assert (away.status_code, away["Location"]) == (302, "/login?next=/flower/workers")
    client.force_login(alice)
    assert client.get("/flower/").status_code == 404
    assert client.post("/flower/tasks/datatable").status_code == 404


def test_it_passes_on_what_it_may(flower: None, staff: Client) -> None:
    answer = staff.get("/flower/tasks?limit=5", headers={"x-test": "1", "authorization": "Basic eDp5"})
    told = json.loads(answer.getvalue())
    assert (answer.status_code, told["path"], told["headers"]["x-test"]) == (
        203,
        "/flower/tasks?limit=5",
        "1",
    )
    assert not {"cookie", "authorization"} & set(told["headers"])
    assert "Set-Cookie" not in answer
    assert "_xsrf" not in answer.cookies
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_only_the_table_is_asked_for_by_post(flower: None, staff: Client) -> None:
    told = json.loads(staff.post("/flower/tasks/datatable", {"draw": "1"}).getvalue())
    assert (told["method"], "draw" in told["body"]) == ("POST", True)
    for path in ("api/worker/shutdown/x", "api/task/revoke/x", "tasks/datatable/../../api/task/revoke/x", ""):
        refused = staff.post(f"/flower/{path}")
        assert refused.status_code == 403, path
        assert b"here for looking" in refused.content
    assert staff.delete("/flower/tasks").status_code == 403


def test_flower_away(staff: Client, settings: Any) -> None:
    settings.FLOWER_PORT = 1
    answer = staff.get("/flower/")
    assert answer.status_code == 502
    assert b"Flower does not answer" in answer.content


def test_flower_listens_on_loopback_and_changes_nothing() -> None:
    given = command.arguments("/data/flower", 5555)
    assert "--address=127.0.0.1" in given
    assert "--read_only=true" in given


@pytest.mark.parametrize(("role", "status"), [(OPERATOR, 203), (AUDITOR, 203), (LIBRARIAN, 404), ("", 404)])
@pytest.mark.django_db
def test_not_every_member_of_staff_may_look(flower: None, client: Client, role: str, status: int) -> None:
    person = User.objects.create_user("staff@example.org", "a-long-password")
    person.is_staff = True
    person.save()
    if role:
        person.groups.add(Group.objects.get(name=role))
    client.force_login(person)
    assert client.get("/flower/").status_code == status
    assert client.head("/flower/").status_code == status


def test_head_is_answered_without_a_body(flower: None, staff: Client) -> None:
    answer = staff.head("/flower/tasks")
    assert (answer.status_code, answer.content) == (203, b"")
    assert int(answer["Content-Length"]) > 10


def test_headers_that_are_not_ascii(flower: None, staff: Client) -> None:
    odd: Any = {"HTTP_X_ODD": "h\u00e4st \u65e5\u672c", "HTTP_X_H\u00c4ST": "1"}
    answer = staff.get("/flower/tasks", **odd)
    told = json.loads(answer.getvalue())
    assert (answer.status_code, told["headers"]["x-odd"]) == (203, "h\u00e4st ??")
    assert answer["X-Umlaut"] == "h\u00e4st"
    assert not any("h\u00e4st" in name for name in told["headers"])


def test_passwords_are_taken_out_of_what_workers_tell() -> None:
    told = {
        "broker": {"hostname": "socket://:se/cret@/run/redis.sock", "port": None},
        "queues": [{"name": "preview", "alias": ("redis://ann:secret@host:6379/0",)}],
        "plain": "a text with an @ and http://host/path?x=y@z",
    }
    assert flowering.without_passwords(told) == {
        "broker": {"hostname": "socket://***@/run/redis.sock", "port": None},
        "queues": [{"name": "preview", "alias": ["redis://***@host:6379/0"]}],
        "plain": "a text with an @ and http://host/path?x=y@z",
    }


TASKS = (
    "tasks/datatable?draw=1&start=0&length=200&search[value]=&order[0][column]=0&order[0][dir]=asc"
    "&columns[0][data]=name"
)
SECRETS = {"token", "url", "secret", "password", "passphrase", "key_file", "address", "cookie"}


def test_no_task_that_flower_sees_carries_a_secret() -> None:
    """What is sent in the arguments of a task is told in events, and shown by Flower to whoever may look."""
    current_app.loader.import_default_modules()
    ours = [task for name, task in current_app.tasks.items() if not name.startswith("celery.")]
    assert len(ours) > 15
    for task in ours:
        names = set(inspect.signature(task.run).parameters)
        assert not (names & SECRETS) or task.send_events is False, task.name


@pytest.mark.django_db
def test_the_message_of_a_picture_tells_its_token_in_the_body_alone(alice: User, tmp_path: Path) -> None:
    """Workers and Flower tell what headers say of the arguments. Whoever has the token could answer for the worker."""
    picture = picture_of(put_picture(create_library(alice, "Pictures"), tmp_path))
    message = json.loads(imageproxy.message_for(picture, SMALL, "canary-token"))
    assert "canary-token" in b64decode(message.pop("body")).decode()
    assert str(picture.original_id) in message["headers"]["argsrepr"]
    assert "canary-token" not in json.dumps(message)


@pytest.fixture
def guarded_redis(settings: Any) -> Iterator[str]:
    """A Redis of its own with a password. Yields its address, and is that of this process."""
    servers = Servers()
    servers.start_redis()
    try:
        with redis.Redis.from_url(servers.redis_url) as client:
            client.config_set("requirepass", "canary-password")
        yield servers.redis_url.replace("unix://", "unix://:canary-password@", 1)
    finally:
        servers.stop()


def send_messages(address: str) -> Counter[str]:
    """Each queue another number. Returns how many there are then: workers send for models by themselves."""
    counts = Counter({queue.name: place + 1 for place, queue in enumerate(QUEUES)})
    with current_app.connection_for_write(urls.broker(address)) as connection:
        for name, count in counts.items():
            for number in range(count):
                key = f"00000000-0000-0000-0000-{number:012}"
                current_app.send_task("media.derive", args=(key,), queue=name, connection=connection)
    with redis.Redis.from_url(address) as client:
        return Counter({name: client.llen(name) for name in counts})


@pytest.mark.django_db(transaction=True)
def test_flower_itself(guarded_redis: str, client: Client, tmp_path: Path, settings: Any) -> None:
    client.force_login(User.objects.create_superuser("root@example.org"))
    controls.pause_all(reason="so that the messages stay", by=audit.COMMAND)
    port = settings.FLOWER_PORT = free_port()
    extra = {"REDIS_URL": guarded_redis, "ALCOVES_WORKER_NAME": "gpu/1"}
    with running_worker(tmp_path, "--lanes", "interactive,heavy", **extra):
        flower = Process(["manage.py", "flower"], tmp_path, ALCOVES_FLOWER_PORT=str(port), **extra)
        try:
            wait_until(lambda: client.get("/flower/workers").status_code == 200, 60, "Flower answers")
            counts = send_messages(guarded_redis)
            broker = wait_until(
                lambda: lengths_shown(page(client, "broker"), counts), 30, "lengths of all queues"
            )
            workers = wait_until(lambda: showing(client, "workers", "heavy@gpu/1", "interactive@gpu/1"), 30)
            wait_until(lambda: client.get("/flower/worker/heavy@gpu%2F1").status_code == 200, 30)
            tasks = wait_until(lambda: showing(client, TASKS, "media.derive"), 30)
            shown = [broker, workers, page(client, "worker/heavy@gpu%2F1"), tasks, page(client, "tasks")]
            for text in shown:
                assert "canary" not in text
            assert client.head("/flower/broker").status_code == 200
            flower.signal(signal.SIGTERM)
            flower.popen.wait(20)
            flower = Process(["manage.py", "flower"], tmp_path, ALCOVES_FLOWER_PORT=str(port), **extra)
            wait_until(lambda: client.get("/flower/workers").status_code == 200, 60, "Flower answers again")
            assert showing(client, TASKS, "media.derive")
        except BaseException:
            print(flower.text())
            raise
        finally:
            flower.kill_all()


def page(client: Client, path: str) -> str:
    answer = client.get(f"/flower/{path}")
    return answer.getvalue().decode() if answer.status_code == 200 else ""


def showing(client: Client, path: str, *names: str) -> str:
    """The page, once all of these stand on it."""
    text = page(client, path)
    return text if all(name in text for name in names) else ""


def lengths_shown(text: str, counts: Counter[str]) -> str:
    """The page, once each queue stands there with its number."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    shown = {}
    for row in rows:
        cells = [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        ]
        if len(cells) > 1 and cells[1].isdigit():
            shown[cells[0]] = int(cells[1])
    return text if shown == dict(counts) else ""
