"""/healthz, /readyz and /metrics of a worker, on a port of its own: it has no web server beside it."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import redis
from django.conf import settings

from alcoves import health, metrics
from alcoves.env import BadVariableError
from media import live

logger = logging.getLogger(__name__)


def broker_answers() -> bool:
    """A broker that is away is no fault of the worker's."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def health_of(seconds: float, limit: float, *, consumes: bool) -> tuple[int, dict[str, Any]]:
    """Not well before it has taken up work for the first time, and when it has not looked for any in `limit`."""
    status = "starting" if not consumes else "ok" if seconds < limit else "stuck"
    return 200 if status == "ok" else 503, {"status": status, "idle_seconds": round(seconds, 1)}


class Handler(BaseHTTPRequestHandler):
    """Three paths, nothing else."""

    server_version = "alcoves"
    server: "Server"

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self.answer(*self.server.health_now())
            case "/readyz":
                parts = health.readiness.report()
                ready = all(part["ok"] for part in parts.values())
                self.answer(200 if ready else 503, {"ok": ready, "parts": parts})
            case "/metrics" if live.value("METRICS_ENABLED"):
                self.send(200, metrics.CONTENT_TYPE, metrics.render())
            case _:
                self.answer(404, {"message": "There are /healthz, /readyz and /metrics."})

    def answer(self, status: int, content: Any) -> None:
        self.send(status, "application/json", json.dumps(content).encode())

    def send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The parent's name.
        logger.debug(format, *args)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, health_now: Callable[[], tuple[int, dict[str, Any]]]) -> None:
        self.health_now = health_now
        super().__init__((settings.WORKER_METRICS_HOST, port), Handler)


@contextmanager
def serving(
    port: int, stuck_for: Callable[[], float], limit: float, *, consumes: Callable[[], bool]
) -> Iterator[None]:
    """Answer probes while the block runs. Port 0 switches it off. A taken port is refused: probes
    would ask a stranger."""
    if not port:
        yield
        return
    try:
        server = Server(port, lambda: health_of(stuck_for(), limit, consumes=consumes()))
    except OSError as error:
        raise BadVariableError(
            f"the worker cannot answer probes on port {port} of {settings.WORKER_METRICS_HOST} "
            f"({error.strerror}): name another in WORKER_METRICS_PORT, or 0 for none."
        ) from error
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
