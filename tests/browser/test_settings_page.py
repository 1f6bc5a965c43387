"""The page Settings in Chromium: looked at, changed and reset, without a complaint of the browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from alcoves.accounts.models import User
from tests.browser.driving import log_in, look, looking
from tests.browser.test_gallery import one_loop, pytestmark

__all__ = ["one_loop", "pytestmark"]
NAME = "IMAGE_QUEUE_LIMIT"


@pytest.fixture
def page(one_loop: None, live_server: Any) -> Iterator[Page]:
    """Of somebody who may change everything."""
    User.objects.create_superuser("root@example.org", "root-password")
    with looking(live_server) as page:
        log_in(page, "root@example.org", "root-password", "/admin/settings")
        expect(page.get_by_role("heading", name="Pictures")).to_be_visible()
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen(page: Page, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto("/admin/settings")
    expect(page.get_by_label(NAME)).to_have_value("500")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    look(page, f"settings-{width}-{scheme}", full=False)
    look(page, f"settings-{width}-{scheme}-full")


def test_a_setting_is_changed_by_the_key_enter_and_reset_by_its_button(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_label(NAME).fill("80")
    page.get_by_label(NAME).press("Enter")
    expect(page.get_by_text("500")).to_be_visible()
    look(page, "settings-confirm", full=False)
    page.get_by_role("button", name="Yes, change it").click()
    expect(page.get_by_text(f"{NAME}: 500 to 80. It counts from now on.")).to_be_visible()
    look(page, "settings-changed", full=False)
    page.get_by_role("button", name="Reset to 500").click()
    page.get_by_role("button", name="Yes, change it").click()
    expect(page.get_by_label(NAME)).to_have_value("500")
    page.get_by_label(NAME).fill("many")
    look(page, "settings-before-wrong", full=False)
    page.get_by_role("link", name="Uploads").first.click()


def test_what_is_wrong_is_marked(page: Page) -> None:
    page.get_by_label("MAX_RETRIES").fill("eleven")
    page.get_by_role("button", name="Review and save").click()
    expect(page.get_by_text("MAX_RETRIES must be a whole number from 0 to 10")).to_be_visible()
    page.get_by_label("MAX_RETRIES").scroll_into_view_if_needed()
    look(page, "settings-wrong", full=False)
