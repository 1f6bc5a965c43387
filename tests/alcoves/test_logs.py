"""Lines of the log: JSON with ids, and nothing secret in them, by real requests, real tasks and real errors."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alcoves import logs
from alcoves.accounts.models import AccessToken, User
from alcoves.celery import app
from media import dispatch
from media.ledger import after
from media.models import Derivative, File, Library
from tests.alcoves.test_tracing import running_web
from tests.ingesting import take_in
from tests.makers import make_image
from tests.workers import running_worker, wait_until

JSON = {"ALCOVES_LOG_FORMAT": "json", "ALCOVES_LOG_LEVEL": "INFO"}
NAMES = {"timestamp", "level", "logger", "message"}


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    before = set(logs.known)
    yield
    logs.known.clear()
    logs.known.update(before)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("GET /x with alc_abcDEF123456789-_", "GET /x with alc_***"),
        ("Authorization: Bearer eyJhbGciOi.JIUzI1", "Authorization: ***"),
        ("headers={'Authorization': 'Basic dXNlcjpwYXNz'}", "headers={'Authorization': ***"),
        ("sent bearer abcdefghijkl to it", "sent bearer *** to it"),
        ("postgresql://alcoves:hunter22@db:5432/alcoves", "postgresql://alcoves:***@db:5432/alcoves"),
        ("redis://:p%40ss@cache:6379/0 is away", "redis://:***@cache:6379/0 is away"),
        ("connect host=db user=a password=hunter22 dbname=b", "connect host=db user=a password=*** dbname=b"),
        ("?width=3&s=QDakN5tZ4u6x4G90csqgHg&v=1", "?width=3&s=***&v=1"),
        (
            "?X-Amz-Signature=0a1b2c&X-Amz-Credential=AKIA%2F1&x=1",
            "?X-Amz-Signature=***&X-Amz-Credential=***&x=1",
        ),
        ("/api/files/upload-signed?token=abc.def", "/api/files/upload-signed?token=***"),
        ("Not Found: /s/k3Jx9LmQ2wE_r", "Not Found: /s/***"),
        ("{'secret_key': 'abc def', 'port': 5}", "{'secret_key': ***, 'port': 5}"),
        ("Cookie: alcoves-session=abcdef; theme=dark", "Cookie: ***"),
        ("the file of 12 bytes has width=3", "the file of 12 bytes has width=3"),
        ("a token of the queue, 3 of them", "a token of the queue, 3 of them"),
    ],
)
def test_what_is_secret_is_left_out(said: str, told: str) -> None:
    assert logs.scrub(said) == told


def record(message: str, *args: Any, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error is not None else None
    made = logging.getLogger("test").makeRecord("test", logging.ERROR, "f.py", 1, message, args, info)
    made.__dict__.update(extra)
    return made


def formatters() -> list[logging.Formatter]:
    return [logs.Lines("%(levelname)s %(message)s"), logs.JsonLines()]


@pytest.mark.parametrize("number", [0, 1])
def test_arguments_tracebacks_and_extras_are_no_way_around_it(number: int) -> None:
    formatter = formatters()[number]
    logs.hide('quo"ted-secret')
    try:
        raise ValueError('cannot connect to postgresql://a:hunter22@db/x with quo"ted-secret')
    except ValueError:
        error = sys.exc_info()[1]
    text = formatter.format(
        record("sent %s to %r", 'quo"ted-secret', {"token": "abcdef"}, error=error, password="hunter33")
    )
    for secret in ("quo", "hunter22", "hunter33", "abcdef"):
        assert secret not in text, text
    assert "ValueError" in text


def test_a_short_secret_hides_nothing() -> None:
    logs.hide("a")
    assert logs.scrub("a line") == "a line"


def test_lines_say_what_they_belong_to() -> None:
    formatter = logs.JsonLines()
    with logs.about(request_id="one", file=None), logs.about(task="two"):
        logs.note(original="three")
        inside = json.loads(formatter.format(record("here")))
    outside = json.loads(formatter.format(record("there")))
    assert (inside["request_id"], inside["task"], inside["original"]) == ("one", "two", "three")
    assert "file" not in inside
    assert set(outside) == NAMES
    assert outside["timestamp"].endswith("+00:00")
    assert outside["level"] == "ERROR"


@pytest.fixture
def photo(library: Library, tmp_path: Path) -> File:
    return take_in(library, make_image(tmp_path / "a.jpg"), "a.jpg").file


@pytest.mark.django_db(transaction=True)
def test_requests_are_told_with_their_ids_and_without_their_secrets(
    photo: File, alice: User, tmp_path: Path
) -> None:
    _, token = AccessToken.issue(alice, "logs")
    with running_web(tmp_path, **JSON) as web:
        file = httpx.get(
            f"{web}/api/libraries/{photo.library_id}/files/{photo.pk}/derivatives/none",
            headers={"authorization": f"Bearer {token}"},
            timeout=30,
        )
        share = httpx.get(f"{web}/s/k3Jx9LmQ2wErTy", timeout=30)
        lost = httpx.get(f"{web}/nothing/{token}", params={"token": token}, timeout=30)
        assert {file.status_code, share.status_code, lost.status_code} == {404}
        text = wait_until(lambda: text_with(tmp_path, file, share, lost), 30, "a line for each")
    assert token not in text
    assert "k3Jx9LmQ2wErTy" not in text
    told = {line["request_id"]: line for line in lines_of(text) if "request_id" in line}
    line = told[file.headers["x-request-id"]]
    assert set(line) >= NAMES
    assert (line["logger"], line["file"], line["library"]) == (
        "django.request",
        str(photo.pk),
        str(photo.library_id),
    )
    assert line["trace_id"] == file.headers["x-trace-id"]
    assert "alc_***" in told[lost.headers["x-request-id"]]["message"]


def text_with(folder: Path, *answers: httpx.Response) -> str:
    text = "\n".join(path.read_text() for path in folder.glob("process-*.log"))
    return text if all(answer.headers["x-request-id"] in text for answer in answers) else ""


@pytest.mark.django_db(transaction=True)
def test_tasks_are_told_with_their_ids_and_without_their_secrets(photo: File, tmp_path: Path) -> None:
    """A job that fails for good, and a task that raises what it was given: a word and an address with a password."""
    row = Derivative.objects.filter(original=photo.original).first()
    assert row is not None
    Derivative.objects.exclude(pk=row.pk).delete()
    Derivative.objects.filter(pk=row.pk).update(
        deriver="fussy", queue="thumbnail", parameters={"mood": "permanent"}, published_at=after(3600)
    )
    # What was sent when the file came would be run first, and is of no request.
    dispatch.redis_client().flushdb()
    with running_worker(tmp_path, **JSON) as worker:
        with logs.about(request_id="0123456789abcdef"):
            app.send_task("media.derive", args=(str(row.pk),), queue="thumbnail")
            app.send_task(
                "media.prewarm_image", args=("postgresql://a:hunter22@db/x", "now"), queue="maintenance"
            )
        wait_until(lambda: Derivative.objects.filter(pk=row.pk, status="failed").exists())
        text = wait_until(
            lambda: worker.text() if "raised unexpected" in worker.text() else "", 30, "the error"
        )
    assert "hunter22" not in text
    assert "Traceback" in text
    lines = lines_of(text)
    failed = next(line for line in lines if line["logger"] == "media.runs" and "failed" in line["message"])
    assert (failed["derivative"], failed["original"]) == (str(row.pk), str(photo.original_id))
    assert (failed["deriver"], failed["task"]) == ("fussy", "media.derive")
    assert (failed["request_id"], len(failed["trace_id"])) == ("0123456789abcdef", 32)
    assert failed["task_id"]
    assert failed["worker"].startswith("all@")
    assert all(set(line) >= NAMES for line in lines)


def test_only_a_record_begins_a_line() -> None:
    """Neither a message nor an error can write a line that looks like another one."""
    try:
        raise ValueError("bad\nERROR a line of nobody\rERROR and another")
    except ValueError:
        error = sys.exc_info()[1]
    text = formatters()[0].format(record("file %s", "x\nERROR a line of nobody\u2028\x1b[2J", error=error))
    assert text.startswith("ERROR file x\\nERROR a line of nobody\\u2028\\x1b[2J\n")
    assert [line for line in text.splitlines() if not line.startswith(" ")] == [text.splitlines()[0]]
    assert "Traceback" in text


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_quote_within_a_secret_does_not_end_it(quote: str) -> None:
    assert logs.scrub(f"password={quote}a\\{quote}b c{quote} and more") == "password=*** and more"
