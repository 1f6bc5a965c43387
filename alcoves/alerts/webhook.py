"""Sends a letter to the webhook: one signed POST of JSON. Only an answer of 2xx means that it was taken."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from alcoves import logs
from alcoves.alerts.guarding import ForbiddenAddressError, Guarded
from alcoves.alerts.mail import NotTakenError
from alcoves.alerts.models import Delivery
from media import live

ANSWER_LENGTH: Final = 2000
SHORTEST_SECRET: Final = 32
SHORTEST_PATH: Final = 16
"""Of an address: it may be what the receiver knows us by, so no log has it."""
CONNECT_SECONDS: Final = 5.0
GRACE_SECONDS: Final = 1.0
Noted: TypeAlias = Callable[[str, dict[str, Any]], None]


def hide(url: str) -> None:
    """Of many receivers the path is all that one needs to know to write there."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    for part in (url, path):
        if len(part) >= SHORTEST_PATH:
            logs.hide(part)


def send(letter: Delivery) -> tuple[int, str]:
    """Status and answer. NotTakenError says why it was not taken."""
    url, secret = str(live.value("ALERT_WEBHOOK_URL")).strip(), settings.ALERT_WEBHOOK_SECRET
    if not url:
        raise NotTakenError("No webhook is set: give its address in ALERT_WEBHOOK_URL.")
    if not url.lower().startswith(("https://", "http://")):
        raise NotTakenError("The address of the webhook is none. Give one with https:// or http://.")
    if len(secret) < SHORTEST_SECRET:
        raise NotTakenError(
            f"Calls cannot be signed: set ALCOVES_ALERT_WEBHOOK_SECRET to a random text of at least {SHORTEST_SECRET} "
            "characters."
        )
    hide(url)
    now = int(time.time())
    body = body_of(letter, now)
    try:
        status, answer = call(url, body, headers_of(letter, now, body, secret))
    except ForbiddenAddressError as error:
        raise NotTakenError(str(error)) from error
    except (httpx.InvalidURL, UnicodeError) as error:
        raise NotTakenError(
            "The address of the webhook is none. Give one with https:// or http://."
        ) from error
    except httpx.TimeoutException as error:
        raise NotTakenError(
            f"The webhook did not answer within {live.value('ALERT_WEBHOOK_TIMEOUT')} seconds."
        ) from error
    except httpx.HTTPError as error:
        raise NotTakenError(
            f"The webhook cannot be reached ({type(error).__name__}). Is its address right, and does it run?"
        ) from error
    return judged(status, answer)


def judged(status: int, answer: str) -> tuple[int, str]:
    if 200 <= status < 300:
        return status, answer
    what = "answers with a redirect, which is not followed" if 300 <= status < 400 else f"answers {status}"
    raise NotTakenError(
        f"The webhook {what}. Look at its side, or correct its address.", status=status, answer=answer
    )


def body_of(letter: Delivery, now: int) -> bytes:
    told: dict[str, Any] = {
        "id": str(letter.pk),
        "event": letter.event,
        "timestamp": now,
        "attempt": letter.attempts,
        "data": {"instance": settings.PUBLIC_URL, **letter.data},
    }
    return json.dumps(told, separators=(",", ":")).encode()


def headers_of(letter: Delivery, now: int, body: bytes, secret: str) -> dict[str, str]:
    """The signature is over the time, a dot and the body, so that neither can be changed or sent again later."""
    signature = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Alcoves",
        "X-Alcoves-Event": letter.event,
        "X-Alcoves-Delivery": str(letter.pk),
        "X-Alcoves-Timestamp": str(now),
        "X-Alcoves-Signature": f"sha256={signature}",
    }


def call(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """Whatever the other side does, it is over in time: the limits of httpx are for each read, and one may drip."""
    seconds = float(live.value("ALERT_WEBHOOK_TIMEOUT"))
    calling = Calling(partial(post, url, body, headers, seconds))
    calling.start()
    calling.join(seconds + GRACE_SECONDS)
    if calling.is_alive():
        calling.cut()
        raise httpx.ReadTimeout("the answer drips")
    if calling.error is not None:
        raise calling.error
    return calling.answer


class Calling(threading.Thread):
    """One call in a thread that nobody waits for when its time is over; its connection is cut then."""

    def __init__(self, work: Callable[[Noted], tuple[int, str]]) -> None:
        super().__init__(name="webhook", daemon=True)
        self.work = work
        self.answer = (0, "")
        self.error: Exception | None = None
        self.lines: list[socket.socket] = []
        self.over = threading.Event()

    def run(self) -> None:
        try:
            self.answer = self.work(self.note)
        except Exception as error:  # noqa: BLE001  Raised again by who waits.
            self.error = error
        finally:
            for line in self.lines:
                line.close()

    def note(self, event: str, about: dict[str, Any]) -> None:
        """What httpcore tells of a call. A second handle of the connection outlasts what TLS makes of the first."""
        if self.over.is_set():
            raise httpx.ReadTimeout("too late")
        if event == "connection.connect_tcp.complete":
            self.lines.append(about["return_value"].get_extra_info("socket").dup())

    def cut(self) -> None:
        """Whatever it waits for ends now."""
        self.over.set()
        for line in self.lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def post(url: str, body: bytes, headers: dict[str, str], seconds: float, note: Noted) -> tuple[int, str]:
    """No redirects, no proxy of the environment, no more than so long and so much of the answer."""
    until = time.monotonic() + seconds
    timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
    with (
        httpx.Client(transport=Guarded(), timeout=timeout, follow_redirects=False, trust_env=False) as client,
        client.stream("POST", url, content=body, headers=headers, extensions={"trace": note}) as answer,
    ):
        content = b""
        for block in answer.iter_bytes():
            content += block
            if len(content) >= 4 * ANSWER_LENGTH or time.monotonic() > until:
                break
        text = content.decode("utf-8", "replace").replace("\x00", "\ufffd")
        return answer.status_code, text[:ANSWER_LENGTH]
