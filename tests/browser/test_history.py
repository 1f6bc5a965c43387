"""The history of jobs in Chromium: failures in groups, all of one made anew, a file set aside; no error on any page."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from alcoves.accounts.models import User
from media.libraries import create_library
from media.models import Attempt, Derivative, File
from tests.browser.driving import WITH_BROWSER, operating
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in

pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
SHOTS = os.environ.get("ALCOVES_TEST_SHOTS", "")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
SAID = "[mov,mp4,m4a @ 0x55d0] moov atom not found\n/scratch/a.mp4: Invalid data found when processing input"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, live_server: Any) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with operating(live_server, "/admin/failures") as page:
        expect(page.get_by_text("What failed, by what was said")).to_be_visible()
        yield page


@pytest.fixture
def file(settings: Any) -> File:
    settings.DERIVERS = {name: TABLE[name] for name in ("echo", "fussy")}
    home = create_library(User.objects.create_user("owner@example.org", "owner-password"), "Family")
    files = [take_in(home, PNG + bytes([number]), f"holiday {number}.png").file for number in range(3)]
    run_queued()
    Derivative.objects.filter(deriver="echo").update(
        status="failed",
        error_code="moov_missing",
        error_message="The file has no index: the recording or the upload was cut off. Upload it again.",
        error_detail=SAID,
        finished_at=timezone.now(),
    )
    Attempt.objects.filter(deriver="echo").update(
        outcome="failed", error_code="moov_missing", error_message="The file has no index.", error_detail=SAID
    )
    return files[0]


def looked_at(page: Page, name: str) -> None:
    """In each width and theme nothing stands out at the side."""
    for scheme in ("light", "dark"):
        # The theme asks for the scheme once, as a page is loaded.
        page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("document.fonts.status === 'loaded'")
            if SHOTS:
                page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.evaluate("document.documentElement.classList.remove('dark')")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_group_of_failures_is_made_anew_and_a_file_set_aside(file: File, page: Page) -> None:
    page.reload()
    expect(page.get_by_role("rowheader", name="moov atom not found")).to_be_visible()
    looked_at(page, "failures")
    page.get_by_role("link", name="Reprocess", exact=True).last.click()
    expect(page.get_by_role("heading", name="3 jobs:")).to_be_visible()
    looked_at(page, "reprocess")
    page.get_by_role("button", name="Yes, reprocess 3").click()
    expect(page.get_by_text("3 jobs are queued again.")).to_be_visible()
    assert Derivative.objects.filter(status="queued").count() == 3
    page.goto(f"/admin/media/file/?q={file.pk}")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("hold")
    page.locator("button[name=index], button[type=submit]", has_text="Run").first.click()
    expect(page.get_by_role("heading", name="Set 1 aside?")).to_be_visible()
    looked_at(page, "ask")
    page.get_by_label("Why?").fill("Somebody complained.")
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("1 original was set aside")).to_be_visible()
    page.goto(f"/admin/media/file/{file.pk}/change/")
    expect(page.get_by_text("Somebody complained.")).to_be_visible()
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / "file.png", full_page=True)
    page.goto("/admin/media/attempt/?q=moov")
    expect(page.get_by_text("moov_missing").first).to_be_visible()
    looked_at(page, "attempts")
