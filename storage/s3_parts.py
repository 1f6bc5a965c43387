"""Big blobs in S3: multipart writes, multipart copies, and blobs that grow over several requests.

Works through the one function that calls the server (`S3Bucket.call`) and knows no client library.
S3 takes parts of at least 5 MiB and at most 10,000 of them; bytes that do not fill a part yet wait in a
small object of their own, the tail, under `.assembly/`, where no key of ours can lie.
"""

import base64
import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias

from storage.base import Assembly, BlobStat, Chunks
from storage.errors import SizeMismatchError, StoreError, StoreUnavailableError
from storage.s3_answers import UploadGoneError, answered_at
from storage.streams import regroup, surviving

ASSEMBLY: Final = ".assembly/"
MIN_PART: Final = 5 * 1024 * 1024
MAX_PARTS: Final = 10_000
_STEP: Final = 2000

Part: TypeAlias = dict[str, Any]
PartSizes: TypeAlias = Callable[[int], int]


class Call(Protocol):
    """One request to the bucket; `key` is ours, without the prefix of the store."""

    def __call__(self, operation: str, key: str = "", **parameters: Any) -> dict[str, Any]: ...


def scaled(size: int, number: int) -> int:
    """The size of part `number` (from 0): it doubles every 2,000 parts, so 10,000 are enough for 950 GB
    at 16 MiB, and memory stays at one part.
    """
    return size << min(number // _STEP, 4)


def checksum(data: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def encoded(sha256: str) -> str:
    """From our hex to S3's base64."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def put_whole(
    call: Call, key: str, data: bytes, content_type: str, sha256: str, *, if_absent: bool = False
) -> BlobStat:
    """A blob that is small enough for one request; the server checks the sum."""
    condition = {"IfNoneMatch": "*"} if if_absent else {}
    answer = call(
        "put_object", key, Body=data, ContentType=content_type, Metadata={"sha256": sha256},
        ChecksumAlgorithm="SHA256", ChecksumSHA256=encoded(sha256), **condition,
    )  # fmt: skip
    return BlobStat(key, len(data), answered_at(answer), answer["ETag"].strip('"'), sha256)


def begin_multipart(call: Call, key: str, content_type: str, metadata: dict[str, str]) -> str:
    """The upload id."""
    answer = call(
        "create_multipart_upload",
        key,
        ContentType=content_type,
        Metadata=metadata,
        ChecksumAlgorithm="SHA256",
    )
    return str(answer["UploadId"])


def put_part(call: Call, key: str, upload_id: str, number: int, data: bytes) -> Part:
    """Part `number` (from 1), as it is noted in the state. A part that is there already is overwritten."""
    sha256 = checksum(data)
    answer = call(
        "upload_part", key, UploadId=upload_id, PartNumber=number, Body=data,
        ChecksumAlgorithm="SHA256", ChecksumSHA256=sha256,
    )  # fmt: skip
    return {"n": number, "etag": answer["ETag"], "size": len(data), "sha256": sha256}


def complete(call: Call, key: str, upload_id: str, parts: Iterable[Part], *, if_absent: bool = False) -> str:
    """Makes the blob visible; returns its etag."""
    listed = [
        {"PartNumber": part["n"], "ETag": part["etag"]}
        | ({"ChecksumSHA256": part["sha256"]} if part.get("sha256") else {})
        for part in parts
    ]
    condition = {"IfNoneMatch": "*"} if if_absent else {}
    answer = call(
        "complete_multipart_upload", key, UploadId=upload_id, MultipartUpload={"Parts": listed}, **condition
    )
    return str(answer["ETag"]).strip('"')


@contextlib.contextmanager
def aborting(call: Call, key: str, upload_id: str) -> Iterator[None]:
    """Frees the parts when the block fails, whatever the reason; its own error is the one that counts."""
    try:
        yield
    except UploadGoneError as error:
        raise StoreUnavailableError(f"It is not known whether {key} was stored; put it again.") from error
    except BaseException:
        with contextlib.suppress(StoreError):
            call("abort_multipart_upload", key, UploadId=upload_id)
        raise


def copy_parts(call: Call, source: dict[str, str], size: int, key: str, upload_id: str, part: int) -> str:
    """Copies `size` bytes of `source` in ranges inside the server; returns the etag."""
    part = max(part, -(-size // MAX_PARTS))
    parts: list[Part] = []
    for number, start in enumerate(range(0, size, part), 1):
        answer = call(
            "upload_part_copy", key, UploadId=upload_id, PartNumber=number, CopySource=source,
            CopySourceRange=f"bytes={start}-{min(start + part, size) - 1}",
        )["CopyPartResult"]  # fmt: skip
        parts.append({"n": number, "etag": answer["ETag"], "sha256": answer.get("ChecksumSHA256")})
    return complete(call, key, upload_id, parts)


def begin_assembly(call: Call, key: str, content_type: str) -> Assembly:
    """State: key, id, content_type, upload_id, parts, tail_key and tail_size, stale (tails to delete)."""
    return {
        "key": key,
        "id": uuid.uuid4().hex,
        "content_type": content_type,
        "upload_id": begin_multipart(call, key, content_type, {}),
        "parts": [],
        "tail_key": None,
        "tail_size": 0,
        "stale": [],
    }


def assembled_size(state: Assembly) -> int:
    """Bytes the state knows of."""
    total: int = sum(part["size"] for part in state["parts"]) + state["tail_size"]
    return total


def extend(
    call: Call, assembly: Assembly, offset: int, chunks: Chunks, part_size: int
) -> tuple[Assembly, int]:
    """Appends at `offset`. What the given state names is neither changed nor deleted (unless the offset
    goes back behind a part), so a death anywhere in here leaves that state usable.
    """
    state = _rewound(assembly, offset)
    stream = surviving(chunks)
    first = next((chunk for chunk in stream if chunk), None)
    if first is None:
        return state, 0
    for stale in assembly["stale"]:
        call("delete_object", stale)
    before = assembled_size(state)
    tail = read_tail(call, state)
    state.update(tail_key=None, tail_size=0, stale=[assembly["tail_key"]] if assembly["tail_key"] else [])
    done = len(state["parts"])
    for piece in regroup(_chain(tail, first, stream), lambda number: scaled(part_size, done + number)):
        _keep(call, state, piece)
    return state, assembled_size(state) - before


def _rewound(assembly: Assembly, offset: int) -> Assembly:
    """The state as it was at `offset`: parts and tail beyond it dropped. S3 cannot cut a part."""
    have = assembled_size(assembly)
    if not 0 <= offset <= have:
        raise SizeMismatchError(f"The upload has {have} bytes; it cannot go on at {offset}.")
    state = {**assembly, "parts": list(assembly["parts"]), "stale": list(assembly["stale"])}
    if offset < have - state["tail_size"]:
        state.update(tail_size=0)
        while state["parts"] and assembled_size(state) > offset:
            state["parts"].pop()
    state["tail_size"] = offset - sum(part["size"] for part in state["parts"])
    if state["tail_size"] > assembly["tail_size"] or (
        state["tail_size"] and len(state["parts"]) < len(assembly["parts"])
    ):
        raise SizeMismatchError(
            f"The upload cannot go back to {offset}, inside a part that is stored already."
        )
    return state


def read_tail(call: Call, state: Assembly) -> bytes:
    """The bytes that wait for their part, cut to what the state counts."""
    if not state["tail_size"]:
        return b""
    answer = call("get_object", state["tail_key"], Range=f"bytes=0-{state['tail_size'] - 1}")
    with answer["Body"] as body:
        data: bytes = body.read()
    if len(data) != state["tail_size"]:
        raise SizeMismatchError("The end of the upload is no longer there; begin it again.")
    return data


def completed(call: Call, state: Assembly) -> BlobStat:
    """Makes the blob visible. BlobNotFoundError when the upload or its tail is no longer there."""
    key, upload, parts = state["key"], state["upload_id"], list(state["parts"])
    tail = read_tail(call, state)
    if not parts:
        if not tail:
            call("list_parts", key, UploadId=upload)  # Proves that it has not been aborted.
        return put_whole(call, key, tail, state["content_type"], hashlib.sha256(tail).hexdigest())
    if tail:
        parts.append(put_part(call, key, upload, len(parts) + 1, tail))
    etag = complete(call, key, upload, parts)
    return BlobStat(key, assembled_size(state), datetime.now(UTC), etag)


def _keep(call: Call, state: Assembly, piece: bytes) -> None:
    parts = state["parts"]
    if len(piece) >= scaled(MIN_PART, len(parts)):
        parts.append(put_part(call, state["key"], state["upload_id"], len(parts) + 1, piece))
        return
    # A tail has a name of its own for every end: the one of the state before stays whole until then.
    end = assembled_size(state) + len(piece)
    state.update(tail_key=f"{ASSEMBLY}{state['id']}/{end}-{uuid.uuid4().hex[:8]}", tail_size=len(piece))
    call(
        "put_object",
        state["tail_key"],
        Body=piece,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=checksum(piece),
    )


def _chain(tail: bytes, first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield tail
    yield first
    yield from rest
