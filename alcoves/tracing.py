"""OpenTelemetry traces: a request, the message it sends, the run in a worker and its steps are one trace. A leaf.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set; then nothing of OpenTelemetry is imported, and a span is a block that
does nothing. Each process has a provider of its own, made when it is first needed: threads do not survive a fork.
The first span of a request has the request's name as the number of its trace, so that X-Trace-ID is known from the
beginning; a `traceparent` that a trusted proxy sends along goes before it (`ALCOVES_TRUST_REQUEST_IDS`).
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, Literal

from alcoves import env

HEADER: Final = "traceparent"
NUMBER: Final = re.compile(r"(?!0{32})[0-9a-f]{32}", re.ASCII)
Kind = Literal["internal", "server", "client", "producer", "consumer"]


def wanted() -> bool:
    address = env.text("OTEL_EXPORTER_OTLP_ENDPOINT") or env.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return bool(address) and not env.boolean("OTEL_SDK_DISABLED", default=False)


ON: Final = wanted()
NOTHING: Final = nullcontext()
next_number: ContextVar[str] = ContextVar("next_number", default="")
"""The number of the trace that begins now, where it has one already."""


def number_of(name: str) -> str:
    """The 32 hexadecimal digits for a request of this name: the name itself, where it is ours."""
    return name if NUMBER.fullmatch(name) else hashlib.blake2s(name.encode(), digest_size=16).hexdigest()


def span(name: str, attributes: Mapping[str, Any] | None = None) -> AbstractContextManager[Any]:
    """A step of what is being done. What it raises is noted."""
    return opened(name, attributes or {}) if ON else NOTHING


@contextmanager
def opened(name: str, attributes: Mapping[str, Any]) -> Iterator[Any]:
    with tracer().start_as_current_span(name, attributes=attributes) as made:
        yield made


class Begun:
    """A span that ends later, and perhaps in another thread. `number` is that of its trace."""

    def __init__(self, made: Any, token: Any, number: str) -> None:
        self._made, self._token, self.number = made, token, number

    def leave(self) -> None:
        """What this thread does from now on is no part of it."""
        if self._made is not None and self._token is not None:
            from opentelemetry import context

            context.detach(self._token)
            self._token = None

    def end(self, name: str = "", error: str = "", **attributes: Any) -> None:
        if self._made is None:
            return
        if name:
            self._made.update_name(name)
        self._made.set_attributes(attributes)
        if error:
            from opentelemetry.trace import Status, StatusCode

            self._made.set_status(Status(StatusCode.ERROR, error))
        self._made.end()


def begin(name: str, kind: Kind, parent: Mapping[str, str], *, number: str = "", **attributes: Any) -> Begun:
    """The first span of this process for what came with `parent` as headers. Where tracing is off, only its number."""
    if not ON:
        return Begun(None, None, number)
    from opentelemetry import context, trace
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    around = TraceContextTextMapPropagator().extract(
        {HEADER: parent[HEADER]} if parent.get(HEADER) else {}, context=context.Context()
    )
    reset = next_number.set(number)
    try:
        made = tracer().start_span(name, context=around, kind=SpanKind[kind.upper()], attributes=attributes)
    finally:
        next_number.reset(reset)
    token = context.attach(trace.set_span_in_context(made, around))
    return Begun(made, token, format(made.get_span_context().trace_id, "032x"))


def headers() -> dict[str, str]:
    """What a message takes along, so that whoever works on it goes on with this trace."""
    if not ON:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carried)
    return carried


def tracer() -> Any:
    return provider(os.getpid()).get_tracer("alcoves")


@lru_cache(maxsize=2)
def provider(pid: int) -> Any:
    """That of this process. Where to, how often and what of it: the variables of OpenTelemetry."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = Resource.create({"service.name": env.text("OTEL_SERVICE_NAME", "alcoves"), "process.pid": pid})
    made = TracerProvider(resource=about, id_generator=numbers())
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def numbers() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Numbers(RandomIdGenerator):
        """Random, but for a trace whose number is known before it begins."""

        def generate_trace_id(self) -> int:
            return int(next_number.get(), 16) if next_number.get() else super().generate_trace_id()

    return Numbers()


def flush() -> None:
    """Send what is waiting: this process ends."""
    if ON and provider.cache_info().currsize:
        provider(os.getpid()).force_flush(3000)
