"""The pages Alerts and Doctor as an operator sees them, wide and narrow, light and dark."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Page, expect, sync_playwright

from alcoves.accounts import roles
from alcoves.accounts.models import User
from alcoves.alerts import noting
from alcoves.alerts.models import Delivery
from alcoves.alerts.rules import Severity, Trouble

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.django_db(transaction=True),
]
SHOTS = os.environ.get("ALCOVES_TEST_SHOTS", "")
"""A folder where the screens are kept, to be looked at."""
EVIL = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, live_server: Any) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    user = User.objects.create_user("ops@example.org", "ops-password", name="Ops", is_staff=True)
    roles.bring_up_to_date()
    user.groups.set([Group.objects.get(name="operator")])
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(base_url=live_server.url, viewport={"width": 1280, "height": 900})
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/login/?next=/admin/alerts")
        page.locator("input[name=username]").fill("ops@example.org")
        page.locator("input[name=password]").fill("ops-password")
        page.locator("input[name=password]").press("Enter")
        expect(page.get_by_role("heading", name="Wrong now")).to_be_visible()
        yield page
        browser.close()
        connections.close_all()
    assert complaints == []


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
    expect(page.get_by_text("The test by mail was taken.")).to_be_visible()
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
