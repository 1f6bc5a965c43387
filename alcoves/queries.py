"""Counts and times every statement that is sent to Postgres, by its first word. A leaf but for Django."""

import re
import time
from collections.abc import Callable
from typing import Any, Final

from django.db.backends.signals import connection_created

from alcoves import metrics

WORDS: Final = {
    word: (
        metrics.DB_QUERIES.labels(word, "ok"),
        metrics.DB_QUERIES.labels(word, "error"),
        metrics.DB_SECONDS.labels(word),
    )
    for word in ("select", "insert", "update", "delete", "with", "other")
}
FIRST: Final = re.compile(r"[\s(]*(\w+)")


def first_word(sql: Any) -> str:
    """Statements that are composed are no text, and count as others."""
    found = FIRST.match(sql) if isinstance(sql, str) else None
    return found[1].lower() if found else ""


def measure(
    execute: Callable[..., Any],
    sql: Any,
    params: Any,
    many: bool,  # noqa: FBT001  As Django calls it.
    context: dict[str, Any],
) -> Any:
    fine, failed, seconds = WORDS.get(first_word(sql), WORDS["other"])
    began = time.perf_counter()
    try:
        answer = execute(sql, params, many, context)
    except Exception:
        failed.inc()
        raise
    finally:
        seconds.observe(time.perf_counter() - began)
    fine.inc()
    return answer


def watch(connection: Any, **_: Any) -> None:
    if measure not in connection.execute_wrappers:
        connection.execute_wrappers.append(measure)


def start() -> None:
    """Once in each process; a connection that is there already is watched from its next beginning."""
    connection_created.connect(watch, dispatch_uid="alcoves.queries")
