"""The loopback server: what HTTP asks of it, whom it lets in, what programs read, what a failing store becomes."""

import http.client
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pytest

from media.errors import DamagedFileError, TransientError
from media.tools import ffmpeg, ffprobe, ranges
from media.tools.blocks import BLOCK, KEPT, Blocks
from media.tools.ranges import RangeServer
from media.tools.run import ExitedError
from media.tools.sources import Loopback, head_of, size_of
from tests.makers import make_tone, make_video
from tests.workers import wait_until

DATA = bytes(range(256)) * 64


class Far:
    """A store: counts what is taken from it, and fails when it is told to."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []
        self.taken = 0
        self.failing: Callable[[int], Exception | None] = lambda _: None

    @contextmanager
    def open(self, start: int, end: int) -> Iterator[BinaryIO]:
        self.asked.append((start, end))
        if error := self.failing(start):
            raise error
        reader = io.BytesIO(self.data[start:end])
        try:
            yield reader
        finally:
            self.taken += reader.tell()


@pytest.fixture
def far() -> Far:
    return Far(DATA)


@pytest.fixture
def server(far: Far) -> Iterator[RangeServer]:
    with RangeServer(far.open, len(far.data)) as server:
        yield server


def connect(server: RangeServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.source.url).netloc, timeout=10)


def place(server: RangeServer) -> tuple[str, int]:
    parts = urlsplit(server.source.url)
    return parts.hostname or "", parts.port or 0


def ask(
    server: RangeServer, method: str = "GET", path: str = "", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = connect(server)
    try:
        connection.request(method, path or server.path, headers=headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_the_whole_and_its_head(server: RangeServer) -> None:
    status, body, headers = ask(server)
    assert (status, body, headers["accept-ranges"]) == (200, DATA, "bytes")
    assert "content-range" not in headers
    status, body, headers = ask(server, "HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(DATA)))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, len(DATA)),
        ("bytes=100-199", 100, 200),
        ("bytes=16383-", 16383, 16384),
        ("bytes=100-99999999", 100, len(DATA)),
        ("bytes=-10", len(DATA) - 10, len(DATA)),
        ("bytes=-99999999", 0, len(DATA)),
    ],
)
def test_one_range(server: RangeServer, asked: str, start: int, end: int) -> None:
    status, body, headers = ask(server, Range=asked)
    assert (status, body) == (206, DATA[start:end])
    assert headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=16384-", "bytes=99999999999999999-", "bytes=5-3", "bytes=-0"])
def test_a_range_that_is_not_there(server: RangeServer, asked: str) -> None:
    status, body, headers = ask(server, Range=asked)
    assert (status, body, headers["content-range"]) == (416, b"", f"bytes */{len(DATA)}")


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=" + "9" * 5000 + "-"]
)
def test_what_is_no_single_range_is_answered_whole(server: RangeServer, asked: str) -> None:
    assert ask(server, Range=asked)[:2] == (200, DATA)


def test_nothing_is_served_without_the_key(server: RangeServer, far: Far) -> None:
    assert len(server.path) > 40
    for path in ("/", server.path[:-1], f"{server.path}x", f"{server.path}?a", "/etc/passwd", "/%C3%A9"):
        assert ask(server, path=path)[:2] == (404, b"")
    assert far.asked == []
    assert ask(server, "POST")[0] == 501


def test_the_key_is_not_shown(server: RangeServer, capfd: pytest.CaptureFixture[str]) -> None:
    ask(server)
    assert server.path not in repr(server.source)
    assert capfd.readouterr().err == ""


def test_another_users_program_is_not_let_in(
    server: RangeServer, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = os.getuid
    monkeypatch.setattr("media.tools.ranges.os.getuid", lambda: true() + 1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(server)
    assert far.asked == []


def test_another_users_program_is_not_let_in_by_closing_its_own_half(
    server: RangeServer, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, asked = ranges.is_ours, threading.Event()
    monkeypatch.setattr("media.tools.ranges.is_ours", lambda *ends: asked.wait(10) and true(*ends))
    me = os.getuid()
    monkeypatch.setattr("media.tools.ranges.os.getuid", lambda: me + 1)
    with socket.create_connection(place(server), timeout=10) as client:
        client.sendall(f"GET {server.path} HTTP/1.1\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)
        asked.set()
        with suppress(ConnectionResetError):
            assert client.recv(100) == b""
    assert far.asked == []


def test_a_program_of_our_own_may_close_its_half(server: RangeServer) -> None:
    with socket.create_connection(place(server), timeout=10) as client:
        client.sendall(f"GET {server.path} HTTP/1.1\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_table_of_connections_that_lacks_our_own_tells_nothing(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "tcp"
    table.write_text("  sl  local_address rem_address   st\n")
    monkeypatch.setattr(ranges, "CONNECTIONS", table)
    assert ask(server)[0] == 200


def test_who_connects_is_not_asked_where_the_system_does_not_tell(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ranges, "CONNECTIONS", tmp_path / "none")
    assert ask(server)[0] == 200


def test_a_connection_is_kept(server: RangeServer) -> None:
    connection = connect(server)
    ports = set()
    for start in (0, 5, 5000):
        connection.request("GET", server.path, headers={"Range": f"bytes={start}-{start + 9}"})
        assert connection.getresponse().read() == DATA[start : start + 10]
        assert connection.sock is not None
        ports.add(connection.sock.getsockname()[1])
    assert len(ports) == 1
    connection.close()


def test_a_client_may_leave_in_the_middle(far: Far) -> None:
    far.data = bytes(8 * BLOCK) * 8
    with RangeServer(far.open, len(far.data)) as server:
        for _ in range(3):
            plain = socket.create_connection(("127.0.0.1", urlsplit(server.source.url).port or 0))
            plain.sendall(f"GET {server.path} HTTP/1.1\r\n\r\n".encode())
            assert plain.recv(100).startswith(b"HTTP/1.1 200")
            plain.close()
        assert ask(server, Range="bytes=0-3")[1] == bytes(4)
        assert server.trouble() is None


def test_it_ends_with_its_run(far: Far) -> None:
    before = threading.active_count()
    server = RangeServer(far.open, len(far.data))
    kept = connect(server)
    kept.request("HEAD", server.path)
    kept.getresponse().read()
    server.close()
    assert wait_until(lambda: threading.active_count() <= before, 5)
    with pytest.raises(ConnectionRefusedError):
        ask(server)
    assert kept.sock is not None
    assert kept.sock.recv(1) == b""
    kept.close()


def test_many_readers_at_once(far: Far) -> None:
    far.data = os.urandom(3 * BLOCK)
    with RangeServer(far.open, len(far.data)) as server:
        bodies: list[bytes] = []
        threads = [threading.Thread(target=lambda: bodies.append(ask(server)[1])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bodies == [far.data] * 8


def test_bytes_are_fetched_in_growing_windows_and_once() -> None:
    far = Far(os.urandom(40 * BLOCK + 17))
    blocks = Blocks(far.open, len(far.data))
    assert b"".join(blocks.read(0, len(far.data))) == far.data
    assert [(end - start) // BLOCK for start, end in far.asked] == [1, 2, 4, 8, 16, 9]
    assert far.taken == len(far.data)
    assert b"".join(blocks.read(5, 9 * BLOCK)) == far.data[5 : 9 * BLOCK]
    assert far.taken == len(far.data)


def test_two_places_read_in_turn_fetch_each_block_once() -> None:
    """Picture at the beginning, sound at the end: what a film that was badly interleaved makes of a reader."""
    far = Far(os.urandom(40 * BLOCK))
    blocks = Blocks(far.open, len(far.data))
    for step in range(0, 20 * BLOCK, 10_000):
        assert b"".join(blocks.read(step, step + 10_000)) == far.data[step : step + 10_000]
        far_step = 20 * BLOCK + step
        assert b"".join(blocks.read(far_step, far_step + 10_000)) == far.data[far_step : far_step + 10_000]
    assert far.taken <= len(far.data) + BLOCK


def test_what_is_kept_is_bounded() -> None:
    far = Far(bytes((KEPT + 20) * BLOCK))
    blocks = Blocks(far.open, len(far.data))
    assert sum(len(piece) for piece in blocks.read(0, len(far.data))) == len(far.data)
    assert len(blocks._kept) == KEPT


def test_a_fetch_that_breaks_off_goes_on_where_it_was(far: Far) -> None:
    failures = iter([OSError("reset"), None, OSError("reset"), None])
    far.failing = lambda _: next(failures, None)
    blocks = Blocks(far.open, len(far.data))
    assert b"".join(blocks.read(0, len(far.data))) == DATA


def test_a_store_that_stays_away_is_told_to_the_run(far: Far, tmp_path: Path) -> None:
    far.data = make_video(tmp_path / "film.mp4", seconds=30, size=(640, 360)).read_bytes()
    assert len(far.data) > 3 * BLOCK
    far.failing = lambda start: ValueError("away") if start > BLOCK else None
    with RangeServer(far.open, len(far.data)) as server:
        source = ffmpeg.input_arguments(server.source, "mov")
        with pytest.raises((DamagedFileError, ExitedError)):
            ffmpeg.run([*source, "-f", "null", "-"], timeout=30)
        assert str(server.trouble()) == "away"


def test_a_store_that_says_nothing_is_told_to_the_run(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, entered = threading.Event(), threading.Event()

    @contextmanager
    def hanging(start: int, end: int) -> Iterator[BinaryIO]:
        entered.set()
        stop.wait(30)
        yield io.BytesIO(DATA[start:end])

    monkeypatch.setattr(ranges, "SLOW", 0.0)
    with RangeServer(hanging, len(DATA)) as server:
        reader = threading.Thread(target=lambda: ask(server))
        reader.start()
        assert entered.wait(10)
        trouble = wait_until(server.trouble, 5)
        stop.set()
        reader.join()
        assert (trouble.code, trouble.retry) == ("store_unavailable", True)
        assert server.trouble() is None


def test_fewer_bytes_than_promised_are_trouble() -> None:
    far = Far(DATA)
    with RangeServer(far.open, len(DATA) + 10) as server:
        with pytest.raises(http.client.IncompleteRead):
            ask(server)
        assert isinstance(server.trouble(), TransientError)


def served(path: Path) -> "AbstractContextManager[tuple[Far, Loopback]]":
    @contextmanager
    def serving() -> Iterator[tuple[Far, Loopback]]:
        far = Far(path.read_bytes())
        with RangeServer(far.open, len(far.data)) as server:
            yield far, server.source
            assert server.trouble() is None

    return serving()


def test_ffprobe_reads_an_index_at_the_end_and_little_else(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", seconds=60, size=(1280, 720), options=["-b:v", "4M"])
    with served(film) as (far, source):
        answer = ffprobe.read(source, "mov")
        assert float(answer["format"]["duration"]) == pytest.approx(60, abs=0.2)
        assert len(far.data) > 20_000_000
        # A few windows of some blocks are asked for; how much of each is on its way is up to the kernel.
        assert far.taken < len(far.data) / 10


def test_a_seek_reads_little(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mkv", seconds=60, size=(1280, 720), options=["-b:v", "4M", "-g", "25"])
    with served(film) as (far, source):
        picture = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
        far_seek = ["-ss", "45", *ffmpeg.input_arguments(source, "matroska"), *picture]
        near_seek = ["-ss", "45", *ffmpeg.input_arguments(film, "matroska"), *picture]
        assert ffmpeg.run(far_seek, timeout=30).stdout == ffmpeg.run(near_seek, timeout=30).stdout
        assert far.taken < len(far.data) / 4


def test_a_whole_film_over_the_server_is_the_same(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", seconds=5)
    hashed = ["-map", "0", "-f", "hash", "-hash", "md5", "-"]
    with served(film) as (_, source):
        found = ffmpeg.run([*ffmpeg.input_arguments(source, "mov"), *hashed], timeout=30).stdout
    assert found == ffmpeg.run([*ffmpeg.input_arguments(film, "mov"), *hashed], timeout=30).stdout


def test_a_wav_that_was_never_finished_is_read_over_the_server(tmp_path: Path) -> None:
    whole = make_tone(tmp_path / "whole.wav").read_bytes()
    broken = tmp_path / "broken.wav"
    listing = b"LIST\xff\xff\xff\xffINFOISFT\x04\x00\x00\x00test"
    broken.write_bytes(whole[:4] + b"\xff" * 4 + whole[8:36] + listing + b"data\xff\xff\xff\xff" + whole[44:])
    with served(broken) as (_, source):
        assert float(ffprobe.read(source, "wav")["format"]["duration"]) == pytest.approx(2.0, abs=0.01)
        assert (head_of(source, 4), size_of(source)) == (b"RIFF", broken.stat().st_size)


def test_a_proxy_of_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with served(make_tone(tmp_path / "tone.wav")) as (_, source):
        assert ffprobe.read(source, "wav")["format"]["duration"] == "2.000000"


class Trap:
    """A server that must see nothing, or that sends whoever comes to another address."""

    def __init__(self, answer: bytes = b"") -> None:
        self.seen: list[bytes] = []
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.seen.append(connection.recv(4096))
                connection.sendall(self.answer)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def decode(source: Loopback) -> None:
    ffmpeg.run([*ffmpeg.input_arguments(source, "mov"), "-f", "null", "-"], timeout=20)


def look(source: Loopback) -> None:
    ffprobe.read(source, "mov")


@pytest.mark.parametrize("opening", [decode, look])
def test_a_redirect_is_not_followed(opening: Callable[[Loopback], None]) -> None:
    aim = Trap()
    place = f"Location: http://127.0.0.1:{aim.port}/secret\r\n".encode()
    sender = Trap(b"HTTP/1.1 302 Found\r\n" + place + b"Content-Length: 0\r\n\r\n")
    source = Loopback(f"http://127.0.0.1:{sender.port}/film", 1000, lambda start, length: b"")
    with pytest.raises((DamagedFileError, ExitedError)):
        opening(source)
    aim.close()
    sender.close()
    assert (len(sender.seen), aim.seen) == (1, [])


def test_only_options_that_the_build_knows(tmp_path: Path) -> None:
    old = tmp_path / "ffmpeg"
    old.write_text("#!/bin/sh\necho '  -seekable          <boolean>    .D......... control'\n")
    old.chmod(0o755)
    assert set(ffmpeg.over_http(str(old))) == {"protocol_whitelist", "rw_timeout", "seekable"}
    assert set(ffmpeg.over_http(ffmpeg.binary())) == set(ffmpeg.OVER_HTTP)
