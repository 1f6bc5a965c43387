"""Lines of the log: for people or as JSON, with what they belong to, and without secrets. A leaf.

`about` says what the lines of a block belong to: a request, a task, a row. What must not be in a log is taken out of
the finished line, so that arguments, tracebacks and whatever libraries say are no way around it.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from alcoves import env

HIDDEN: Final = "***"
FIELDS: Final = "log_fields"
"""The attribute of a request that has what its lines belong to."""
SHORTEST: Final = 6
"""A secret of fewer characters would be found in half of all words."""
fields: ContextVar[dict[str, Any] | None] = ContextVar("fields", default=None)
"""Of the request or task of this thread."""

NAMED: Final = (
    r"passw(?:or)?d|passwd|pwd|secret|secret_key|access_key|api_key|apikey|token|session_?key|csrfmiddlewaretoken"
    r"|passphrase"
)
"""What stands behind such a word is none of a log's business."""
SIGNING: Final = rf"s|sig|signature|code|key|x-amz-(?:signature|credential|security-token)|{NAMED}"
PATTERNS: Final = tuple(
    (hints, re.compile(pattern, re.IGNORECASE), by)
    for hints, pattern, by in (
        (("alc_",), r"\balc_[A-Za-z0-9_-]{6,}", f"alc_{HIDDEN}"),
        (
            ("authorization", "cookie"),
            r"((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*)[^\r\n]+",
            rf"\1\2{HIDDEN}",
        ),
        (
            ("bearer", "basic", "negotiate"),
            r"\b(bearer|basic|negotiate)\s+[A-Za-z0-9._~+/=-]{6,}",
            rf"\1 {HIDDEN}",
        ),
        (("://",), r"(://[^\s:/@'\"]*):[^\s/@'\"]+@", rf"\1:{HIDDEN}@"),
        (("=",), rf"([?&;](?:{SIGNING})=)[^&\s'\"#]+", rf"\1{HIDDEN}"),
        (
            ("pass", "pwd", "secret", "key", "token"),
            rf"((?:{NAMED})['\"]?\s*[=:]\s*)('(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[^\s,;&'\")\]}}]+)",
            rf"\1{HIDDEN}",
        ),
        (
            ("/s/", "/share/", "/shares/", "-signed/"),
            r"(/s/|/share/|/shares/|-signed/)[A-Za-z0-9._~-]{8,}",
            rf"\1{HIDDEN}",
        ),
    )
)
"""What a line must have for a pattern to be tried: most lines have nothing of it."""
BREAKS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
known: set[str] = set()
"""Secrets by their value, beside those that the environment has given."""


def bind(**given: Any) -> Token[dict[str, Any] | None]:
    """The lines of this thread belong to these too, until `unbind`. What is None is left out."""
    more = {name: str(value) for name, value in given.items() if value is not None}
    return fields.set({**(fields.get() or {}), **more})


def unbind(token: Token[dict[str, Any] | None]) -> None:
    fields.reset(token)


def note(**given: Any) -> None:
    """The same for what is learnt on the way; it ends with the block or request it is noted in."""
    now = fields.get()
    if now is not None:
        now.update({name: str(value) for name, value in given.items() if value is not None})


@contextmanager
def about(**given: Any) -> Iterator[None]:
    token = bind(**given)
    try:
        yield
    finally:
        unbind(token)


def current() -> dict[str, Any]:
    return fields.get() or {}


def hide(secret: str) -> None:
    """Never to be in a line, wherever it comes from."""
    if len(secret) >= SHORTEST:
        known.add(secret)


def scrub(text: str) -> str:
    """Without what must not be in a log."""
    for secret in sorted(known | env.SECRETS, key=len, reverse=True):
        if len(secret) >= SHORTEST and secret in text:
            text = text.replace(secret, HIDDEN)
    folded = text.lower()
    for hints, pattern, by in PATTERNS:
        if any(hint in folded for hint in hints):
            text = pattern.sub(by, text)
    return text


class Lines(logging.Formatter):
    """For people, and for whoever reads the files of `script/up`.

    Only a record begins a line: what a program or a file name says cannot write one of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record).replace("\n", "\n  "))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's.
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's.
        return "\n".join(one_line(line) for line in super().formatException(ei).split("\n"))


def one_line(text: str) -> str:
    """With its line breaks, and what moves a terminal's cursor, written as Python would."""
    return BREAKS.sub(lambda found: ascii(found[0])[1:-1], text)


class JsonLines(JsonFormatter):
    """An object a line, for programs that collect logs."""

    def __init__(self, **_: Any) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            json_ensure_ascii=False,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """`extra` of a line goes before what is known of its thread; Django tells of an answer when the thread has
        forgotten its request, and hands that over."""
        known_of = getattr(log_data.pop("request", None), FIELDS, None) or current()
        return {name: cleaned(name, value) for name, value in {**known_of, **log_data}.items()}


def cleaned(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return HIDDEN if is_secret(name) else scrub(value)
    if isinstance(value, dict):
        return {str(key): cleaned(str(key), part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned("", part) for part in value]
    return value if value is None or isinstance(value, (bool, int, float)) else scrub(str(value))


def is_secret(name: str) -> bool:
    return re.fullmatch(rf"[a-z_-]*(?:{NAMED}|authorization|cookie)", name, re.IGNORECASE) is not None
