import base64
import hashlib
import json
import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from storage import s3_parts
from storage.base import BlobStore
from storage.errors import (
    BlobExistsError,
    BlobNotFoundError,
    SizeMismatchError,
    StoreAccessError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from storage.s3 import S3Store
from storage.s3_answers import UploadGoneError, meaning
from tests.storage.conformance import (
    MIB,
    PART,
    ClientGoneError,
    StoreConformance,
    chunked,
    data_of,
    dying,
    keys_of,
    read,
    sha256_of,
)
from tests.storage.probe import growth_of_put
from tests.storage.s3server import S3Server
from tests.storage.sigv4 import Incoming, RefusedError, verify

_numbers = count()


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    return s3_server.create_bucket(f"bucket-{next(_numbers)}")


@pytest.fixture
def make(s3_server: S3Server, bucket: str) -> Iterator[Callable[..., S3Store]]:
    made: list[S3Store] = []

    def make_store(**options: Any) -> S3Store:
        defaults = s3_server.options | {"bucket": bucket, "part_size": PART, "prefix": "alcoves/"}
        made.append(S3Store("s3", **(defaults | options)))
        return made[-1]

    yield make_store
    for store in made:
        store.close()


@pytest.fixture
def store(make: Callable[..., S3Store]) -> S3Store:
    return make()


class TestS3Store(StoreConformance):
    @pytest.fixture
    def reopen(self, make: Callable[..., S3Store]) -> Callable[[], BlobStore]:
        return make

    def fill(self, store: BlobStore, keys: list[str]) -> None:
        assert isinstance(store, S3Store)
        for key in keys:
            self.server.put_object(store._bucket.bucket, store._bucket.prefix + key, b"x")

    @pytest.fixture(autouse=True)
    def _server(self, s3_server: S3Server, bucket: str) -> None:
        self.server, self.bucket = s3_server, bucket

    def assert_nothing_staged(self, store: BlobStore) -> None:
        assert self.server.uploads(self.bucket) == []
        assert [key for key in self.server.objects(self.bucket) if s3_parts.ASSEMBLY in key] == []


# Keys, copies, parts.


def test_a_prefix_is_a_world_of_its_own(
    make: Callable[..., S3Store], s3_server: S3Server, bucket: str
) -> None:
    one, two, all_ = make(prefix="one"), make(prefix="/two/"), make(prefix="")
    one.put("a", [b"1"])
    two.put("a", [b"2"])
    assert s3_server.objects(bucket) == ["one/a", "two/a"]
    assert (read(one, "a"), read(two, "a")) == (b"1", b"2")
    assert (keys_of(one), keys_of(all_)) == (["a"], ["one/a", "two/a"])


def test_content_type_and_checksum_are_stored(store: S3Store, bucket: str) -> None:
    store.put("a", [b"abc"], content_type="image/jpeg")
    data = data_of(2 * PART + 1)
    store.put("b", chunked(data), content_type="video/mp4", sha256=sha256_of(data))
    store.put("c", chunked(data))
    found = {key: store._head(key) for key in ("a", "b", "c")}
    assert [found[key]["ContentType"] for key in "ab"] == ["image/jpeg", "video/mp4"]
    assert found["a"]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    assert store.stat("a").sha256 == sha256_of(b"abc")
    assert store.stat("b").sha256 == sha256_of(data)
    assert store.stat("c").sha256 is None  # It was not known before the last part.


@pytest.mark.parametrize("size", [PART + 1, 3 * PART])
def test_copying_in_parts(store: S3Store, s3_server: S3Server, bucket: str, size: int) -> None:
    data = data_of(size)
    store.put("a", chunked(data), content_type="video/mp4", sha256=sha256_of(data))
    store.copy_limit = PART
    copied = store.copy("a", "b")
    assert copied == store.stat("b").__class__(
        "b", size, copied.modified_at, store.stat("b").etag, sha256_of(data)
    )
    assert read(store, "b") == data
    assert store._head("b")["ContentType"] == "video/mp4"
    assert "-" in copied.etag
    assert s3_server.uploads(bucket) == []


def test_bytes_do_not_pass_through_us_when_copying(store: S3Store, s3_server: S3Server) -> None:
    store.put("a", [data_of(MIB)])
    gets = s3_server.gate.seen["GET"]
    store.copy("a", "b")
    assert s3_server.gate.seen["GET"] == gets


def test_parts_grow_so_that_ten_thousand_are_enough(store: S3Store) -> None:
    assert [s3_parts.scaled(16, number) for number in (0, 1999, 2000, 9999, 10_000)] == [16, 16, 32, 256, 256]
    of_a_terabyte = store._part_sizes(10**12)
    assert of_a_terabyte(0) == of_a_terabyte(9999) == 10**8
    assert store._part_sizes(PART)(0) == PART
    assert store._part_sizes(None)(2000) == 2 * PART


def test_if_absent_race_of_big_blobs(store: S3Store, s3_server: S3Server, bucket: str) -> None:
    start = threading.Barrier(3)

    def attempt(number: int) -> bool:
        def chunks() -> Iterator[bytes]:
            yield data_of(2 * PART, seed=number)
            start.wait(30)
            yield b"end"

        try:
            store.put("race", chunks(), if_absent=True)
        except BlobExistsError:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        won = list(pool.map(attempt, range(3)))
    assert sorted(won) == [False, False, True]
    assert read(store, "race") == data_of(2 * PART, seed=won.index(True)) + b"end"
    assert s3_server.uploads(bucket) == []


# Assemblies.


def test_an_offset_inside_a_part_is_refused(store: S3Store) -> None:
    state, _ = store.append(store.begin("a"), 0, [data_of(2 * PART + 10)])
    assert (len(state["parts"]), state["tail_size"]) == (2, 10)
    for offset in (1, PART - 1, PART + 1, 2 * PART - 1):
        with pytest.raises(SizeMismatchError, match="inside a part"):
            store.append(state, offset, [b"x"])
    for offset, parts in ((PART, 1), (0, 0), (2 * PART, 2), (2 * PART + 3, 2)):
        again, kept = store.append(state, offset, [b"x"])
        assert (len(again["parts"]), kept) == (parts, 1)
        assert s3_parts.assembled_size(again) == offset + 1


def test_going_back_to_a_part_drops_what_follows(store: S3Store) -> None:
    state, _ = store.append(store.begin("a"), 0, [data_of(2 * PART + 10)])
    state, _ = store.append(state, PART, [b"end"])
    store.finish(state, size=PART + 3)
    assert read(store, "a") == data_of(2 * PART + 10)[:PART] + b"end"


def test_tails_do_not_pile_up(store: S3Store, s3_server: S3Server, bucket: str) -> None:
    state = store.begin("a")
    for offset in range(8):
        state, _ = store.append(json.loads(json.dumps(state)), offset, [b"x"])
        assert len(s3_server.objects(bucket)) <= 2
    store.finish(state, size=8)
    assert s3_server.objects(bucket) == ["alcoves/a"]


def test_a_store_that_fails_in_the_middle_keeps_the_state_usable(store: S3Store, s3_server: S3Server) -> None:
    data = data_of(3 * PART)
    state, _ = store.append(store.begin("a"), 0, [data[:10]])
    quick = s3_server.options | {"bucket": store._bucket.bucket, "prefix": "alcoves", "max_attempts": 1}
    fragile = S3Store("s3", part_size=PART, **quick)
    with (
        s3_server.failing(lambda r: RefusedError(503, "SlowDown") if "partNumber=2" in r.query else None),
        pytest.raises(StoreUnavailableError),
    ):
        fragile.append(state, 10, chunked(data[10:]))
    fragile.close()
    state, kept = store.append(state, 10, chunked(data[10:]))
    assert kept == len(data) - 10
    store.finish(state, size=len(data))
    assert read(store, "a") == data


def test_sweeping_spares_the_young_and_other_prefixes(make: Callable[..., S3Store], bucket: str) -> None:
    one, two = make(prefix="one"), make(prefix="two")
    one.append(one.begin("a"), 0, [b"x"])
    assert two.sweep_staging(timedelta(seconds=-60)) == 0
    assert one.sweep_staging(timedelta(minutes=5)) == 0
    assert one.sweep_staging(timedelta(seconds=-60)) == 2


# Signed URLs, spoken to over plain HTTP.

MINUTE = timedelta(minutes=1)


def test_a_signed_url_is_read_by_anyone(store: S3Store) -> None:
    store.put("a/b", [b"0123456789"], content_type="image/jpeg")
    url = store.signed_get_url("a/b", expires=MINUTE, filename='Grüße; "1".jpg', content_type="text/plain")
    answer = httpx.get(url)
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe" in answer.headers["content-disposition"]
    part = httpx.get(store.signed_get_url("a/b", expires=MINUTE), headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")


def test_a_signed_url_permits_nothing_else(store: S3Store, make: Callable[..., S3Store]) -> None:
    store.put("a", [b"a"])
    store.put("b", [b"b"])
    url = store.signed_get_url("a", expires=MINUTE)
    assert httpx.get(url).status_code == 200
    forged = [
        httpx.get(url.replace("/alcoves/a?", "/alcoves/b?")),
        httpx.get(url + "&response-content-type=text/html"),
        httpx.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")),
        httpx.put(url, content=b"x"),
        httpx.delete(url),
        httpx.get(url.partition("?")[0]),
        httpx.get(make(access_key="AKIAUNKNOWN").signed_get_url("a", expires=MINUTE)),
        httpx.get(make(secret_key="wrong").signed_get_url("a", expires=MINUTE)),
        httpx.get(store.signed_get_url("a", expires=timedelta(seconds=-5))),
    ]
    assert [answer.status_code for answer in forged] == [403] * len(forged)
    assert read(store, "a") == b"a"


def test_a_signed_put(store: S3Store) -> None:
    data = data_of(1000)
    put = store.signed_put_url(
        "up", expires=MINUTE, size=1000, content_type="image/png", sha256=sha256_of(data)
    )
    assert put.method == "PUT"
    wrong: list[tuple[bytes, dict[str, str]]] = [
        (data[:-1], {}),
        (data + b"x", {}),
        (data, {"Content-Type": "text/html"}),
        (data_of(1000, seed=2), {}),
        (data, {"x-amz-meta-sha256": "0" * 64}),
        (data, {"x-amz-checksum-sha256": base64.b64encode(b"0" * 32).decode()}),
    ]
    for content, headers in wrong:
        assert httpx.put(put.url, content=content, headers=put.headers | headers).status_code in {400, 403}
    assert keys_of(store) == []
    assert httpx.put(put.url, content=data, headers=put.headers).status_code == 200
    assert (store.stat("up").size, store.stat("up").sha256) == (1000, sha256_of(data))
    assert store._head("up")["ContentType"] == "image/png"
    assert httpx.put(put.url, content=data, headers=put.headers).status_code == 412


def test_a_signed_put_without_a_checksum(store: S3Store) -> None:
    put = store.signed_put_url("up", expires=MINUTE, size=3, content_type="image/png")
    assert httpx.put(put.url, content=b"four", headers=put.headers).status_code == 403
    assert httpx.put(put.url, content=b"abc", headers=put.headers).status_code == 200


def test_browsers_are_sent_to_the_public_address(make: Callable[..., S3Store]) -> None:
    store = make(public_endpoint_url="https://media.example.org", addressing_style="path")
    url = store.signed_get_url("a", expires=MINUTE)
    assert url.startswith("https://media.example.org/bucket-")
    assert store.put("a", [b"x"]).size == 1  # We ourselves go on using the inner address.


# What can go wrong.


def verbs_of(store: S3Store) -> list[Callable[[], object]]:
    state = {"key": "a", "id": "0" * 32, "upload_id": "x", "parts": [], "tail_size": 0, "tail_key": None,
             "stale": [], "content_type": "a/b"}  # fmt: skip
    return [
        lambda: store.put("a", [b"x"]),
        lambda: store.put("a", chunked(data_of(PART + 1))),
        lambda: store.open("a"),
        lambda: store.open("a", start=1),
        lambda: store.stat("a"),
        lambda: store.delete("a"),
        lambda: store.copy("a", "b"),
        lambda: list(store.iterate()),
        lambda: store.begin("a"),
        lambda: store.append(state, 0, [b"x"]),
        lambda: store.abort(state),
        store.check,
    ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"secret_key": "wrong-but-private"}, "SECRET_KEY|secret_key|credentials"),
        ({"access_key": "AKIAUNKNOWN"}, "access_key|credentials"),
        ({"bucket": "no-such-bucket"}, "check its name"),
    ],
)
def test_an_operator_must_act(make: Callable[..., S3Store], options: dict[str, str], reason: str) -> None:
    store = make(**options)
    for verb in verbs_of(store):
        with pytest.raises(StoreAccessError, match=reason) as caught:
            verb()
        assert not caught.value.retry
        assert f"The bucket {store._bucket.bucket} cannot be used" in str(caught.value)
        assert "wrong-but-private" not in f"{caught.value!r} {caught.value} {store!r} {store._bucket!r}"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "InternalError", StoreUnavailableError),
        (503, "SlowDown", StoreUnavailableError),
        (507, "XMinioStorageFull", StoreFullError),
        (403, "QuotaExceeded", StoreFullError),
        (409, "ConditionalRequestConflict", StoreUnavailableError),
    ],
)
def test_trying_again_helps(
    make: Callable[..., S3Store],
    s3_server: S3Server,
    status: int,
    code: str,
    kind: type[StoreError],
) -> None:
    store = make(max_attempts=1)
    store.put("a", [b"x"])
    with s3_server.failing(lambda request: None if request.method == "HEAD" else RefusedError(status, code)):
        for verb in (lambda: store.put("b", [b"x"]), lambda: store.open("a"), store.check):
            with pytest.raises(kind) as caught:
                verb()
            assert caught.value.retry
    assert keys_of(store) == ["a"]


