"""A video moves while its card is pointed at; nothing of it is loaded before, nor for people who want less motion."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from media.models import Library
from tests.browser.driving import WITH_BROWSER
from tests.browser.test_gallery import one_loop, owned, page
from tests.ingesting import run_queued, take_in
from tests.makers import make_video

__all__ = ["one_loop", "owned", "page"]
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def asked(page: Page, owned: Library, tmp_path: Path) -> list[str]:
    """Addresses of hover previews that the page loads, with one video on it."""
    take_in(owned, make_video(tmp_path / "walk.mp4", seconds=1, audio=False), "walk.mp4")
    run_queued()
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if "hover.webp" in request.url else None)
    page.reload()
    expect(page.locator(".card .thumb img")).to_be_visible()
    return found


def test_it_moves_under_the_pointer_and_only_then(page: Page, asked: list[str]) -> None:
    assert asked == []
    page.locator(".card").hover()
    moving = page.locator(".card img.moving")
    expect(moving).to_have_css("opacity", "1")
    assert moving.evaluate("image => image.naturalWidth") == 320
    assert len(asked) == 1
    page.mouse.move(1, 1)
    expect(moving).to_have_count(0)


def test_it_moves_for_the_keyboard_too(page: Page, asked: list[str]) -> None:
    page.locator(".card").focus()
    expect(page.locator(".card img.moving")).to_have_css("opacity", "1")
    page.locator("#q").focus()
    expect(page.locator(".card img.moving")).to_have_count(0)


def test_who_wants_less_motion_sees_the_poster(page: Page, asked: list[str]) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.locator(".card").hover()
    page.wait_for_timeout(600)
    assert asked == []
    assert page.locator(".card img.moving").count() == 0
