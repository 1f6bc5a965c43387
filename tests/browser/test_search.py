"""Searching on the library page, in Chromium: what is found, why, and where a film begins."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from media.models import Folder, Library
from tests.browser.driving import WITH_BROWSER, look
from tests.browser.test_gallery import one_loop, owned, page, picture
from tests.ingesting import run_queued, take_in
from tests.makers import make_video
from tests.ml.search.things import holds, says, switch_on

__all__ = ["one_loop", "owned", "page"]
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
EVIL = "say <b>dog</b> \U0001f415 dog"


def test_what_is_found_and_why(page: Page, owned: Library, tmp_path: Path) -> None:
    switch_on(owned)
    lake = take_in(owned, picture(tmp_path, "lake.png"), "lake.png").file
    film = take_in(owned, make_video(tmp_path / "walk.mp4", seconds=20, size=(320, 180)), "walk.mp4").file
    Folder.objects.create(library=owned, name="Dogs of 2024")
    run_queued()
    holds(lake, "dog")
    says(film, "en", "nothing yet", EVIL)
    page.reload()
    page.get_by_label("Search", exact=True).fill("dogs")
    cards = page.locator(".card")
    expect(cards).to_have_count(2)
    expect(page.get_by_role("link", name="Dogs of 2024")).to_be_visible()
    expect(page.locator(".card", has_text="lake.png").locator(".why")).to_have_text("is to be seen: dog")
    said = page.locator(".card", has_text="walk.mp4")
    expect(said.locator(".why")).to_have_text(f"is said at 0:10: {EVIL}")
    expect(said.locator("mark")).to_have_text(["dog", "dog"])
    expect(said.locator("b")).to_have_count(0)
    look(page, "search")
    said.click()
    video = page.get_by_label("Player")
    expect(video).to_have_js_property("readyState", 4, timeout=10_000)
    expect(video).to_have_js_property("currentTime", 10)


def test_nothing_found_and_a_way_into_a_folder(page: Page, owned: Library) -> None:
    Folder.objects.create(library=owned, name="Summer")
    box = page.get_by_label("Search", exact=True)
    box.fill("x")
    expect(page.get_by_text("Type at least 2 characters")).to_be_visible()
    box.fill("nothing of the kind")
    expect(page.get_by_text("Nothing of this is known here.")).to_be_visible()
    box.fill("summer")
    page.get_by_role("link", name="Summer").click()
    expect(page.locator("#crumbs")).to_contain_text("Summer")
    expect(box).to_have_value("")
