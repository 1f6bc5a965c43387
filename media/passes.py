"""Whose signed addresses of pictures are good without a query: the one rule of the front and of the Django view.

A signature binds the viewer (a session or an access token), the library, the epoch of its members and the month. It
is good only together with the cookie or token of that same viewer, so a leaked address is worth nothing to others.
Each process remembers for a minute which viewers Django has let in and which epoch a library has. The bulletin tells
at once what has ended; while it is not heard nothing is remembered, and Django asks the database.
"""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from media import bulletin

TOPIC: Final = "passes"
REMEMBERED_SECONDS: Final = 60.0
MANY: Final = 20_000
"""Entries after which a table is cleared of what is over."""
SIGNED_BYTES: Final = 16


def viewer_of_session(key: str) -> str:
    return f"s:{key}"


def viewer_of_token(digest: str) -> str:
    return f"t:{digest}"


def digest_of(secret: str) -> str:
    """Of an access token. It has 256 random bits, so one plain hash is enough; no salt, so it can be looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()


def claimed_viewer(session_key: str | None, authorization: str) -> str | None:
    """Whom a request says it comes from, by the order in which Django believes: nothing is checked here.

    None for nobody, and for what Django has to look at itself.
    """
    if not authorization:
        return viewer_of_session(session_key) if session_key else None
    scheme, _, secret = authorization.partition(" ")
    return viewer_of_token(digest_of(secret)) if scheme.lower() == "bearer" and secret else None


def sign(viewer: str, library_id: UUID | str, epoch: int) -> str:
    """22 characters that are good until the end of the month: stable, so that browsers keep what they have loaded."""
    return signature_of(settings.SECRET_KEY, viewer, str(library_id), epoch, month())


@lru_cache(maxsize=8192)
def signature_of(secret: str, viewer: str, library_id: str, epoch: int, period: str) -> str:
    value = "|".join((viewer, library_id, str(epoch), period))
    digest = salted_hmac("media.passes", value, secret=secret, algorithm="sha256").digest()
    return urlsafe_b64encode(digest[:SIGNED_BYTES]).rstrip(b"=").decode()


def month() -> str:
    return time.strftime("%Y-%m", time.gmtime())


class Known:
    """What one process remembers. Written under a lock; `allows` only looks, one thing after the other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._epochs: dict[str, tuple[int, float]] = {}
        self._live: dict[str, tuple[str, float]] = {}
        self._ended: dict[str, float] = {}
        """Viewers and users, so that a look at the database from just before does not bring them back."""

    def allows(self, viewer: str, library_id: str, signature: str) -> bool:
        """Whether this viewer may see the pictures of this library. False may only mean: not known here."""
        live, epoch = self._live.get(viewer), self._epochs.get(library_id)
        now = time.monotonic()
        if live is None or epoch is None or now >= live[1] or now >= epoch[1] or not bulletin.alive():
            return False
        return hmac.compare_digest(
            sign(viewer, library_id, epoch[0]).encode(), signature.encode(errors="replace")
        )

    def note_viewer(self, viewer: str, user: str, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            if max(self._ended.get(viewer, 0.0), self._ended.get(user, 0.0)) > now:
                return
            tidy(self._live, now)
            self._live[viewer] = (user, now + min(seconds, REMEMBERED_SECONDS))

    def note_epoch(self, library_id: str, epoch: int) -> None:
        """Of two, the higher is the later."""
        now = time.monotonic()
        with self._lock:
            known, _ = self._epochs.get(library_id, (0, 0.0))
            if epoch >= known:
                tidy(self._epochs, now)
                self._epochs[library_id] = (epoch, now + REMEMBERED_SECONDS)

    def end(self, one: str) -> None:
        """A viewer, or all viewers of a user."""
        now = time.monotonic()
        with self._lock:
            self._ended = {key: until for key, until in self._ended.items() if until > now}
            self._ended[one] = now + REMEMBERED_SECONDS
            self._live = {
                viewer: (user, until)
                for viewer, (user, until) in self._live.items()
                if one not in {viewer, user}
            }

    def forget(self) -> None:
        with self._lock:
            self._epochs, self._live = {}, {}

    def hear(self, message: Mapping[str, Any]) -> None:
        """What another process, or this one, has posted."""
        if message.get("lost"):
            self.forget()
        elif "library" in message:
            self.note_epoch(message["library"], message["epoch"])
        elif "ended" in message:
            self.end(message["ended"])


def tidy(table: dict[str, tuple[Any, float]], now: float) -> None:
    if len(table) >= MANY:
        for key in [key for key, (_, until) in table.items() if until <= now]:
            del table[key]


_known = Known()


@lru_cache(maxsize=1)
def listen() -> None:
    """From the first thing that is remembered on."""
    bulletin.listen(TOPIC, hear)


def hear(message: Mapping[str, Any]) -> None:
    _known.hear(message)


def allows(viewer: str | None, library_id: UUID | str, signature: str) -> bool:
    """Whether a signed address is good for this viewer, by what this process remembers; no query."""
    return bool(viewer and signature) and _known.allows(viewer or "", str(library_id), signature)


def note_viewer(viewer: str, user_id: UUID, seconds: float = REMEMBERED_SECONDS) -> None:
    """Django has let this viewer in, by the database, just now. `seconds`: what is left of a token's life."""
    if is_heard():
        _known.note_viewer(viewer, str(user_id), seconds)


def note_epoch(library_id: UUID | str, epoch: int) -> None:
    """This is the epoch that the database has just told."""
    if is_heard():
        _known.note_epoch(str(library_id), epoch)


def is_heard() -> bool:
    """Else it could end unheard before the first word is understood."""
    listen()
    return bulletin.alive()


def turn(library_id: UUID, epoch: int) -> None:
    """The circle of members has changed, and that is committed: here at once, elsewhere by the bulletin."""
    _known.note_epoch(str(library_id), epoch)
    bulletin.post(TOPIC, library=str(library_id), epoch=epoch)


def end(one: str | UUID) -> None:
    """A viewer (logged out, token revoked) or a user (switched off, deleted, new password) has ended, committed."""
    _known.end(str(one))
    bulletin.post(TOPIC, ended=str(one))
