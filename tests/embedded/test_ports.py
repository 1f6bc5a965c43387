import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from alcoves.embedded import ports
from alcoves.embedded.errors import EmbeddedError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        yield int(holder.getsockname()[1])


def test_the_next_free_port_is_chosen(taken: int) -> None:
    chosen = ports.choose_port("127.0.0.1", taken, exact=False)
    assert taken < chosen < taken + ports.TRIES


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(taken: int) -> None:
    with pytest.raises(EmbeddedError, match=f"Port {taken} on 127.0.0.1 is taken") as raised:
        ports.choose_port("127.0.0.1", taken, exact=True)
    assert "--port" in str(raised.value)


@pytest.mark.parametrize("host", ["203.0.113.9", "no such name"])
def test_an_address_that_is_not_ours_is_told(host: str) -> None:
    with pytest.raises(EmbeddedError, match=r"address|cannot be used"):
        ports.choose_port(host, 8000, exact=False)


def test_http_status_tells_answer_and_silence(taken: int) -> None:
    answered = asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            asyncio.IncompleteReadError, ConnectionError
        ):  # Who only knocks says nothing.
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nwait")
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        answered.release()

    async def ask() -> tuple[tuple[int, str], tuple[int, str], bool]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            spoken = await ports.http_status("127.0.0.1", port, "/")
            open_before = await ports.answers_tcp("127.0.0.1", port)
            for _ in range(2):
                await asyncio.wait_for(answered.acquire(), 10)
        silent = await ports.http_status("127.0.0.1", port, "/")
        return spoken, silent, open_before

    spoken, silent, open_before = asyncio.run(ask())
    assert spoken == (503, "wait")
    assert silent[0] == 0
    assert open_before


def test_addresses_as_urls_want_them() -> None:
    assert ports.in_url("::1") == "[::1]"
    assert ports.reachable_host("0.0.0.0") == "127.0.0.1"
    assert ports.reachable_host("192.0.2.1") == "192.0.2.1"
