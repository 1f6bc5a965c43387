"""Signed URLs for stores that have no web server of their own: a permission that fits in a link.

`sign` and `verify` are pure; the views under `url_base` call `verify` and then the store. A token is
`base64url(JSON) . base64url(HMAC-SHA256)` and binds everything it permits: verb, store, key, until when,
and what the bytes must be (put) or be called (get).
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from storage.base import SignedPut
from storage.errors import SignatureError

Verb: TypeAlias = Literal["get", "put"]
Secret: TypeAlias = str | Callable[[], str]

_PURPOSE: Final = b"alcoves.storage.signing:"
_MAX_TOKEN: Final = 4096


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token permits. `expires_at` is in seconds since 1970."""

    verb: Verb
    store: str
    key: str
    expires_at: int
    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    sha256: str | None = None


def sign(grant: Grant, secret: str) -> str:
    """The token for a grant."""
    payload = json.dumps(asdict(grant), separators=(",", ":"), sort_keys=True).encode()
    return f"{_encode(payload)}.{_encode(_mac(payload, secret))}"


def verify(token: str, *secrets: str, verb: Verb, now: float | None = None) -> Grant:
    """The grant in a token signed by any of `secrets` (the current one first, then retired ones).

    SignatureError when it was changed, has expired or is for another verb. The token is compared in
    constant time and nothing of it is read before its signature has been found good.
    """
    payload = _authentic(token, secrets)
    grant = Grant(**json.loads(payload))
    if grant.verb != verb:
        raise SignatureError(f"This link permits to {grant.verb}, not to {verb}.")
    if grant.expires_at <= (time.time() if now is None else now):
        raise SignatureError("This link has expired; ask for a new one.")
    return grant


def _authentic(token: str, secrets: tuple[str, ...]) -> bytes:
    refusal = SignatureError("This link is not one we signed; ask for a new one.")
    body, dot, mac = token.partition(".")
    if not dot or len(token) > _MAX_TOKEN:
        raise refusal
    try:
        payload, given = _decode(body), _decode(mac)
    except (ValueError, binascii.Error):
        raise refusal from None
    # All secrets are always tried, and the text must be the one spelling that `sign` makes.
    good = [hmac.compare_digest(_mac(payload, secret), given) for secret in secrets]
    if not any(good) or _encode(payload) != body or _encode(given) != mac:
        raise refusal
    return payload


def _mac(payload: bytes, secret: str) -> bytes:
    key = hashlib.sha256(_PURPOSE + secret.encode()).digest()
    return hmac.digest(key, payload, "sha256")


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


class TokenUrls:
    """Makes the URLs of one store. `secret` may be a function so that it is read when it is needed."""

    def __init__(self, store: str, url_base: str, secret: Secret) -> None:
        if not callable(secret) and not secret:
            raise ValueError("secret must not be empty: it signs the links that this store gives out")
        self._store = store
        self._base = url_base.rstrip("/")
        self._secret = secret

    def get(self, key: str, expires: timedelta, filename: str | None, content_type: str | None) -> str:
        """`{url_base}/signed?token=...`"""
        grant = Grant("get", self._store, key, _moment(expires), filename=filename, content_type=content_type)
        return f"{self._base}/signed?token={self._sign(grant)}"

    def put(
        self, key: str, expires: timedelta, size: int, content_type: str, sha256: str | None
    ) -> SignedPut:
        """`{url_base}/upload-signed?token=...`"""
        grant = Grant(
            "put", self._store, key, _moment(expires), content_type=content_type, size=size, sha256=sha256
        )
        url = f"{self._base}/upload-signed?token={self._sign(grant)}"
        return SignedPut(url, headers={"Content-Type": content_type})

    def _sign(self, grant: Grant) -> str:
        return sign(grant, self._secret() if callable(self._secret) else self._secret)


def _moment(expires: timedelta) -> int:
    return int(time.time() + expires.total_seconds())
