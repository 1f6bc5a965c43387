"""The pages of queues, workers and upkeep as an operator uses them: paused, grown, resumed; live, wide and narrow."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from alcoves.accounts.models import User
from media import controls, dispatch, workers
from media.libraries import create_library
from media.models import Derivative, Library
from media.workers import Report, Running
from tests.browser.driving import WITH_BROWSER, log_in, looking
from tests.derivers import TABLE
from tests.ingesting import take_in

SHOTS = os.environ.get("ALCOVES_TEST_SHOTS", "")
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Library:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    settings.DERIVERS = {"echo": TABLE["echo"]}
    owner = User.objects.create_superuser("root@example.org", "root-password", name="Root")
    return create_library(owner, "Steering")


@pytest.fixture(
    params=[("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)], ids=lambda it: f"{it[0]}-{it[1]}"
)
def page(request: pytest.FixtureRequest, home: Library, live_server: Any) -> Iterator[Page]:
    """Of an operator. Whatever the browser complains of fails the test."""
    scheme, width = request.param
    size: Any = {"width": width, "height": 1400}
    with looking(live_server, color_scheme=scheme, viewport=size) as page:
        log_in(page, "root@example.org", "root-password", "/admin/queues")
        expect(page.get_by_role("heading", name="Interactive")).to_be_visible()
        yield page


def shoot(page: Page, request: pytest.FixtureRequest, name: str) -> None:
    """Where ALCOVES_TEST_SHOTS names a folder, a picture; always: nothing stands out of the page."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if SHOTS:
        kind = request.node.callspec.id
        page.screenshot(path=Path(SHOTS) / f"{name}-{kind}.png", full_page=True)


def worker(name: str, *running: Running, **values: Any) -> None:
    now = timezone.now().timestamp()
    about = {
        "lane": "all", "host": "left", "pid": 7, "version": "0.1.0", "began": now - 8000, "seen": now, "slots": 4,
        "caps": {"standard": 3, "heavy": 1, "maintenance": 1}, "polled": now, "looped": now, "memory": 312_000_000,
    }  # fmt: skip
    report = Report(name=name, running=running, **{**about, **values})
    workers.write(report)
    workers.tell(report)


def test_a_queue_is_paused_grows_and_is_resumed(
    page: Page, home: Library, request: pytest.FixtureRequest
) -> None:
    worker("all@left")
    row = page.locator("tr", has=page.get_by_role("rowheader", name="metadata"))
    row.get_by_text("Pause", exact=True).click()
    row.get_by_label("Why?").fill("the disk is being")
    for number in range(3):
        take_in(home, PNG + bytes([number]), f"{number}.png")
    # The page changes around what is being typed, and takes nothing of it away.
    expect(row.locator("td[data-label='Waiting']")).to_have_text("3", timeout=15000)
    expect(row.get_by_label("Why?")).to_be_focused()
    page.keyboard.type(" replaced")
    row.get_by_role("button", name="Pause metadata").click()
    expect(page.get_by_text("metadata is paused")).to_be_visible()
    expect(row).to_contain_text("the disk is being replaced")
    assert controls.orders().queues == {"metadata"}
    page.locator("#slots-heavy").fill("2")
    page.locator("#set-heavy").click()
    expect(page.locator("#slots-heavy")).to_have_value("2")
    shoot(page, request, "queues")
    row.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("metadata goes on")).to_be_visible()
    assert controls.orders().queues == frozenset()
    dispatch.redis_client().delete("metadata")
    expect(row.locator("td[data-label='Waiting']")).to_have_text("0", timeout=15000)


def test_workers_are_drained_and_released(page: Page, home: Library, request: pytest.FixtureRequest) -> None:
    take_in(home, PNG, "1.png")
    row = Derivative.objects.get()
    Derivative.objects.update(progress=40, eta_seconds=95)
    since = timezone.now().timestamp() - 65
    worker(
        "all@left",
        Running("media.derive", "1", "metadata", since, str(row.pk)),
        Running("media.sweep_blobs", "2", "maintenance", since),
    )
    worker("heavy@gpu/1", lane="heavy", seen=timezone.now().timestamp() - 300)
    page.goto("/admin/workers")
    card = page.locator("section", has=page.get_by_role("heading", name="all@left"))
    card.get_by_text("Drain", exact=True).click()
    card.get_by_label("Why?").fill("a new disk")
    card.get_by_role("button", name="Drain all@left").click()
    expect(card).to_contain_text("Drained by")
    expect(card.get_by_role("link", name="echo")).to_be_visible()
    shoot(page, request, "workers")
    card.get_by_role("button", name="Release").click()
    expect(card).not_to_contain_text("Drained by")
    assert controls.orders().drained == frozenset()


def test_upkeep_is_started(page: Page, request: pytest.FixtureRequest) -> None:
    page.goto("/admin/upkeep")
    page.locator("#start-prewarm").click()
    expect(page.get_by_text("Make pictures ahead: started")).to_be_visible()
    page.locator("tr", has_text="Sweep blobs").get_by_text("Start", exact=True).click()
    page.locator("#start-sweep-blobs").click()
    expect(page.locator("[data-live] tbody tr")).to_have_count(2)
    shoot(page, request, "upkeep")


def test_a_server_that_is_away_is_told(page: Page) -> None:
    page.goto("/admin/workers")
    page.route("**/workers/live", lambda route: route.fulfill(status=200, body="not json"))
    expect(page.get_by_text("The server does not answer")).to_be_visible(timeout=15000)
    page.unroute("**/workers/live")
    expect(page.get_by_text("The server does not answer")).to_be_hidden(timeout=15000)
