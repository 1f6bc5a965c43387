"""An answer that is not there yet: it goes through every middleware in place of the true one, and gives it its headers.

The ASGI front takes the thread back, waits in its event loop for the outcome and takes one more turn of a thread to
build the true answer. No client can ask for it: the key in the environment is no header.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from media.api.errors import tell
from media.errors import MediaError
from storage.errors import StoreError

FRONT: Final = "alcoves.front"
"""Set in the environment of a request by a server that knows what to do with a LaterResponse."""
TOLD: Final = "alcoves.told"
"""Set there too, where that server has asked for the picture itself."""

Outcome = Any


def may_come_later(request: HttpRequest) -> bool:
    return request.META.get(FRONT) is True


@dataclass(frozen=True, slots=True)
class Told:
    """What the server has heard of the picture of this key. `answer` gives or raises it: once."""

    key: str
    answer: Callable[[], Any]
    began: float
    """When the request came in, by `time.perf_counter`."""
    give_up: Callable[[], None] = lambda: None
    """Called in the end, whether or not `answer` was."""


def told_of(request: HttpRequest) -> Told | None:
    told = request.META.get(TOLD)
    return told if isinstance(told, Told) else None


class LaterResponse(HttpResponse):
    """`build` makes the true answer of the outcome; `give_up` is called instead when the client has gone.

    `seconds` is how long the outcome is waited for; None is the outcome when it does not come.
    """

    status_code = 202

    def __init__(
        self,
        future: "Future[Any]",
        *,
        seconds: float,
        build: Callable[[Outcome], HttpResponseBase],
        give_up: Callable[[], None],
    ) -> None:
        super().__init__()
        del self["Content-Type"]
        self.future = future
        self.seconds = seconds
        self.give_up = give_up
        self._build = build
        self._told: list[Callable[[int], None]] = []

    def when_done(self, callback: Callable[[int], None]) -> None:
        """Called with the status of the true answer."""
        self._told.append(callback)

    def finish(self, outcome: Outcome) -> HttpResponseBase:
        """The true answer, with all that the middlewares have put on this one."""
        try:
            answer = self._build(outcome)
        except (MediaError, StoreError) as error:
            answer = problem(error)
        for name, value in self.headers.items():
            if name not in {"Content-Length", "Vary"}:
                answer.headers.setdefault(name, value)
        answer.headers.setdefault("Vary", self.headers.get("Vary", "Cookie, Authorization"))
        answer.cookies.update(self.cookies)
        if not answer.streaming:
            answer.headers.setdefault("Content-Length", str(len(answer.content)))  # type: ignore[attr-defined]  # Not streaming.
        for callback in self._told:
            callback(answer.status_code)
        return answer


def problem(error: MediaError | StoreError) -> JsonResponse:
    """As the views of the API tell it. No cache may keep that something was not there for a moment."""
    told = tell(error)
    assert told is not None  # noqa: S101  Both families are told.
    status, body, headers = told
    return JsonResponse(
        body,
        status=status,
        headers={**headers, "Cache-Control": "no-store"},
        json_dumps_params={"separators": (",", ":"), "ensure_ascii": False},
    )
