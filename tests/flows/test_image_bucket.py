"""Pictures where everything lies in a bucket and each lane has a worker of its own: real web, real workers, real S3."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from PIL import Image

from alcoves.accounts.models import User
from media import dispatch, pictures, tasks
from media.images.variants import VARIANTS, VARIANTS_VERSION
from media.models import CachedImage, File, Library, Original, uuid7
from storage import registry
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.makers import make_image
from tests.storage.s3server import S3Server, running_server
from tests.workers import Process, answers, free_port, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bucket(settings: Any) -> Iterator[dict[str, str]]:
    """The stores of this process, and the variables by which others find the same."""
    with running_server() as server:
        name = server.create_bucket(f"bucket-{uuid7()}")
        use(settings, server, name)
        yield {
            "ALCOVES_STORAGE_DRIVER": "s3",
            "ALCOVES_S3_ENDPOINT": server.endpoint,
            "ALCOVES_S3_BUCKET": name,
            "ALCOVES_S3_ACCESS_KEY": server.access_key,
            "ALCOVES_S3_SECRET_KEY": server.secret_key,
        }
        registry.reset()


def use(settings: Any, server: S3Server, name: str) -> None:
    settings.BLOB_STORES = {
        store: {
            "BACKEND": "storage.s3.S3Store",
            "OPTIONS": {**server.options, "bucket": name, "prefix": f"{store}/"},
        }
        for store in settings.BLOB_STORES
    }
    registry.reset()


@pytest.fixture
def photo(bucket: dict[str, str], library: Library, tmp_path: Path) -> File:
    made = take_in(library, make_image(tmp_path / "a.jpg", size=(1600, 1200)), "a.jpg").file
    run_queued()
    return File.objects.get(pk=made.pk)


@pytest.fixture
def bobs(bob: User, settings: Any) -> dict[str, str]:
    browser = Client()
    browser.force_login(bob)
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={browser.session.session_key}"}


def web(folder: Path, stack: ExitStack, **extra: str) -> str:
    port = free_port()
    process = Process(
        ["-m", "uvicorn", "alcoves.asgi:application", "--port", str(port), "--lifespan", "off"],
        folder,
        ALCOVES_WEB_THREADS="2",
        **extra,
    )
    stack.callback(process.kill_all)
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 60, "web")
    return f"http://127.0.0.1:{port}"


def test_the_interactive_lane_makes_what_is_asked_for(
    bucket: dict[str, str], photo: File, bobs: dict[str, str], tmp_path: Path
) -> None:
    """Cold from the message, warm streamed by us, or from the bucket where browsers reach it."""
    with ExitStack() as stack:
        stack.enter_context(running_worker(tmp_path, "--lane", "interactive", **bucket))
        ours = web(tmp_path, stack, **bucket)
        listed = httpx.get(f"{ours}/api/libraries/{photo.library_id}/files", headers=bobs, timeout=30)
        address = listed.json()["entries"][0]["images"]["card"]
        get = partial(httpx.get, headers=bobs, timeout=60)
        cold = get(f"{ours}{address}")
        assert (cold.status_code, cold.headers["content-type"]) == (200, "image/jpeg")
        with Image.open(BytesIO(cold.content)) as image:
            assert image.size == (480, 360)
        wait_until(lambda: CachedImage.objects.filter(size__gt=0).exists(), 20, "the picture to be kept")
        assert get(f"{ours}{address}").content == cold.content
        assert get(f"{ours}{address}", headers={**bobs, "range": "bytes=0-9"}).status_code == 206
        theirs = web(tmp_path, stack, **bucket, ALCOVES_S3_PUBLIC_ENDPOINT=bucket["ALCOVES_S3_ENDPOINT"])
        away = get(f"{theirs}{address}")
        assert (away.status_code, away.headers["cache-control"]) == (302, "private, max-age=300")
        fetched = httpx.get(away.headers["location"], timeout=30)
        assert (fetched.content, fetched.headers["content-type"]) == (cold.content, "image/jpeg")
        policy = get(f"{theirs}/login").headers["content-security-policy"]
        assert f"img-src 'self' {bucket['ALCOVES_S3_ENDPOINT']} " in policy
        assert httpx.get(f"{theirs}{address}", timeout=30).status_code == 404


def test_the_maintenance_lane_warms(bucket: dict[str, str], photo: File, tmp_path: Path) -> None:
    (picture,) = pictures.live_pictures(photo.original)
    assert tasks.prewarm_pictures() == 1
    assert dispatch.queue_lengths()["maintenance"] == 1
    with running_worker(tmp_path, "--lane", "maintenance", "--concurrency", "1", **bucket):
        wait_until(lambda: Original.objects.filter(warmed_version=VARIANTS_VERSION).exists(), 30, "warmth")
    stored = {stat.key for stat in get_store("cache").iterate()}
    assert stored == {picture.cache_key(recipe) for recipe in picture.variants().values()}
    assert len(stored) == len(VARIANTS)
