import gc
from email.message import Message
from pathlib import Path

import pytest
from django.http import StreamingHttpResponse
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import BlobNotFoundError, RangeError
from storage.local import LocalStore
from storage.serving import content_disposition, iter_range, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes = 1 - 2", (1, 3)),
        ("bytes=0-1,5-6", None),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=--5", None),
        ("bytes=+1-5", None),
        ("bytes=1-5;", None),
        ("bytes=\u0661-\u0662", None),
        ("items=0-5", None),
        ("0-5", None),
        (f"bytes=0-{'9' * 5000}", None),
    ],
)  # fmt: skip
def test_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=500-600", 100), ("bytes=-0", 100),
                                              ("bytes=0-", 0), ("bytes=-5", 0)])  # fmt: skip
def test_ranges_that_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(RangeError) as caught:
        parse_range(header, size)
    assert caught.value.http_status == 416


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_what_a_slice_is(size: int, first: int, last: int) -> None:
    data = bytes(range(size))
    try:
        found = parse_range(f"bytes={first}-{last}", size)
    except RangeError:
        assert first >= size
    else:
        assert data[slice(*found)] == data[first : last + 1] if found else last < first


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", 'attachment; filename="a.jpg"'),
        ("my photo (1).jpg", 'attachment; filename="my photo (1).jpg"'),
        ("Grüße.jpg", "attachment; filename=\"Gr__e.jpg\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.jpg"),
        ('a"b\\c.jpg', "attachment; filename=\"a_b_c.jpg\"; filename*=UTF-8''a%22b%5Cc.jpg"),
        (
            "a\r\nSet-Cookie: x",
            "attachment; filename=\"aSet-Cookie_ x\"; filename*=UTF-8''aSet-Cookie%3A%20x",
        ),
        ("../../etc", "attachment; filename=\".._.._etc\"; filename*=UTF-8''..%2F..%2Fetc"),
        ("gpj.\u202eexe", 'attachment; filename="gpj.exe"'),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("bad\ud800.txt", 'attachment; filename="bad.txt"'),
        (" \x00 ", 'attachment; filename="file"'),
    ],
)
def test_names_in_headers(name: str, expected: str) -> None:
    assert content_disposition(name, inline=False) == expected
    assert content_disposition(name, inline=True) == expected.replace("attachment", "inline", 1)


@given(st.text())
def test_any_name_makes_one_header_that_parses(name: str) -> None:
    header = content_disposition(name, inline=False)
    assert header.isascii()
    assert header.isprintable()
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    assert message.get_filename()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore("files", root=tmp_path / "blobs", secret="x", sync=False)
    store.put("a", [b"0123456789"])
    return store


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_range_in_chunks(store: LocalStore) -> None:
    assert list(iter_range(store, "a", 2, 9, chunk=3)) == [b"234", b"567", b"8"]
    assert list(iter_range(store, "a")) == [b"0123456789"]
    assert list(iter_range(store, "a", 10)) == []


def test_errors_come_before_the_first_byte(store: LocalStore) -> None:
    with pytest.raises(BlobNotFoundError):
        iter_range(store, "b")
    with pytest.raises(RangeError):
        iter_range(store, "a", 11)


@pytest.mark.parametrize("read", [0, 1, 99])
def test_the_file_is_closed_when_the_client_is_gone(store: LocalStore, read: int) -> None:
    gc.collect()
    before = _open_files()
    response = StreamingHttpResponse(iter_range(store, "a", chunk=2))
    assert _open_files() == before + 1
    parts = iter(response)
    for _ in range(read):
        next(parts, None)
    response.close()
    assert _open_files() == before
