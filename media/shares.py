"""Links by which a moment is shown to people who are no members: made, found, opened, ended.

A token is the share's id and a signature over it (192 bits, HMAC-SHA256 with a key of the SECRET_KEY): the table alone
opens nothing, and a list can show the link again. Whether it is good is asked at every request: a link that was revoked
or has run out, a moment or a file in the trash, a file set aside and a library that no longer shares all look the
same: not there.
"""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password
from django.core import signing
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from media import live
from media.errors import ConflictError, MediaError, RequestError
from media.models import Moment, MomentShare

SIGNED_BYTES: Final = 24
ID_LETTERS: Final = 22
"""16 bytes in base64url, without padding."""

SALT: Final = "media.shares"


class ShareNotFoundError(MediaError):
    """One answer for all reasons: strangers learn nothing about links that were."""

    code = "share_not_found"
    http_status = 404

    def __init__(self) -> None:
        super().__init__("This link does not exist or is not good any more. Ask the person who sent it.")


class ShareLockedError(RequestError):
    """The link is good, the password was not given yet."""

    code = "share_locked"
    http_status = 401

    def __init__(self) -> None:
        super().__init__("This link is protected. Give its password first.")


def create_share(
    moment: Moment, user: Any, *, expires_at: datetime | None = None, password: str = ""
) -> MomentShare:
    """A new link. ConflictError where the library does not share; RequestError for a time that is over."""
    if not live.value("SHARING_ENABLED"):
        raise ConflictError("Sharing is switched off on this server. Ask its operator.", code="sharing_off")
    if not moment.file.library.sharing:
        raise ConflictError(
            "Sharing is switched off in this library. Its owner can switch it on in the settings.",
            code="sharing_off",
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise RequestError("The link would have run out already. Choose a time to come.", code="expired")
    most = live.value("SHARES_OF_A_MOMENT")
    if MomentShare.objects.good().filter(moment=moment).count() >= most:
        raise ConflictError(
            f"This moment has {most} links already. Revoke some of them first.", code="too_many_shares"
        )
    share: MomentShare = MomentShare.objects.create(
        moment=moment,
        created_by=user,
        expires_at=expires_at,
        password=make_password(password) if password else "",
    )
    return share


def revoke(share: MomentShare) -> None:
    """The link is worth nothing from the next request on."""
    MomentShare.objects.filter(pk=share.pk, revoked_at=None).update(revoked_at=Now())


def token_of(share: MomentShare) -> str:
    """What stands in the address."""
    return encoded(share.pk.bytes) + encoded(signature_of(share.pk))


def signature_of(key: UUID) -> bytes:
    return salted_hmac(SALT, key.bytes.hex(), algorithm="sha256").digest()[:SIGNED_BYTES]


def encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def key_of(token: str) -> UUID | None:
    """The id in a token, if the token is one of ours: nothing is asked of the database for any other."""
    try:
        key = UUID(bytes=urlsafe_b64decode(token[:ID_LETTERS] + "=="))
        # Several spellings in base64 may mean the same bytes; only one is the token.
        good = hmac.compare_digest(
            token.encode("ascii"), (encoded(key.bytes) + encoded(signature_of(key))).encode()
        )
    except (ValueError, binascii.Error):
        return None
    return key if good else None


def find_share(token: str) -> MomentShare:
    """The share with its moment, file and library, in one query. ShareNotFoundError for every reason there is."""
    key = key_of(token)
    share: MomentShare | None = (
        MomentShare.objects.good()
        .filter(
            pk=key,
            moment__trashed_at=None,
            moment__file__trashed_at=None,
            moment__file__library__sharing=True,
            moment__file__original__held_at=None,
        )
        .select_related("moment__file__original", "moment__file__library")
        .first()
        if key is not None and live.value("SHARING_ENABLED")
        else None
    )
    if share is None:
        raise ShareNotFoundError
    return share


def cookie_name(share: MomentShare) -> str:
    return f"alcoves-share-{share.pk.hex}"


def unlock(share: MomentShare, password: str) -> str:
    """The value of a cookie that opens this share. ShareLockedError for a wrong password."""
    if not share.password or not check_password(password, share.password):
        raise ShareLockedError
    return signer().sign(fingerprint(share))


def require_open(share: MomentShare, cookie: str | None) -> None:
    """ShareLockedError unless the share has no password, or this cookie was given for it."""
    if not is_open(share, cookie):
        raise ShareLockedError


def is_open(share: MomentShare, cookie: str | None) -> bool:
    if not share.password:
        return True
    try:
        value = signer().unsign(cookie or "", max_age=open_seconds())
    except signing.BadSignature:
        return False
    return constant_time_compare(value, fingerprint(share))


def open_seconds() -> int:
    """How long a password that was given opens a link."""
    return int(live.value("SHARE_OPEN_HOURS")) * 3600


def signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=SALT)


def fingerprint(share: MomentShare) -> str:
    """Binds the cookie to this share and to its password."""
    return hashlib.sha256(f"{share.pk.hex}:{share.password}".encode()).hexdigest()[:32]


def count_view(share: MomentShare) -> None:
    """Somebody has come to look."""
    MomentShare.objects.filter(pk=share.pk).update(views=F("views") + 1, last_viewed_at=Now())
