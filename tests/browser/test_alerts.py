"""The pages Alerts and Doctor as an operator sees them, wide and narrow, light and dark."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from alcoves.alerts import noting
from alcoves.alerts.models import Delivery
from alcoves.alerts.rules import Severity, Trouble
from tests.browser.driving import WITH_BROWSER, operating

pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
SHOTS = os.environ.get("ALCOVES_TEST_SHOTS", "")
"""A folder where the screens are kept, to be looked at."""
EVIL = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, live_server: Any) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with operating(live_server, "/admin/alerts") as page:
        expect(page.get_by_role("heading", name="Wrong now")).to_be_visible()
        yield page


def troubles() -> None:
    noting.note(
        {
            "disks": [
                Trouble(
                    "disk:data",
                    Severity.WARNING,
                    "The disk of data, scratch has 4.2 GB of 100 GB left.",
                    "/admin/doctor",
                )
            ],
            "beat": [
                Trouble(
                    "beat", Severity.CRITICAL, f"Beat has sent nothing for 5 minutes {EVIL}.", "/admin/doctor"
                )
            ],
        }
    )
    Delivery.objects.create(channel="mail", event="test", state="sent", attempts=1, sent_at=timezone.now())


def looked_at(page: Page, name: str) -> None:
    """In each width and theme nothing stands out at the side."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        expect(page.locator("html")).to_have_class(
            re.compile(r"\bdark\b") if scheme == "dark" else re.compile(r"^(?!.*\bdark\b)")
        )
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("document.fonts.status === 'loaded'")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if SHOTS:
                page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_an_operator_sees_what_is_wrong_and_tests_the_mail(page: Page, settings: Any) -> None:
    settings.ALERT_MAIL_TO = "ops@example.org"
    troubles()
    page.reload()
    expect(page.get_by_text("Beat has sent nothing for 5 minutes")).to_be_visible()
    assert page.title() != "owned"
    page.get_by_role("button", name="Send a test by mail").click()
    expect(page.get_by_text("The test by mail is on its way")).to_be_visible()
    expect(page.get_by_text("waits for a worker since")).to_be_visible()
    Delivery.objects.filter(state="owed").update(
        state="given_up", error="The mail server refused the password."
    )
    page.reload()
    expect(page.get_by_text("The last test was not taken: The mail server refused")).to_be_visible()
    looked_at(page, "alerts")
    page.get_by_role("link", name="All alerts").click()
    expect(page.get_by_text("wrong now").first).to_be_visible()
    looked_at(page, "alert-list")
    page.goto("/admin/alerts/delivery/")
    looked_at(page, "letters")
    page.locator("#result_list a", has_text="This is a test").first.click()
    expect(page.get_by_text("This is a test: mail of Alcoves arrives.")).to_be_visible()
    looked_at(page, "letter")


def test_an_operator_asks_the_doctor(page: Page, settings: Any, tmp_path: Path) -> None:
    settings.DATA_PATH = tmp_path
    page.goto("/admin/doctor")
    expect(page.get_by_role("heading", name="Doctor").first).to_be_visible()
    expect(page.get_by_text("Redis answers").or_(page.get_by_text("answers.").first).first).to_be_visible()
    expect(page.get_by_text("Not asked yet.").first).to_be_visible()
    page.locator("#ask-everything").click()
    stores = page.get_by_text("The store files takes, gives and deletes.")
    expect(stores).to_be_visible(timeout=60_000)
    page.goto("/admin/doctor")
    expect(stores).to_contain_text("ago")
    looked_at(page, "doctor")
