"""How fast does a big file come in by tus over HTTP, beside writing and hashing the same blocks without a server?

Three ways in turn, round by round: to disk alone, one request for all, and requests of 50 MiB.
"""

import base64
import contextlib
import hashlib
import http.client
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from alcoves.accounts.models import AccessToken
from media.models import File, Library
from tests.bench import machines
from tests.bench.measuring import Result, median

BLOCK = 1024 * 1024
LEAST_SHARE = 0.5
MOST_GROWTH_MB = 100.0


@dataclass(frozen=True, slots=True)
class Size:
    blocks: int = 1024
    """Of 1 MiB each."""
    rounds: int = 5
    chunk_blocks: int = 50


class Content:
    """So many blocks out of a small stock, begun by one that no other content has."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.size = blocks * BLOCK
        self._first = uuid4().bytes * (BLOCK // 16)

    def part(self, start: int, end: int) -> Iterator[bytes]:
        for number in range(start, min(end, self.blocks)):
            yield STOCK[number % len(STOCK)] if number else self._first


STOCK = [os.urandom(BLOCK) for _ in range(16)]


@dataclass(frozen=True, slots=True)
class Client:
    """One tus client with its token."""

    port: int
    token: str
    library: Library

    def send(self, content: Content, step: int) -> None:
        """Creation with the first chunk in it, then PATCH after PATCH on the same connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            metadata = {"libraryId": str(self.library.pk), "filename": f"{uuid4()}.bin"}
            said = ",".join(
                f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in metadata.items()
            )
            create = {"Upload-Length": str(content.size), "Upload-Metadata": said}
            where, offset = self.request(connection, "POST", "/api/tus", content, (0, step), create)
            while offset < content.size:
                at = offset // BLOCK
                headers = {"Upload-Offset": str(offset)}
                _, offset = self.request(connection, "PATCH", where, content, (at, at + step), headers)

    def request(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        content: Content,
        part: tuple[int, int],
        headers: dict[str, str],
    ) -> tuple[str, int]:
        """The location and the new offset."""
        start, end = part
        size = (min(end, content.blocks) - start) * BLOCK
        headers |= {
            "Authorization": f"Bearer {self.token}",
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(size),
        }
        connection.request(method, path, body=content.part(start, end), headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in {201, 204}, body
        return answer.headers.get("Location", ""), int(answer.headers["Upload-Offset"])


def run(size: Size, folder: Path) -> list[Result]:
    home = machines.library()
    owner = home.memberships.get().user
    _, token = AccessToken.issue(owner, "bench")
    with machines.web(folder) as (port, pid):
        client = Client(port, token, home)
        client.send(Content(2), 2)
        before, proportional = machines.memory(pid, "VmRSS"), machines.proportional_memory(pid)
        speeds = measure(size, folder, client)
        peak, after = machines.memory(pid, "VmHWM"), machines.proportional_memory(pid)
    assert File.objects.filter(library=home).count() == 1 + 2 * size.rounds
    share = {
        way: [one / alone for one, alone in zip(speeds[way], speeds["alone"], strict=True)] for way in speeds
    }
    raw = {
        "bytes": size.blocks * BLOCK,
        "mb_per_second": {way: [round(speed) for speed in each] for way, each in speeds.items()},
        "share_in_one_request": round(median(share["one request"]), 3),
        "share_in_chunks": round(median(share["chunks"]), 3),
    }
    grown = {
        "rss_before_mb": round(before, 1),
        "rss_peak_mb": round(peak, 1),
        "pss_before_mb": round(proportional, 1),
        "pss_after_mb": round(after, 1),
    }
    slower = min(median(share["one request"]), median(share["chunks"]))
    return [
        Result("upload", slower, LEAST_SHARE, higher_is_better=True, raw=raw),
        Result("upload-memory", peak - before, MOST_GROWTH_MB, higher_is_better=False, raw=grown),
    ]


def measure(size: Size, folder: Path, client: Client) -> dict[str, list[float]]:
    """MB a second of each way, round by round; the stores are emptied between, so that the disk stays free."""
    ways: dict[str, Callable[[Content], None]] = {
        "alone": lambda content: write_alone(content, folder / "stores" / "alone"),
        "one request": lambda content: client.send(content, content.blocks),
        "chunks": lambda content: client.send(content, size.chunk_blocks),
    }
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(size.rounds):
        for way, act in ways.items():
            content = Content(size.blocks)
            os.sync()
            began = time.monotonic()
            act(content)
            speeds[way].append(content.size / 1e6 / (time.monotonic() - began))
            for child in (folder / "stores" / "files").iterdir():
                if child.name != ".staging":
                    shutil.rmtree(child)
    return speeds


def write_alone(content: Content, path: Path) -> None:
    """What no way in can leave out: hash, write, sync."""
    digest = hashlib.sha256()
    with path.open("wb") as target:
        for block in content.part(0, content.blocks):
            digest.update(block)
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    path.unlink()
