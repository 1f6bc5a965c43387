"""Checks AWS Signature Version 4 the way an S3 server does, from the specification alone.

Used by the S3 server of the tests; written without the client library so that the two can disagree.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote

Pairs = list[tuple[str, str]]


class RefusedError(Exception):
    """What the server answers: HTTP status and S3 code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Incoming:
    """A request as it came over the wire; `path` still percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def pairs(self) -> Pairs:
        return parse_qsl(self.query, keep_blank_values=True)


def verify(request: Incoming, secrets: Mapping[str, str], *, now: datetime | None = None) -> None:
    """Raises RefusedError unless the request carries a good signature, in its header or in its query."""
    moment = now or datetime.now(UTC)
    if "authorization" in request.headers:
        _verify_header(request, secrets, moment)
    elif any(name == "X-Amz-Signature" for name, _ in request.pairs):
        _verify_query(request, secrets, moment)
    else:
        raise RefusedError(403, "AccessDenied")
    _verify_body(request)


def _verify_header(request: Incoming, secrets: Mapping[str, str], now: datetime) -> None:
    scheme, _, rest = request.headers["authorization"].partition(" ")
    fields = dict(field.strip().split("=", 1) for field in rest.split(","))
    if scheme != "AWS4-HMAC-SHA256" or not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise RefusedError(400, "AuthorizationHeaderMalformed")
    stamp = request.headers.get("x-amz-date", "")
    if abs(_moment(stamp) - now) > timedelta(minutes=15):
        raise RefusedError(403, "RequestTimeTooSkewed")
    _compare(
        request,
        secrets,
        credential=fields["Credential"],
        stamp=stamp,
        signed=fields["SignedHeaders"],
        pairs=request.pairs,
        payload=request.headers.get("x-amz-content-sha256", ""),
        given=fields["Signature"],
    )


def _verify_query(request: Incoming, secrets: Mapping[str, str], now: datetime) -> None:
    query = dict(request.pairs)
    stamp = query.get("X-Amz-Date", "")
    if now > _moment(stamp) + timedelta(seconds=int(query.get("X-Amz-Expires", "0"))):
        raise RefusedError(403, "AccessDenied")
    signed = query.get("X-Amz-SignedHeaders", "")
    unsigned = [
        name for name in request.headers if name.startswith("x-amz-") and name not in signed.split(";")
    ]
    if unsigned:
        raise RefusedError(403, "AccessDenied")
    _compare(
        request,
        secrets,
        credential=query.get("X-Amz-Credential", ""),
        stamp=stamp,
        signed=signed,
        pairs=[pair for pair in request.pairs if pair[0] != "X-Amz-Signature"],
        payload="UNSIGNED-PAYLOAD",
        given=query["X-Amz-Signature"],
    )


def _compare(
    request: Incoming,
    secrets: Mapping[str, str],
    *,
    credential: str,
    stamp: str,
    signed: str,
    pairs: Pairs,
    payload: str,
    given: str,
) -> None:
    access_key, _, scope = credential.partition("/")
    if access_key not in secrets:
        raise RefusedError(403, "InvalidAccessKeyId")
    names = signed.split(";")
    if "host" not in names or any(name not in request.headers for name in names):
        raise RefusedError(403, "SignatureDoesNotMatch")
    canonical = "\n".join(
        [
            request.method,
            quote(unquote(request.path), safe="/~"),
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(pairs)),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            signed,
            payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{secrets[access_key]}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    if not hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), given):
        raise RefusedError(403, "SignatureDoesNotMatch")


def _verify_body(request: Incoming) -> None:
    declared = request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if not declared.startswith(("UNSIGNED-", "STREAMING-")) and declared != _sha256(request.body).hex():
        raise RefusedError(400, "XAmzContentSHA256Mismatch")
    if "x-amz-copy-source" in request.headers:
        return
    expected = {
        "content-md5": hashlib.md5(request.body).digest(),
        "x-amz-checksum-sha256": _sha256(request.body),
    }
    for name, digest in expected.items():
        # Completing a multipart upload may name the sum of the whole blob, which is not in this body.
        if name in request.headers and request.method == "PUT" and not declared.startswith("STREAMING-"):
            _expect(request.headers[name], digest)


def _expect(given: str, digest: bytes) -> None:

    try:
        good = base64.b64decode(given, validate=True) == digest
    except binascii.Error:
        raise RefusedError(400, "InvalidDigest") from None
    if not good:
        raise RefusedError(400, "BadDigest")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _moment(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise RefusedError(403, "AccessDenied") from None
