"""The proxy before Flower. A small server of our own stands where Flower would."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from alcoves.accounts.management.commands import flower as command
from alcoves.accounts.models import User


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
