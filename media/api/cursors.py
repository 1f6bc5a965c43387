"""Keyset cursors: where the last page ended, as base64 of JSON, opaque to clients."""

import base64
import binascii
import json
from datetime import UTC, datetime
from uuid import UUID

from media.errors import RequestError

LONGEST = 2048


def encode(sort_name: str, key: UUID) -> str:
    raw = json.dumps([sort_name, str(key)], ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(cursor: str) -> tuple[str, UUID]:
    """RequestError for anything that `encode` has not made."""
    try:
        if len(cursor) > LONGEST:
            raise ValueError("too long")
        raw = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
        sort_name, key = json.loads(raw)
        if not isinstance(sort_name, str) or "\0" in sort_name:
            raise ValueError("no name")
        return sort_name.encode().decode(), UUID(key)
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        raise refusal() from error


def decode_date(cursor: str) -> tuple[datetime, UUID]:
    """The same for lists by date."""
    text, key = decode(cursor)
    return moment_of(text), key


def moment_of(text: str) -> datetime:
    """In UTC: of other zones Python knows wider ones than Postgres, and moments before the first and after the last."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.utcoffset() is None:
            raise ValueError("no zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refusal() from error


def refusal() -> RequestError:
    return RequestError("This cursor is not one we gave. Start again without it.", code="bad_cursor")
