"""What a key may look like: the first thing every verb of every store asks.

One alphabet for all stores, narrow enough to be a path on any disk, a URL without escaping and an S3
key without surprises. People's file names never become keys; they live in the database.
"""

import re
from typing import Final

from storage.errors import InvalidKeyError

MAX_KEY: Final = 512
MAX_SEGMENT: Final = 255

# A leading dot is left to the stores themselves (staging files, tails of unfinished uploads).
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)


def check(key: str) -> str:
    """The key itself, or InvalidKeyError with the reason in one sentence."""
    if not key:
        raise InvalidKeyError("A blob key must be a text that is not empty.")
    if len(key) > MAX_KEY:
        raise InvalidKeyError(f"A blob key may have {MAX_KEY} characters; this one has {len(key)}.")
    for segment in key.split("/"):
        _check_segment(key, segment)
    return key


def _check_segment(key: str, segment: str) -> None:
    if len(segment) > MAX_SEGMENT:
        raise InvalidKeyError(
            f"Each part of a blob key may have {MAX_SEGMENT} characters; one has {len(segment)}."
        )
    if not _SEGMENT.fullmatch(segment):
        raise InvalidKeyError(
            f"{key!a} is no blob key: use letters, digits, '.', '_' and '-' in parts joined by '/', "
            "and begin no part with a dot."
        )
