"""Free ports, and the questions that tell whether something answers."""

import asyncio
import contextlib
import errno
import socket

from alcoves.embedded.errors import EmbeddedError

TRIES = 100


def choose_port(host: str, wanted: int, *, exact: bool) -> int:
    """`wanted` if it is free, else the next free one; with `exact`, an error instead."""
    for port in range(wanted, min(wanted + TRIES, 65536)):
        if is_free(host, port):
            return port
        if exact:
            raise EmbeddedError(
                f"Port {port} on {host} is taken: stop the program that uses it, or choose another by --port."
            )
    raise EmbeddedError(f"No free port on {host} from {wanted} on: choose one with --port.")


def is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror as error:
        raise EmbeddedError(f"--host {host} is not an address of this machine: {error.strerror}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise EmbeddedError(f"Port {port} on {host} cannot be used: {error.strerror}.") from error
    return True


def reachable_host(host: str) -> str:
    """Where this machine reaches a server that was bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared, not bound.


def own_names() -> list[str]:
    """How other machines may call this one: its name, and the address it uses towards the network."""
    names = [socket.gethostname(), f"{socket.gethostname()}.local"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        # Connecting a datagram socket sends nothing; it only asks which address would be used.
        probe.connect(("192.0.2.1", 9))
        names.insert(0, probe.getsockname()[0])
    return names


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def answers_tcp(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    await _close(writer)
    return True


async def http_status(host: str, port: int, path: str, *, limit: float = 10.0) -> tuple[int, str]:
    """Status and body of GET `path`; (0, reason) when nothing answers."""
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(host, port)
            request = f"GET {path} HTTP/1.0\r\nHost: {in_url(host)}:{port}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            # To the end: head and body often come one after the other.
            answer = (await reader.read()).decode(errors="replace")
            await _close(writer)
    except (OSError, TimeoutError) as error:
        return 0, str(error) or type(error).__name__
    head, _, body = answer.partition("\r\n\r\n")
    words = head.split()
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), body


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
