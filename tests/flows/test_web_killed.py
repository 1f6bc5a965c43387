"""The web process dies with kill -9 in the middle of an upload; the next one goes on where it stopped."""

import base64
import hashlib
import http.client
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from alcoves.accounts.models import AccessToken, User
from media.libraries import create_library
from media.models import Derivative, File, Library, Upload
from storage.registry import get_store
from tests.workers import Process, answers, free_port, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = b"\x89PNG\r\n\x1a\n" + random.Random(5).randbytes(24 * 1024 * 1024)


@contextmanager
def running_web(folder: Path, port: int) -> Iterator[Process]:
    process = Process(
        ["-m", "uvicorn", "alcoves.asgi:application", "--port", str(port), "--lifespan", "off"],
        folder,
        ALCOVES_TEST_REAL_DERIVERS="1",
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 30, "web")
        yield process
    finally:
        process.kill_all()


class Tus:
    """A small tus client over a real connection."""

    def __init__(self, port: int, user: User) -> None:
        _, secret = AccessToken.issue(user, "tus")
        self.port = port
        self.headers = {"Authorization": f"Bearer {secret}", "Tus-Resumable": "1.0.0"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, {**self.headers, **named})
            answer = connection.getresponse()
            answer.read()
            return answer

    def create(self, library: Library, name: str) -> str:
        pairs = {"libraryId": str(library.pk), "filename": name}
        metadata = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items()
        )
        answer = self.ask("POST", "/api/tus", Upload_Length=str(len(CONTENT)), Upload_Metadata=metadata)
        assert answer.status == 201
        return urlsplit(str(answer.headers["Location"])).path

    def offset(self, place: str) -> int:
        return int(self.ask("HEAD", place).headers["Upload-Offset"])

    def send(self, place: str, offset: int, body: Any, length: int) -> http.client.HTTPResponse:
        return self.ask(
            "PATCH",
            place,
            body,
            Content_Type="application/offset+octet-stream",
            Upload_Offset=str(offset),
            Content_Length=str(length),
        )


def test_an_upload_survives_the_web_process(tmp_path: Path, settings: Any) -> None:
    settings.STORE_RESERVE_BYTES = 0
    owner = User.objects.create_user("owner@example.org", "owner-password")
    library = create_library(owner, "Uploads")
    port = free_port()
    client = Tus(port, owner)
    half = 10 * 1024 * 1024
    with running_web(tmp_path, port) as web:
        place = client.create(library, "big.png")
        assert client.send(place, 0, CONTENT[:half], half).status == 204

        def dying() -> Iterator[bytes]:
            """Sends a little, then the server is gone."""
            yield CONTENT[half : half + 4 * 1024 * 1024]
            web.kill_all()
            yield CONTENT[half + 4 * 1024 * 1024 :]

        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.send(place, half, dying(), len(CONTENT) - half)
    assert not File.objects.exists()
    with running_web(tmp_path, port), running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="1"):
        offset = client.offset(place)
        assert half <= offset < len(CONTENT)
        answer = wait_until(lambda: finished(client, place), 60, "the rest to be taken")
        assert answer.status == 204
        file = File.objects.get()
        wait_until(lambda: File.objects.filter(original__sha256__isnull=False).exists())
        wait_until(lambda: not Derivative.objects.filter(status__in=("queued", "processing")).exists())
    file.refresh_from_db()
    assert file.original.sha256 == hashlib.sha256(CONTENT).hexdigest()
    with get_store("files").open(file.original.key) as blob:
        assert hashlib.sha256(blob.read()).hexdigest() == file.original.sha256
    assert Upload.objects.filter(finished_at__isnull=True).count() == 0


def finished(client: Tus, place: str) -> http.client.HTTPResponse | None:
    """The rest from where the server says it is; None while the dead process' lock still stands (423)."""
    offset = client.offset(place)
    answer = client.send(place, offset, CONTENT[offset:], len(CONTENT) - offset)
    return None if answer.status == 423 else answer