def test_one_failure_is_tried_again_unseen(store: S3Store, s3_server: S3Server) -> None:
    failures = iter([RefusedError(500, "InternalError")])
    with s3_server.failing(lambda _request: next(failures, None)):
        assert store.put("a", [b"x"]).size == 1
    assert next(failures, None) is None


@contextmanager
def talking(answer: bytes | None) -> Iterator[str]:
    """A server that says `answer` to every request and hangs up; or, with None, never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                connection, _ = listener.accept()
                with connection:
                    if answer is not None and not stop.is_set():
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve if answer is not None else lambda: None)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            if answer is not None:
                socket.create_connection(listener.getsockname()).close()
            thread.join(10)


def test_a_server_that_never_answers(make: Callable[..., S3Store]) -> None:
    with talking(None) as endpoint:
        store = make(endpoint_url=endpoint, read_timeout=0.1, connect_timeout=1, max_attempts=1)
        for verb in (store.check, lambda: store.stat("a"), lambda: list(store.iterate())):
            with pytest.raises(StoreUnavailableError, match="did not answer") as caught:
                verb()
            assert caught.value.retry


def test_nobody_listens(make: Callable[..., S3Store]) -> None:
    with talking(None) as endpoint:
        pass
    with pytest.raises(StoreUnavailableError, match="check endpoint_url"):
        make(endpoint_url=endpoint, max_attempts=1).check()


def test_a_connection_that_breaks_while_reading(make: Callable[..., S3Store]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: x\r\n\r\n"
    with talking(head + b"only this") as endpoint:
        store = make(endpoint_url=endpoint, max_attempts=1)
        with store.open("a") as blob, pytest.raises(StoreUnavailableError):
            blob.read()
        store.close()


def test_an_address_that_is_none(make: Callable[..., S3Store]) -> None:
    with pytest.raises(StoreAccessError, match="check endpoint_url"):
        make(endpoint_url="not a url").check()


def test_the_body_is_damaged_on_its_way(store: S3Store, s3_server: S3Server) -> None:
    with s3_server.failing(
        lambda request: RefusedError(400, "BadDigest") if request.method == "PUT" else None
    ):
        with pytest.raises(StoreUnavailableError) as caught:
            store.put("a", [b"x"])
        assert caught.value.retry


def test_parts_that_another_writer_replaced(store: S3Store) -> None:
    state, _ = store.append(store.begin("a"), 0, [data_of(PART)])
    store.append(state | {"parts": []}, 0, [])
    s3_parts.put_part(store._call, "a", state["upload_id"], 1, data_of(PART, seed=2))
    with pytest.raises(StoreError) as caught:
        store.finish(state, size=PART)
    assert not isinstance(caught.value, BlobNotFoundError)
    assert keys_of(store) == []


@pytest.mark.parametrize("where", ["partNumber=2", "uploadId"])
def test_an_upload_that_vanishes_before_its_end(store: S3Store, s3_server: S3Server, where: str) -> None:
    """Swept, or complete with the answer lost: the writer may try again, an assembly must begin again."""

    def gone(request: Incoming) -> RefusedError | None:
        last = request.method == "POST" or "partNumber" in where
        return RefusedError(404, "NoSuchUpload") if where in request.query and last else None

    state = store.begin("b")
    with s3_server.failing(gone):
        with pytest.raises(StoreUnavailableError, match="put it again"):
            store.put("a", chunked(data_of(2 * PART)))
        if "partNumber" in where:
            with pytest.raises(BlobNotFoundError, match="begin it again"):
                store.append(state, 0, chunked(data_of(2 * PART)))
    assert keys_of(store) == []


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NoSuchKey", 404, BlobNotFoundError),
        ("NoSuchUpload", 404, UploadGoneError),
        ("PreconditionFailed", 412, BlobExistsError),
        ("AccessDenied", 403, StoreAccessError),
        ("PermanentRedirect", 301, StoreAccessError),
        ("AuthorizationHeaderMalformed", 400, StoreAccessError),
        ("InvalidPart", 400, SizeMismatchError),
        ("SomethingNew", 400, StoreError),
        ("SomethingNew", 502, StoreUnavailableError),
        ("TooMuch", 429, StoreUnavailableError),
    ],
)
def test_what_answers_mean(code: str, status: int, kind: type[StoreError]) -> None:
    error = meaning(code, status, bucket="photos", key="a/b")
    assert type(error) is kind
    assert "photos" in str(error) or "a/b" in str(error) or "upload" in str(error)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"bucket": ""}, "bucket must not be empty"),
        ({"part_size": PART - 1}, "part_size must be at least"),
        ({"secret_key": ""}, "go together"),
    ],
)
def test_options_that_cannot_work(make: Callable[..., S3Store], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make(**options)


# The client.


def test_the_client_is_made_late_and_once(make: Callable[..., S3Store]) -> None:
    store = make()
    assert store._bucket._client is None
    start = threading.Barrier(8)

    def client(_: int) -> int:
        start.wait(30)
        return id(store._bucket.client)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(client, range(8)))) == 1


def test_a_forked_child_makes_its_own(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store._bucket.client
    assert store._bucket.client is first
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        second = store._bucket.client
        assert second is not first
        second.close()
    first.close()


def test_memory_stays_small(s3_server: S3Server, bucket: str) -> None:
    options = s3_server.options | {"bucket": bucket}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        growth, size = pool.submit(growth_of_put, "storage.s3.S3Store", options, 200).result(120)
    assert size == 200 * MIB
    assert growth < 80 * MIB


def test_a_failing_source_of_a_big_blob_frees_its_parts(
    store: S3Store, s3_server: S3Server, bucket: str
) -> None:
    with pytest.raises(ClientGoneError):
        store.put("a", dying(data_of(PART), data_of(PART), b"x"))
    assert s3_server.uploads(bucket) == []
    assert s3_server.objects(bucket) == []


# The gate in front of the test server is itself worth a test: it must refuse what S3 refuses.


def test_the_gate_refuses_an_old_signature() -> None:
    headers = {
        "host": "x",
        "x-amz-date": "20200101T000000Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=A/20200101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=0",
    }
    with pytest.raises(RefusedError, match="RequestTimeTooSkewed"):
        verify(Incoming("GET", "/b/a", "", headers, b""), {"A": "s"})
    with pytest.raises(RefusedError, match="SignatureDoesNotMatch"):
        verify(Incoming("GET", "/b/a", "", headers, b""), {"A": "s"}, now=datetime(2020, 1, 1, tzinfo=UTC))


def test_the_gate_checks_bodies(store: S3Store, s3_server: S3Server, bucket: str) -> None:
    client = store._bucket.client
    for headers in (
        {"ContentMD5": base64.b64encode(b"0" * 16).decode()},
        {"ChecksumSHA256": base64.b64encode(b"0" * 32).decode()},
    ):
        with pytest.raises(Exception, match="BadDigest"):
            client.put_object(Bucket=bucket, Key="a", Body=b"x", **headers)  # type: ignore[arg-type]
    assert s3_server.objects(bucket) == []


def test_the_gate_answers_preflights(s3_server: S3Server, bucket: str) -> None:
    answer = httpx.options(
        f"{s3_server.endpoint}/{bucket}/a",
        headers={"Origin": "http://x", "Access-Control-Request-Headers": "content-type,if-none-match"},
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-headers"] == "content-type,if-none-match"
