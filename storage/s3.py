"""Blobs in an S3 bucket: AWS, MinIO and others that speak the same protocol.

boto3 is spoken to directly. django-storages has an S3 backend, but its Storage API saves a whole file
object, cannot put under a condition, cannot promise a checksum, and opens a blob by spooling all of it;
it also reads global AWS_* settings. It stays the right choice for Django's own file fields.

This is the only module that imports the client library. Parts and assemblies are in `s3_parts`, the
meaning of refusals in `s3_answers`.
"""

import functools
import io
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeAlias

import boto3
import urllib3
from botocore import exceptions as refusals
from botocore.config import Config

from storage import keys, s3_parts
from storage.base import CHUNK_SIZE, Assembly, BlobStat, Chunks, SignedPut
from storage.errors import (
    BlobExistsError,
    BlobNotFoundError,
    RangeError,
    SizeMismatchError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from storage.s3_answers import decoded, meaning, vouched
from storage.serving import content_disposition
from storage.streams import Tally, confirm_size, regroup

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MEBIBYTE: Final = 1024 * 1024
_FAILURES: Final = (refusals.ClientError, refusals.BotoCoreError, urllib3.exceptions.HTTPError, OSError)
_OUR_CONFIGURATION: Final = (
    refusals.NoCredentialsError,
    refusals.PartialCredentialsError,
    refusals.ParamValidationError,
    refusals.NoRegionError,
    refusals.InvalidRegionError,
)
Style: TypeAlias = Literal["auto", "path", "virtual"]
_MAX_COPY: Final = 5 * 1024 * MEBIBYTE


_MAKING: Final = threading.Lock()


@functools.cache
def _session() -> boto3.session.Session:
    """Shared by all stores: it keeps the parsed service description, which takes 100 ms to read. Making a
    client from it is not safe in threads, so `_MAKING` is held; using a client is.
    """
    return boto3.session.Session()


class S3Bucket:
    """The connection: one lazily made client per process, and the translation of all its errors."""

    def __init__(
        self, bucket: str, prefix: str, endpoint_url: str | None, config: Config, credentials: dict[str, Any]
    ) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.endpoint_url = endpoint_url
        self._config = config
        self._credentials: dict[str, Any] = credentials
        self._lock = threading.Lock()
        self._client: tuple[int, S3Client] | None = None

    def __repr__(self) -> str:
        return f"<S3Bucket {self.bucket} at {self.endpoint_url or 'AWS'}>"

    @property
    def client(self) -> "S3Client":
        """Made at first use (it takes a tenth of a second) and again after a fork: sockets are not shared."""
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                self._client = (os.getpid(), self._connect())
            return self._client[1]

    def _connect(self) -> "S3Client":
        try:
            with _MAKING:
                client: S3Client = _session().client(
                    "s3", endpoint_url=self.endpoint_url, config=self._config, **self._credentials
                )
        except (refusals.BotoCoreError, ValueError) as error:
            raise StoreAccessError(
                f"The bucket {self.bucket} cannot be used: check endpoint_url, region and credentials."
            ) from error
        return client

    def call(self, operation: str, key: str = "", **parameters: Any) -> dict[str, Any]:
        """One request. Raises only errors of `storage.errors`, also later, while a body is read."""
        if key:
            parameters["Key"] = self.prefix + key
        try:
            answer: dict[str, Any] = getattr(self.client, operation)(Bucket=self.bucket, **parameters)
        except _FAILURES as error:
            raise self.translated(error, key) from error
        if "Body" in answer:
            answer["Body"] = io.BufferedReader(_Body(answer["Body"], self, key), CHUNK_SIZE)
        return answer

    def presign(self, operation: str, key: str, expires: timedelta, **parameters: Any) -> str:
        parameters |= {"Bucket": self.bucket, "Key": self.prefix + key}
        try:
            return self.client.generate_presigned_url(
                operation, Params=parameters, ExpiresIn=int(expires.total_seconds())
            )
        except _FAILURES as error:
            raise self.translated(error, key) from error

    def translated(self, error: Exception, key: str) -> StoreError:
        if isinstance(error, refusals.ClientError):
            answer: Any = error.response
            code = str(answer.get("Error", {}).get("Code", "unknown"))
            status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            return meaning(code, status, bucket=self.bucket, key=key)
        if isinstance(error, _OUR_CONFIGURATION):
            return StoreAccessError(
                f"The bucket {self.bucket} cannot be used: check bucket, region, access_key and secret_key."
            )
        return StoreUnavailableError(
            f"The bucket {self.bucket} did not answer ({type(error).__name__}); "
            "try again, and check endpoint_url if this lasts."
        )

    def close(self) -> None:
        """Closes the client's sockets; the next call opens new ones."""
        with self._lock:
            if self._client is not None and self._client[0] == os.getpid():
                self._client[1].close()
            self._client = None


def _client_config(
    addressing_style: Style, connect_timeout: float, read_timeout: float, *, max_attempts: int, pool: int
) -> Config:
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": addressing_style},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_pool_connections=pool,
        retries={"total_max_attempts": max_attempts, "mode": "standard"},
        # We send SHA-256 ourselves; the library's own trailing CRC is unknown to many servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


class S3Store:
    """A bucket, or what lies under `prefix` in it.

    Without `access_key` the client library looks for credentials itself (environment, instance role).
    `public_endpoint_url` is the address browsers reach the server by, for signed URLs. Memory per
    write is about three times `part_size`.
    """

    copy_limit: int = _MAX_COPY
    """Bytes that one copy request may carry; above it, copies go in parts."""

    def __init__(
        self,
        name: str,
        *,
        bucket: str,
        endpoint_url: str | None = None,
        region: str = "us-east-1",
        access_key: str | None = None,
        secret_key: str | None = None,
        prefix: str = "",
        addressing_style: Style = "auto",
        part_size: int = 16 * MEBIBYTE,
        connect_timeout: float = 5,
        read_timeout: float = 60,
        max_attempts: int = 4,
        max_connections: int = 20,
        public_endpoint_url: str | None = None,
    ) -> None:
        if not bucket:
            raise ValueError("bucket must not be empty")
        if part_size < s3_parts.MIN_PART:
            raise ValueError(f"part_size must be at least {s3_parts.MIN_PART}, the smallest part S3 takes")
        if bool(access_key) != bool(secret_key):
            raise ValueError("access_key and secret_key go together: give both or none")
        self.name = name
        self.part_size = part_size
        config = _client_config(
            addressing_style, connect_timeout, read_timeout, max_attempts=max_attempts, pool=max_connections
        )
        credentials = {
            "aws_access_key_id": access_key or None,
            "aws_secret_access_key": secret_key or None,
            "region_name": region,
        }
        self._bucket = S3Bucket(bucket, prefix, endpoint_url, config, credentials)
        self._public = (
            S3Bucket(bucket, prefix, public_endpoint_url, config, credentials)
            if public_endpoint_url
            else self._bucket
        )
        self._call = self._bucket.call
        self._bucket_seen = False

    def __repr__(self) -> str:
        return f"<S3Store {self.name}: {self._bucket.bucket}/{self._bucket.prefix}>"

    def put(
        self,
        key: str,
        chunks: Chunks,
        *,
        content_type: str = "application/octet-stream",
        size: int | None = None,
        sha256: str | None = None,
        if_absent: bool = False,
    ) -> BlobStat:
        keys.check(key)
        tally = Tally(size=size, sha256=sha256)
        pieces = regroup(tally.through(chunks), self._part_sizes(size))
        first, second = next(pieces, b""), next(pieces, None)
        if second is None:
            tally.verify()
            return s3_parts.put_whole(self._call, key, first, content_type, tally.sha256, if_absent=if_absent)
        if if_absent:
            self._refuse_if_there(key)
        metadata = {"sha256": sha256.lower()} if sha256 else {}
        upload = s3_parts.begin_multipart(self._call, key, content_type, metadata)
        with s3_parts.aborting(self._call, key, upload):
            parts = [s3_parts.put_part(self._call, key, upload, 1, first)]
            del first
            parts.append(s3_parts.put_part(self._call, key, upload, 2, second))
            del second
            for number, piece in enumerate(pieces, 3):
                parts.append(s3_parts.put_part(self._call, key, upload, number, piece))
            tally.verify()
            etag = s3_parts.complete(self._call, key, upload, parts, if_absent=if_absent)
        return BlobStat(key, tally.size, datetime.now(UTC), etag, tally.sha256)

    def _part_sizes(self, size: int | None) -> s3_parts.PartSizes:
        if size is None:
            return lambda number: s3_parts.scaled(self.part_size, number)
        uniform = max(self.part_size, -(-size // s3_parts.MAX_PARTS))
        return lambda _number: uniform

    def _refuse_if_there(self, key: str) -> None:
        """Spares the upload of many parts; the condition on the last request is what decides."""
        try:
            self.stat(key)
        except BlobNotFoundError:
            return
        raise BlobExistsError(f"{key} is already in the bucket {self._bucket.bucket}.")

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> AbstractContextManager[BinaryIO]:
        keys.check(key)
        if start == 0 and end is None:
            return self._body(key)
        if start < 0 or (end is not None and end <= start):
            return self._nothing(key, start)
        try:
            return self._body(key, Range=f"bytes={start}-{'' if end is None else end - 1}")
        except RangeError:
            return self._nothing(key, start)

    def _body(self, key: str, **parameters: Any) -> BinaryIO:
        body: BinaryIO = self._call("get_object", key, **parameters)["Body"]
        return body

    def _nothing(self, key: str, start: int) -> BinaryIO:
        """An empty range, which HTTP cannot express: right at the end of the blob, or of no length."""
        size = self.stat(key).size
        if not 0 <= start <= size:
            raise RangeError(f"{key} has {size} bytes; the range begins at {start}.")
        return io.BytesIO()

    def stat(self, key: str) -> BlobStat:
        head = self._head(keys.check(key))
        etag = head["ETag"].strip('"')
        return BlobStat(key, head["ContentLength"], head["LastModified"], etag, vouched(head))

    def _head(self, key: str) -> dict[str, Any]:
        try:
            return self._call("head_object", key, ChecksumMode="ENABLED")
        except BlobNotFoundError:
            # An answer to HEAD has no body, so a missing bucket looks like a missing blob.
            self._prove_bucket()
            raise

    def _prove_bucket(self) -> None:
        if self._bucket_seen:
            return
        try:
            self._call("head_bucket")
        except BlobNotFoundError:
            raise meaning("NoSuchBucket", 404, bucket=self._bucket.bucket, key="") from None
        self._bucket_seen = True

    def delete(self, key: str) -> None:
        self._call("delete_object", keys.check(key))

    def copy(self, source: str, target: str) -> BlobStat:
        keys.check(target)
        head = self._head(keys.check(source))
        origin = {"Bucket": self._bucket.bucket, "Key": self._bucket.prefix + source}
        size, sha256 = head["ContentLength"], vouched(head)
        if size <= self.copy_limit:
            answer = self._call("copy_object", target, CopySource=origin, ChecksumAlgorithm="SHA256")
            copied = answer["CopyObjectResult"]
            if copied.get("ChecksumSHA256"):
                sha256 = decoded(copied["ChecksumSHA256"])
            return BlobStat(target, size, copied["LastModified"], copied["ETag"].strip('"'), sha256)
        metadata = dict(head["Metadata"]) | ({"sha256": sha256} if sha256 else {})
        upload = s3_parts.begin_multipart(self._call, target, head["ContentType"], metadata)
        with s3_parts.aborting(self._call, target, upload):
            part = min(self.copy_limit, 512 * MEBIBYTE)
            etag = s3_parts.copy_parts(self._call, origin, size, target, upload, part)
        return BlobStat(target, size, datetime.now(UTC), etag, sha256)

    def iterate(self, prefix: str = "", *, after: str = "") -> Iterator[BlobStat]:
        cut = len(self._bucket.prefix)
        for item in self._list(prefix, after):
            key = item["Key"][cut:]
            if not key.startswith("."):
                yield BlobStat(key, item["Size"], item["LastModified"], item["ETag"].strip('"'))

    def _list(self, prefix: str, after: str = "") -> Iterator[dict[str, Any]]:
        start: dict[str, Any] = {"StartAfter": self._bucket.prefix + after} if after else {}
        while True:
            page = self._call("list_objects_v2", Prefix=self._bucket.prefix + prefix, **start)
            yield from page.get("Contents", [])
            if not page.get("IsTruncated"):
                return
            start = {"ContinuationToken": page["NextContinuationToken"]}

    def signed_get_url(
        self, key: str, *, expires: timedelta, filename: str | None = None, content_type: str | None = None
    ) -> str:
        parameters = {}
        if filename is not None:
            parameters["ResponseContentDisposition"] = content_disposition(filename, inline=False)
        if content_type is not None:
            parameters["ResponseContentType"] = content_type
        return self._public.presign("get_object", keys.check(key), expires, **parameters)

    def signed_put_url(
        self, key: str, *, expires: timedelta, size: int, content_type: str, sha256: str | None = None
    ) -> SignedPut:
        """Length, type, checksum and "only if absent" are part of the signature. Every HTTP client sends
        Content-Length by itself, so it is not among the headers of the answer.
        """
        parameters: dict[str, Any] = {
            "ContentLength": size,
            "ContentType": content_type,
            "IfNoneMatch": "*",
        }
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        if sha256 is not None:
            encoded = s3_parts.encoded(sha256)
            parameters |= {"ChecksumSHA256": encoded, "ChecksumAlgorithm": "SHA256"}
            headers |= {"x-amz-checksum-sha256": encoded, "x-amz-sdk-checksum-algorithm": "SHA256"}
        url = self._public.presign("put_object", keys.check(key), expires, **parameters)
        return SignedPut(url, headers=headers)

    def local_path(self, key: str) -> Path | None:
        keys.check(key)
        return None

    def check(self) -> None:
        probe = f"{s3_parts.ASSEMBLY}check"
        self._call("put_object", probe, Body=b"")
        self._call("delete_object", probe)

    def free_bytes(self) -> int | None:
        return None

    def begin(self, key: str, *, content_type: str = "application/octet-stream") -> Assembly:
        return s3_parts.begin_assembly(self._call, keys.check(key), content_type)

    def append(self, assembly: Assembly, offset: int, chunks: Chunks) -> tuple[Assembly, int]:
        return s3_parts.extend(self._call, assembly, offset, chunks, self.part_size)

    def finish(self, assembly: Assembly, *, size: int) -> BlobStat:
        keys.check(assembly["key"])
        have = s3_parts.assembled_size(assembly)
        if have != size:
            raise SizeMismatchError(f"The upload has {have} bytes where {size} were declared.")
        try:
            stat = s3_parts.completed(self._call, assembly)
        except BlobNotFoundError:
            # The upload or its tail is gone: finished before, by a caller that died before its commit.
            stat = confirm_size(self.stat(assembly["key"]), size)
        self._free(assembly)
        return stat

    def abort(self, assembly: Assembly) -> None:
        keys.check(assembly["key"])
        self._free(assembly)

    def _free(self, assembly: Assembly) -> None:
        """Aborting an upload that is complete or gone changes nothing (404)."""
        try:
            self._call("abort_multipart_upload", assembly["key"], UploadId=assembly["upload_id"])
        except BlobNotFoundError:
            self._prove_bucket()
        self._delete_listed(f"{s3_parts.ASSEMBLY}{assembly['id']}/", datetime.max.replace(tzinfo=UTC))

    def _delete_listed(self, prefix: str, before: datetime) -> int:
        old = [item["Key"] for item in self._list(prefix) if item["LastModified"] < before]
        for key in old:
            self._call("delete_object", key.removeprefix(self._bucket.prefix))
        return len(old)

    def sweep_staging(self, older_than: timedelta) -> int:
        """MinIO does not list uploads by prefix; it ends them itself (stale_uploads_expiry, 24 hours)."""
        limit = datetime.now(UTC) - older_than
        old = [upload for upload in self._uploads() if upload["Initiated"] < limit]
        for upload in old:
            key = upload["Key"].removeprefix(self._bucket.prefix)
            self._call("abort_multipart_upload", key, UploadId=upload["UploadId"])
        return len(old) + self._delete_listed(s3_parts.ASSEMBLY, limit)

    def _uploads(self) -> Iterator[dict[str, Any]]:
        marker: dict[str, str] = {}
        while True:
            page = self._call("list_multipart_uploads", Prefix=self._bucket.prefix, **marker)
            yield from page.get("Uploads", [])
            if not page.get("IsTruncated"):
                return
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def close(self) -> None:
        """Closes all sockets. The store can still be used; it connects again."""
        self._bucket.close()
        self._public.close()


class _Body(io.RawIOBase):
    """The body of an answer; what goes wrong while it is read becomes a StoreError too."""

    def __init__(self, body: Any, bucket: S3Bucket, key: str) -> None:
        self._body, self._bucket, self._key = body, bucket, key

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._body.read(len(buffer))
        except _FAILURES as error:
            raise self._bucket.translated(error, self._key) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()
