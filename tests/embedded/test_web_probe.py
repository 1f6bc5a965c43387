"""When the web part counts as ready, asked of a small server that says what a web part would."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alcoves.embedded import parts

FULL = "The disk of the store files has 1 bytes free and keeps 2 in reserve; make room and try again."


def said(**failing: str) -> tuple[int, str]:
    """An answer of /readyz: what is named fails with that sentence."""
    names = {"postgres", "redis", "ffmpeg", "store:files", "store:cache"}
    keyed = {name.replace("store_", "store:"): message for name, message in failing.items()}
    told = {name: {"ok": name not in keyed, "message": keyed.get(name, "")} for name in sorted(names)}
    return 503 if failing else 200, json.dumps({"parts": told, "message": " ".join(keyed.values())})


@contextmanager
def answering(ready: tuple[int, str], health: int = 200) -> Iterator[parts.WebProbe]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = (health, "") if self.path == "/healthz" else ready
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The parent's name.
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield parts.WebProbe(plan(server.server_port))
    finally:
        server.shutdown()
        server.server_close()


def plan(port: int) -> parts.Plan:
    nowhere = Path("/nowhere")
    return parts.Plan(
        data=nowhere,
        sockets=nowhere,
        mode="all",
        host="127.0.0.1",
        port=port,
        metrics_port=0,
        flower_port=0,
    )


def ask(probe: parts.WebProbe) -> bool:
    return asyncio.run(probe())


def test_all_well_is_ready_without_a_word() -> None:
    with answering(said()) as probe:
        assert ask(probe)
        assert probe.warnings() == []


def test_a_full_store_is_ready_with_one_line() -> None:
    with answering(said(store_files=FULL, store_cache=FULL)) as probe:
        assert ask(probe)
        (line,) = probe.warnings()
    assert line == f"stores: {FULL} (and 1 more) Uploads will be refused until there is room."


def test_other_parts_that_fail_are_a_line_each() -> None:
    with answering(said(ffmpeg="ffmpeg cannot be used.", store_files="The bucket is away.")) as probe:
        assert ask(probe)
        assert probe.warnings() == [
            "ffmpeg: ffmpeg cannot be used.",
            "stores: The bucket is away. Uploads will be refused until that is mended.",
        ]


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_without_its_servers_it_is_not_ready_and_says_why(name: str) -> None:
    with answering(said(**{name: "It does not answer.", "store_files": FULL})) as probe:
        assert not ask(probe)
        assert probe.why_not() == "/readyz answers 503: It does not answer."


@pytest.mark.parametrize("body", ["", "<h1>Server Error (500)</h1>", "[]", '{"parts": []}', '{"parts": {}}'])
def test_an_answer_that_is_no_report_is_not_ready(body: str) -> None:
    with answering((500, body)) as probe:
        assert not ask(probe)
        assert "/readyz answers 500" in probe.why_not()


def test_a_web_part_that_is_not_well_is_not_asked_further() -> None:
    with answering(said(), health=503) as probe:
        assert not ask(probe)
        assert "/healthz answers 503" in probe.why_not()
