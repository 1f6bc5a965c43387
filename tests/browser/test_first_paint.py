"""What shows before a picture has come, while it is made, and when it cannot be made: never grey, nothing jumps."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from media import prewarm
from media.models import CachedImage, File, Library
from tests.browser.driving import WITH_BROWSER
from tests.browser.test_gallery import one_loop, owned, page
from tests.ingesting import run_queued, take_in
from tests.makers import make_image, make_video

__all__ = ["one_loop", "owned", "page"]
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
PROXY = "**/api/files/proxy/**"


def two_colours(left: tuple[int, int, int], right: tuple[int, int, int], size: tuple[int, int]) -> Any:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = left, right
    return pixels


ORANGE, TEAL = (230, 120, 20), (10, 130, 130)


@pytest.fixture
def photo(owned: Library, tmp_path: Path) -> File:
    file = take_in(
        owned, make_image(tmp_path / "a.jpg", two_colours(ORANGE, TEAL, (1600, 1000))), "sunset.jpg"
    ).file
    run_queued()
    return file


@contextmanager
def held(page: Page) -> Iterator[list[Route]]:
    """No picture of the proxy comes until the block ends."""
    routes: list[Route] = []
    page.route(PROXY, lambda route: routes.append(route))  # noqa: PLW0108  Playwright marks what it calls.
    yield routes
    for route in routes:
        route.continue_()
    page.unroute(PROXY)


def look(element: Locator) -> Any:
    """Its pixels as they are on the screen."""
    with Image.open(io.BytesIO(element.screenshot())) as shot:
        return np.asarray(shot.convert("RGB")).astype(int)


def near(pixels: Any, colour: tuple[int, int, int], within: int = 85) -> bool:
    return bool(np.abs(pixels.reshape(-1, 3).mean(axis=0) - colour).max() < within)


def thirds(pixels: Any) -> tuple[Any, Any]:
    """The left and the right third, without the edges."""
    height, width = pixels.shape[:2]
    middle = slice(height // 4, 3 * height // 4)
    return pixels[middle, width // 12 : width // 3], pixels[middle, 2 * width // 3 : 11 * width // 12]


def test_a_card_has_the_colours_of_its_picture_before_it_comes(page: Page, photo: File) -> None:
    with held(page) as routes:
        page.reload()
        thumb = page.locator(".card .thumb")
        expect(thumb.locator("canvas.hash")).to_be_visible()
        left, right = thirds(look(thumb))
        assert near(left, ORANGE)
        assert near(right, TEAL)
        assert re.fullmatch(r"rgb\(\d+, \d+, \d+\)", thumb.evaluate("one => one.style.backgroundColor"))
        before = thumb.bounding_box()
        assert len(routes) == 1
    image = thumb.locator("img")
    expect(image).to_have_css("opacity", "1")
    assert thumb.bounding_box() == before, "Nothing jumped."
    left, right = thirds(look(thumb))
    assert near(left, ORANGE, 20)
    assert near(right, TEAL, 20)


def test_a_card_asks_for_the_very_size_that_was_made_ahead(page: Page, photo: File) -> None:
    assert [prewarm.warm(one) for one in prewarm.claim()] == ["warm"]
    before = set(CachedImage.objects.values_list("key", "updated_at"))
    page.reload()
    image = page.locator(".card img")
    expect(image).to_have_css("opacity", "1")
    listed = page.request.get(f"/api/libraries/{photo.library_id}/files").json()["entries"][0]
    assert image.get_attribute("src") == listed["images"]["card"]
    natural = image.evaluate("one => [one.naturalWidth, one.naturalHeight, one.width, one.height]")
    assert natural[:2] == [576, 360]
    assert (image.get_attribute("width"), image.get_attribute("height")) == ("576", "360")
    assert set(CachedImage.objects.values_list("key", "updated_at")) == before, "Nothing had to be made."


def test_a_picture_shows_at_once_after_the_upload_before_its_preview(page: Page, tmp_path: Path) -> None:
    path = make_image(tmp_path / "new.jpg", two_colours(ORANGE, TEAL, (1600, 1000)))
    page.locator("#picker").set_input_files(path)
    card = page.locator(".card", has_text="new.jpg")
    expect(card.locator("img")).to_have_css("opacity", "1", timeout=15_000)
    expect(card).to_contain_text("preview waiting")


def test_the_page_of_a_picture_keeps_its_place(page: Page, photo: File) -> None:
    with held(page):
        page.goto(f"/files/{photo.library_id}/{photo.pk}")
        frame = page.locator("#stage .frame")
        expect(frame.locator("canvas.hash")).to_be_visible()
        before = frame.bounding_box()
        assert before is not None
        assert before["width"] / before["height"] == pytest.approx(1.6, abs=0.02)
        assert near(thirds(look(frame))[0], ORANGE)
    expect(frame.locator("img")).to_have_css("opacity", "1")
    assert frame.bounding_box() == before
    assert frame.locator("img").evaluate("one => one.naturalWidth") == 1600


def test_a_turned_picture_is_turned_from_the_first_paint_on(page: Page, photo: File) -> None:
    File.objects.get(pk=photo.pk).turn(90)
    with held(page):
        page.goto(f"/files/{photo.library_id}/{photo.pk}")
        frame = page.locator("#stage .frame")
        expect(frame.locator("canvas.hash")).to_be_visible()
        box = frame.bounding_box()
        assert box is not None
        assert box["height"] / box["width"] == pytest.approx(1.6, abs=0.02)
        pixels = look(frame)
        third = len(pixels) // 3
        assert near(pixels[:third], ORANGE)
        assert near(pixels[-third:], TEAL)
    expect(frame.locator("img")).to_have_css("opacity", "1")
    pixels = look(frame)
    assert near(pixels[:third], ORANGE, 20)
    assert near(pixels[-third:], TEAL, 20)


def test_what_is_transparent_is_white_from_the_first_paint_on(
    page: Page, owned: Library, tmp_path: Path
) -> None:
    pixels = np.zeros((300, 400, 4), np.uint8)
    pixels[100:200, 150:250] = (200, 0, 0, 255)
    take_in(owned, make_image(tmp_path / "logo.png", pixels, mode="RGBA"), "logo.png")
    run_queued()
    with held(page):
        page.reload()
        thumb = page.locator(".card .thumb")
        expect(thumb.locator("canvas.hash")).to_be_visible()
        assert near(look(thumb)[5:30, 5:30], (255, 255, 255), 40)
    expect(thumb.locator("img")).to_have_css("opacity", "1")
    assert near(look(thumb)[5:30, 5:30], (255, 255, 255), 5)


def test_a_video_has_the_colours_of_its_poster(page: Page, owned: Library, tmp_path: Path) -> None:
    source = "color=0xe67814:size=320x180:rate=10:duration=1"
    file = take_in(owned, make_video(tmp_path / "walk.mp4", audio=False, source=source), "walk.mp4").file
    run_queued()
    with held(page) as routes:
        page.reload()
        thumb = page.locator(".card .thumb")
        expect(thumb.locator("canvas.hash")).to_be_visible()
        assert near(look(thumb)[20:100, 20:100], ORANGE)
        assert len(routes) == 1
    expect(thumb.locator("img")).to_have_css("opacity", "1")
    page.goto(f"/files/{file.library_id}/{file.pk}")
    poster = page.locator("#stage video").get_attribute("poster")
    assert poster is not None
    assert poster.startswith("/api/files/proxy/")
    assert page.request.get(poster).status == 200
    frame = page.locator("#stage .frame").bounding_box()
    assert frame is not None
    assert frame["width"] / frame["height"] == pytest.approx(16 / 9, abs=0.02)


def test_where_a_size_cannot_be_had_the_preview_stands_in(page: Page, photo: File) -> None:
    page.route(PROXY, lambda route: route.fulfill(status=200, body="no picture", content_type="text/plain"))
    page.reload()
    image = page.locator(".card img")
    expect(image).to_have_css("opacity", "1")
    assert "/derivatives/preview/thumb.webp" in (image.get_attribute("src") or "")


def test_where_nothing_can_be_had_there_is_a_sign_for_it(page: Page, owned: Library, tmp_path: Path) -> None:
    page.route(PROXY, lambda route: route.fulfill(status=200, body="no picture", content_type="text/plain"))
    take_in(owned, make_image(tmp_path / "a.png", size=(400, 300)).read_bytes()[:60], "broken.png")
    run_queued()
    page.reload()
    card = page.locator(".card", has_text="broken.png")
    expect(card.locator(".thumb .icon")).to_be_visible()
    card.click()
    expect(page.locator("#stage")).to_contain_text("This picture cannot be shown.")
