"""What is said in a film, on its page in Chromium: follows, jumps, is found, shown as captions, downloaded."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from alcoves.accounts.models import User
from media.models import File, Library
from ml.transcription import editing
from tests.browser.driving import WITH_BROWSER, look
from tests.browser.test_films import open_page, state
from tests.browser.test_gallery import one_loop, owned, page
from tests.ingesting import run_queued, take_in
from tests.makers import make_tone, make_video
from tests.ml.search.things import switch_on
from tests.ml.transcription.conftest import says_hello, transcript_of

__all__ = ["one_loop", "owned", "page", "says_hello"]
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
HELLO = "Hello small world."
EVIL = "<img src=x onerror=document.title='owned'> --> \U0001f415"
ARABIC = "\u0634\u0643\u0631\u0627 \u062c\u0632\u064a\u0644\u0627"
CURRENT = ".lines [aria-current]"
IN_THE_LIST = """() => {
    const box = (name) => document.querySelector(name).getBoundingClientRect();
    const [list, line] = [box('.lines'), box('.lines [aria-current]')];
    return line.top >= list.top && line.bottom <= list.bottom;
}"""
MODES = "[...document.querySelectorAll('track')].map(one => one.track.mode)"


@pytest.fixture
def film(says_hello: Path, owned: Library, tmp_path: Path) -> File:
    """Somebody says hello at the beginning, and after half a minute."""
    switch_on(owned, "transcripts")
    file = take_in(owned, make_video(tmp_path / "walk.mp4", seconds=40, size=(320, 180)), "walk.mp4").file
    run_queued()
    return file


def correct(file: File, *lines: tuple[float, str]) -> None:
    fresh = File.objects.select_related("original").get(pk=file.pk)
    changes = [{"op": "insert", "start": at, "end": at + 0.7, "text": text} for at, text in lines]
    transcript = transcript_of(file)
    editing.edit(fresh, transcript, User.objects.get(), transcript.revision, changes)


def test_it_follows_jumps_and_is_found(page: Page, film: File) -> None:
    correct(film, (4.0, EVIL), (5.0, ARABIC), *((6.0 + number, f"Line {number}.") for number in range(24)))
    open_page(page, film)
    lines = page.locator(".lines li")
    expect(lines).to_have_count(28)
    expect(lines.nth(0)).to_contain_text(HELLO)
    expect(lines.nth(1)).to_contain_text(EVIL)
    expect(page.locator("img[src=x]")).to_have_count(0)
    expect(page.locator(CURRENT)).to_have_count(0)
    before = page.evaluate("scrollY")
    page.get_by_role("button", name="Line 23.").click()
    expect(page.locator(CURRENT)).to_contain_text("Line 23.")
    assert 29 <= state(page, "currentTime") < 31
    page.evaluate("document.querySelector('video').currentTime = 0.6")
    expect(page.locator(CURRENT)).to_contain_text(HELLO)
    page.wait_for_function(IN_THE_LIST)
    assert page.locator(".lines").evaluate("list => list.scrollTop") == 0
    page.locator(".lines").dispatch_event("wheel")
    page.evaluate("document.querySelector('video').pause(); document.querySelector('video').currentTime = 28")
    expect(page.locator(CURRENT)).to_contain_text("Line 22.")
    assert page.locator(".lines").evaluate("list => list.scrollTop") == 0
    page.get_by_label("Follow").check()
    page.wait_for_function(IN_THE_LIST)
    page.get_by_label("Find in the transcript").fill("line 1")
    expect(lines.filter(visible=True)).to_have_count(11)
    page.get_by_label("Find in the transcript").fill("nothing of the kind")
    expect(page.get_by_text("Nothing of this is said here.")).to_be_visible()
    assert page.evaluate("scrollY") >= before


def test_captions_are_switched_on_and_stay_on_when_they_are_corrected(page: Page, film: File) -> None:
    open_page(page, film)
    button = page.get_by_role("button", name="Captions")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate(MODES) == ["disabled"]
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(MODES) == ["showing"]
    page.evaluate("document.querySelector('video').currentTime = 1")
    page.wait_for_function(
        "() => document.querySelector('track').track.activeCues?.[0]?.text === 'Hello small world.'"
    )
    correct(film, (5.0, "Corrected."))
    old = page.locator("track").get_attribute("src")
    page.get_by_role("button", name="Make anew").first.click()
    run_queued()
    expect(page.locator("track")).not_to_have_attribute("src", old or "", timeout=10_000)
    assert page.evaluate(MODES) == ["showing"]
    page.evaluate("document.querySelector('track').track.mode = 'disabled'")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_line_is_corrected_and_who_was_slower_is_told(page: Page, film: File) -> None:
    open_page(page, film)
    lines, pens = page.locator(".lines li"), page.get_by_label("Correct the line")
    expect(pens).to_have_count(2)
    old = page.locator("track").get_attribute("src")
    page.once("dialog", lambda dialog: dialog.accept("Good <b>morning</b>."))
    pens.first.click()
    expect(lines.first).to_contain_text("Good <b>morning</b>.")
    expect(page.locator("track")).not_to_have_attribute("src", old or "")
    correct(film, (5.0, "Meanwhile."))
    page.once("dialog", lambda dialog: dialog.accept("Too late."))
    pens.first.click()
    expect(page.locator("#problem")).to_contain_text("is at revision")
    expect(lines).to_have_count(3)
    expect(lines.nth(1)).to_contain_text("Meanwhile.")
    expect(page.get_by_text("Too late.")).to_have_count(0)
    page.once("dialog", lambda dialog: dialog.accept(" "))
    pens.last.click()
    expect(lines).to_have_count(2)
    assert [one.text for one in transcript_of(film).segments.all()] == ["Good <b>morning</b>.", "Meanwhile."]


def test_it_is_downloaded_in_three_forms(page: Page, film: File) -> None:
    open_page(page, film)
    for label, ending in (("WebVTT", "vtt"), ("SubRip", "srt"), ("Text", "txt")):
        with page.expect_download() as coming:
            page.locator("#transcript").get_by_role("link", name=label).click()
        assert coming.value.suggested_filename == f"walk.en.{ending}"
        assert HELLO in Path(coming.value.path()).read_text(encoding="utf-8")


def test_where_nobody_speaks_it_says_so(page: Page, says_hello: Path, owned: Library, tmp_path: Path) -> None:
    switch_on(owned, "transcripts")
    file = take_in(owned, make_tone(tmp_path / "still.wav", seconds=3.0, amplitude=0.0), "still.wav").file
    run_queued()
    open_page(page, file)
    expect(page.locator("#transcript")).to_contain_text("Nobody speaks here.")
    expect(page.locator("#transcript").get_by_role("link")).to_have_count(0)
    expect(page.get_by_label("Find in the transcript")).to_be_hidden()


def test_a_library_that_wants_none_shows_no_place_for_one(page: Page, owned: Library, tmp_path: Path) -> None:
    file = take_in(owned, make_tone(tmp_path / "talk.wav", seconds=3.0), "talk.wav").file
    run_queued()
    open_page(page, file)
    expect(page.locator("canvas.timeline")).to_be_visible()
    expect(page.locator("#transcript-box")).to_be_hidden()


def test_it_is_made_while_the_page_is_looked_at(
    page: Page, says_hello: Path, owned: Library, tmp_path: Path
) -> None:
    switch_on(owned, "transcripts")
    file = take_in(owned, make_tone(tmp_path / "talk.wav", seconds=3.0, amplitude=0.3), "talk.wav").file
    open_page(page, file)
    run_queued()
    expect(page.locator(".lines li")).to_contain_text(HELLO, timeout=15_000)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_how_it_looks(page: Page, film: File, scheme: Any, width: int) -> None:
    correct(
        film, (4.0, EVIL), (5.0, ARABIC), *((6.0 + number, f"Line {number}. " * 6) for number in range(24))
    )
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    open_page(page, film)
    page.get_by_role("button", name="Captions").click()
    page.get_by_role("button", name="Line 3.").click()
    expect(page.locator(CURRENT)).to_contain_text("Line 3.")
    page.evaluate("document.querySelector('video').pause()")
    look(page, f"transcript-{scheme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
