"""What an S3 server's answers mean: refusals sorted into our family of errors, checksums, times.

Pure: takes the fields of an answer, knows no client library. The sentences name the bucket and what to
look at; they never carry a key, a signature or anything else that is secret.
"""

import base64
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from storage.errors import (
    BlobExistsError,
    BlobNotFoundError,
    InvalidKeyError,
    RangeError,
    SizeMismatchError,
    StoreAccessError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)

_FULL: Final = {
    "XMinioStorageFull",
    "QuotaExceeded",
    "InsufficientCapacity",
    "XMinioAdminBucketQuotaExceeded",
}
_BUSY: Final = {
    "SlowDown",
    "RequestTimeout",
    "ServiceUnavailable",
    "InternalError",
    "TooManyRequests",
    "OperationAborted",
    "ConditionalRequestConflict",
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
}
_REASONS: Final = {
    "NoSuchBucket": "the bucket does not exist; check its name and region",
    "InvalidBucketName": "this is no bucket name; check its spelling",
    "InvalidAccessKeyId": "the server does not know the access key; check access_key",
    "SignatureDoesNotMatch": "the signature was refused; check secret_key, region and endpoint_url",
    "AuthorizationHeaderMalformed": "the signature was refused; check region",
    "PermanentRedirect": "the bucket lies in another region; check region and endpoint_url",
    "RequestTimeTooSkewed": "the clocks differ too much; set the time of this machine",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidToken": "the credentials are not valid; renew them",
}


class UploadGoneError(BlobNotFoundError):
    """A multipart upload has ended: aborted, swept, or complete with its answer lost."""


def meaning(code: str, status: int, *, bucket: str, key: str) -> StoreError:
    """The error for an answer with this S3 code and HTTP status. `key` may be empty."""
    if code in _FULL or status == 507:
        return StoreFullError(f"The bucket {bucket} has no room left; make room and try again.")
    if code in _BUSY or status >= 500 or status == 429:
        return StoreUnavailableError(f"The bucket {bucket} cannot answer now ({code}); try again later.")
    if code in _REASONS or status in {301, 307, 401, 403}:
        reason = _REASONS.get(code, "access was denied; check the credentials and the rights they have")
        return StoreAccessError(f"The bucket {bucket} cannot be used: {reason}.")
    return _about_the_blob(code, status, bucket, key)


def _about_the_blob(code: str, status: int, bucket: str, key: str) -> StoreError:
    if code == "NoSuchUpload":
        return UploadGoneError("This upload is no longer there; begin it again.")
    if status == 404:
        return BlobNotFoundError(f"There is no {key or 'such blob'} in the bucket {bucket}.")
    if status == 412:
        return BlobExistsError(f"{key or 'This blob'} is already in the bucket {bucket}.")
    if status == 416:
        return RangeError(f"The range begins beyond the end of {key or 'the blob'}.")
    if code == "KeyTooLongError":
        return InvalidKeyError("The key, with the prefix of the store, is longer than the bucket takes.")
    if code in {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "IncompleteBody"}:
        return SizeMismatchError("The parts of the upload are not those that were noted; begin it again.")
    return StoreError(f"The bucket {bucket} refused the request ({code}, {status}); see the server's log.")


def vouched(head: dict[str, Any]) -> str | None:
    """The SHA-256 of the whole blob, in hex, if the server or we have noted it.

    What a server keeps for a blob made of parts is the sum of their sums: the type says so, or the etag.
    """
    sha256 = head.get("ChecksumSHA256", "")
    whole = "-" not in head["ETag"] and head.get("ChecksumType") != "COMPOSITE"
    if sha256 and (whole or head.get("ChecksumType") == "FULL_OBJECT"):
        return decoded(sha256)
    noted: str | None = head.get("Metadata", {}).get("sha256")
    return noted


def decoded(sha256: str) -> str:
    """From S3's base64 to our hex."""
    return base64.b64decode(sha256).hex()


def answered_at(answer: dict[str, Any]) -> datetime:
    """The server's clock, as it will appear in the blob's stat."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
