"""Signed pictures that are not made yet: one turn of a thread to ask for one, none to answer when it is told.

The rule is that of Django's view (`media.api.images`): the same query, the same flow (`media.imageproxy`), the same
headers. Django answers everything but a picture: `Told` hands it what has come of the wait.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn
from uuid import UUID

from django.db import connection

from alcoves import logs, metrics, tracing
from alcoves.asgi_images import Hit, Wanted, complete, known_headers
from media import imageproxy
from media.api.errors import DATABASE_ERRORS
from media.api.later import Told
from media.api.seeing import Seen, find_seen
from media.errors import MediaError
from media.imageproxy import Fresh, Pending
from storage.errors import StoreError

MISSES: Final = metrics.IMAGE_CACHE.labels(outcome="miss")


def ask(wanted: Wanted) -> Pending | Fresh | Told | None:
    """In a thread. None where Django has to look at it itself. A Pending must be answered or given up."""
    try:
        seen = find(UUID(wanted.library), UUID(wanted.file))
    except DATABASE_ERRORS:
        return None
    picture = seen.picture if seen is not None else None
    if picture is None or picture.version != wanted.version:
        return None
    MISSES.inc()
    key = picture.cache_key(wanted.recipe)
    number = tracing.number_of(wanted.request_id)
    span = tracing.begin("ask for a picture", "server", {}, number=number)
    try:
        with logs.about(
            request_id=wanted.request_id, trace_id=number, library=wanted.library, file=wanted.file
        ):
            asked = imageproxy.ask(picture, wanted.recipe)
    except (MediaError, StoreError) as error:
        return Told(key, raising(error), wanted.began)
    finally:
        span.leave()
        span.end()
    return asked if isinstance(asked, (Pending, Fresh)) else None


def find(library: UUID, file: UUID) -> Seen | None:
    """Without asking the connection first whether it is there; one that is not is replaced, and asked once more."""
    connection.close_if_unusable_or_obsolete()
    connection.health_check_done = True  # type: ignore[attr-defined]  # The stubs lack it.
    try:
        return find_seen(library, file)
    except DATABASE_ERRORS:
        metrics.DB_RETRIES.labels(where="picture").inc()
        connection.close_if_unusable_or_obsolete()
        return find_seen(library, file)


def raising(error: Exception) -> Callable[[], NoReturn]:
    def again() -> NoReturn:
        raise error

    return again


def hear(wanted: Wanted, pending: Pending, outcome: Any) -> Hit | Told:
    """In the event loop. The answer where the picture came with the word that it is made."""
    if outcome is not None and "content" in outcome:
        answer = pending.answer(outcome)
        assert isinstance(answer, Fresh)  # noqa: S101  Its bytes are here.
        return hit_of(wanted, answer)
    key = pending.picture.cache_key(pending.recipe)
    return Told(key, lambda: pending.answer(outcome), wanted.began, pending.give_up)


def hit_of(wanted: Wanted, fresh: Fresh) -> Hit:
    known = known_headers(wanted.filename, wanted.version, wanted.recipe)
    length = str(len(fresh.content)).encode()
    hit = Hit(200, [*known.headers, (b"content-length", length)], fresh.content)
    complete(hit, wanted)
    return hit
