"""A real S3 server for tests: moto behind our own check of signatures and checksums.

    with running_server() as server:
        server.create_bucket("photos")
        S3Store("files", bucket="photos", **server.options)

moto alone accepts any signature, ignores Content-MD5, ignores If-None-Match on the last request of a
multipart upload and answers CORS preflights with 403; the gate in front of it does these four things.
"""

import io
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from tests.storage.sigv4 import Incoming, RefusedError, verify

REGION = "us-east-1"
ACCESS_KEY = "AKIATESTALCOVES00001"
SECRET_KEY = "test-secret/only+for/these=tests"

Fault = Callable[[Incoming], RefusedError | None]

_CORS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, PUT, POST, HEAD, DELETE"),
    ("Access-Control-Expose-Headers", "ETag, Content-Range, Content-Length, Accept-Ranges"),
]


class Gate:
    """The WSGI application: reads the request, checks it, and hands it to moto one at a time."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets
        self.seen: Counter[str] = Counter()
        self.fault: Fault | None = None
        self._moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        request = _incoming(environ)
        if request.method == "OPTIONS":
            wanted = request.headers.get("access-control-request-headers", "*")
            start_response("200 OK", [*_CORS, ("Access-Control-Allow-Headers", wanted)])
            return []
        with self._lock:
            self.seen[request.method] += 1
        try:
            refusal = self.fault(request) if self.fault else None
            if refusal is not None:
                raise refusal
            verify(request, self.secrets)
        except RefusedError as refused:
            return _refuse(request, refused, start_response)
        # moto is not made for threads; one request at a time also makes its conditions atomic.
        with self._lock:
            if _is_taken(request):
                return _refuse(request, RefusedError(412, "PreconditionFailed"), start_response)
            environ["wsgi.input"] = io.BytesIO(request.body)
            environ["CONTENT_LENGTH"] = str(len(request.body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            answer = b"".join(self._moto(environ, _with_cors(start_response)))
        return [_with_true_dates(request, answer)]


def _with_true_dates(request: Incoming, answer: bytes) -> bytes:
    """moto says of every upload that it began in 2010; those of a test began just now."""
    if request.method != "GET" or ("uploads", "") not in request.pairs:
        return answer
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
    return re.sub(rb"(?<=<Initiated>)[^<]{24}(?=</Initiated>)", now, answer)


def _with_cors(start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        kept = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
        return start_response(status, kept + _CORS, exc_info)

    return start


def _incoming(environ: WSGIEnvironment) -> Incoming:
    path, _, query = environ["REQUEST_URI"].partition("?")
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    return Incoming(environ["REQUEST_METHOD"], path, query, headers, body)


def _refuse(request: Incoming, refused: RefusedError, start_response: StartResponse) -> list[bytes]:
    body = f"<Error><Code>{refused.code}</Code><Message>{refused.code}</Message></Error>".encode()
    start_response(
        f"{refused.status} {HTTPStatus(refused.status).phrase}",
        [("Content-Type", "application/xml"), ("Content-Length", str(len(body))), *_CORS],
    )
    return [] if request.method == "HEAD" else [body]


def _is_taken(request: Incoming) -> bool:
    """If-None-Match on the last request of a multipart upload."""
    if request.method != "POST" or request.headers.get("if-none-match") != "*":
        return False
    _, bucket, key = request.path.split("/", 2)
    return _backend().get_object(bucket, key) is not None


def _backend() -> Any:
    return s3_backends["123456789012"]["aws"]


class _Quiet(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name is werkzeug's.
        logging.getLogger(__name__).debug(message, *args)


@dataclass
class S3Server:
    """A running server. `gate.fault` may be set to a function that refuses what it likes."""

    endpoint: str
    gate: Gate
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    buckets: list[str] = field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        """OPTIONS of an S3Store, all but the bucket."""
        return {
            "endpoint_url": self.endpoint,
            "region": REGION,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
        }

    def create_bucket(self, name: str) -> str:
        _backend().create_bucket(name, REGION)
        self.buckets.append(name)
        return name

    def put_object(self, bucket: str, key: str, data: bytes) -> None:
        """Without a request: for tests that need very many."""
        _backend().put_object(bucket, key, data)

    def objects(self, bucket: str) -> list[str]:
        """All keys in a bucket, staging included."""
        return sorted(_backend().get_bucket(bucket).keys)

    def uploads(self, bucket: str) -> list[str]:
        """Ids of multipart uploads that are neither complete nor aborted."""
        return sorted(_backend().get_bucket(bucket).multiparts)

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        self.gate.fault = fault
        try:
            yield
        finally:
            self.gate.fault = None


@contextmanager
def running_server() -> Iterator[S3Server]:
    """The server on a free loopback port, in a thread, until the block ends."""
    gate = Gate({ACCESS_KEY: SECRET_KEY})
    http = make_server("127.0.0.1", 0, gate, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield S3Server(f"http://127.0.0.1:{http.server_port}", gate)
    finally:
        http.shutdown()
        thread.join(10)
        http.server_close()
