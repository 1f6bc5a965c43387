"""What an answer of a mirror means: a status, the place of its bytes in the file, the version. Pure (RFC 9110)."""

import re
from typing import Final

import httpx

from ml.downloads.errors import MirrorAwayError, NotOnMirrorError
from ml.downloads.part import Part

PASSING: Final = frozenset({408, 425, 429})
UNSATISFIABLE: Final = 416
RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def check_status(answer: httpx.Response, name: str) -> None:
    """Returns for 200 and 206. What may pass is told apart from what will not."""
    status = answer.status_code
    if status in {200, 206, UNSATISFIABLE}:
        return
    if status in PASSING or status >= 500:
        error = MirrorAwayError(f"{answer.url.host} answers {status} for {name}.")
        asked = answer.headers.get("Retry-After", "")
        if asked.isdecimal():
            error.retry_after = int(asked[:6])
        raise error
    raise NotOnMirrorError(
        f"{answer.url.host} answers {status} for {name}. Look whether the mirror's address is right and has the file."
    )


def continue_or_begin(answer: httpx.Response, url: str, begun: Part) -> int | None:
    """Set the part to where the bytes of this answer go; returns how many the whole file has, if that is told.

    200 is the whole file, because the server knows no ranges or has another version by now. Anything that does not
    fit discards the part, and the next attempt begins anew.
    """
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise NotOnMirrorError(f"{answer.url.host} sends models compressed. Switch that off for this folder.")
    if answer.status_code == 200:
        total = length_of(answer)
        begun.begin(url, validator_of(answer), total)
        return total
    found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    fits = answer.status_code == 206 and found is not None and int(found[1]) == begun.position
    if fits and found is not None and begun.same_version(validator_of(answer)):
        return int(found[3])
    begun.discard()
    raise MirrorAwayError(f"{answer.url.host} has another version by now, or cannot go on. It begins anew.")


def length_of(answer: httpx.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def validator_of(answer: httpx.Response) -> str:
    """What If-Range takes: a strong entity tag, else the date of the last change (RFC 9110, 13.1.5)."""
    tag: str = answer.headers.get("ETag", "")
    if tag.startswith('"'):
        return tag
    return "" if tag else str(answer.headers.get("Last-Modified", ""))
