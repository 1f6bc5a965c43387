"""A collector of OpenTelemetry for tests: takes OTLP over HTTP and keeps the spans."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """One span as it came over the wire."""

    name: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, Any]
    service: str
    failed: bool


@dataclass
class Collector:
    """What has come so far."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)

    def named(self, beginning: str) -> list[Seen]:
        return [one for one in self.spans if one.name.startswith(beginning)]

    def of(self, trace: str) -> list[Seen]:
        return [one for one in self.spans if one.trace == trace]


class Handler(BaseHTTPRequestHandler):
    """POST /v1/traces."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            service = values_of(resource.resource.attributes).get("service.name", "")
            for scope in resource.scope_spans:
                self.server.collector.spans += [seen(span, service) for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, message: str, *args: Any) -> None:
        """Nothing: pytest shows what matters."""


def seen(span: Any, service: str) -> Seen:
    return Seen(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        values_of(span.attributes),
        service,
        span.status.code == 2,
    )


def values_of(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def running_collector() -> Iterator[Collector]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.collector = Collector(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.collector
    finally:
        server.shutdown()
        server.server_close()
