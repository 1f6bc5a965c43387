"""A browser, and somebody who is logged in: what the tests of pages begin with."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

from alcoves.accounts.roles import OPERATOR
from tests.staffing import member

CHROMIUM: Final = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
WITH_BROWSER: Final = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium on this machine"),
]
"""Skipped with one line where there is none; but in CI nothing is skipped, so that fails."""


@contextmanager
def chromium() -> Iterator[Browser]:
    assert CHROMIUM is not None, (
        "There is no Chromium, and in CI nothing may be skipped: install it, as .ci/run does."
    )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
        if os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
            # The loop of Playwright gives Django a connection of its own, which nobody else would close.
            connections.close_all()


def look(page: Page, name: str, *, full: bool = True) -> None:
    """A picture for people, in the folder that ALCOVES_TEST_SCREENSHOTS names, where somebody wants to look."""
    if folder := os.environ.get("ALCOVES_TEST_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=full)


def look_in_both(page: Page, name: str) -> None:
    """Light and dark. The console's theme asks for the scheme once, as a page is loaded; other pages follow it."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
        look(page, f"{name}-{scheme}")


def nothing(_: str) -> bool:
    return False


@contextmanager
def looking(server: Any, *, forgiven: Callable[[str], bool] = nothing, **options: Any) -> Iterator[Page]:
    """An empty page. Whatever the browser complains of and is not forgiven fails the test."""
    complaints: list[str] = []
    with chromium() as browser:
        page = browser.new_page(base_url=server.url, **options)
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
    assert [text for text in complaints if not forgiven(text)] == []


def log_in(page: Page, email: str, password: str, then: str = "/") -> None:
    """By the form that everybody uses; and to the page that one wanted."""
    page.goto(f"/login?next={then}")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/login" not in url)


@contextmanager
def operating(server: Any, where: str) -> Iterator[Page]:
    """A page of the console as an operator opens it, wide."""
    member(OPERATOR, "ops@example.org")
    with looking(server, viewport={"width": 1280, "height": 900}) as page:
        log_in(page, "ops@example.org", "a-long-password", where)
        yield page
