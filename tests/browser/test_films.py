"""The page of a film or a recording as a person sees it, in Chromium: plays, shows, marks, exports."""

import io
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from media.models import Derivative, File, Library, Moment, MomentShare
from tests.browser.driving import WITH_BROWSER, look
from tests.browser.test_gallery import one_loop, owned, page
from tests.ingesting import run_queued, take_in
from tests.makers import make_tone, make_video

__all__ = ["one_loop", "owned", "page"]
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
SECONDS = 24


@pytest.fixture
def film(owned: Library, tmp_path: Path) -> File:
    """What browsers cannot play (MPEG-4 part 2 in AVI), so that there is an original and a proxy."""
    path = make_video(
        tmp_path / "surf.avi", seconds=SECONDS, size=(320, 180), codec="mpeg4", options=["-g", "25"]
    )
    return take_in(owned, path, "surf.avi").file


@pytest.fixture
def made(film: File) -> File:
    run_queued()
    return film


def open_page(page: Page, file: File) -> None:
    page.goto(f"/files/{file.library_id}/{file.pk}")
    expect(page.locator("#name")).to_have_text(file.name)


def state(page: Page, expression: str) -> Any:
    return page.evaluate(f"document.querySelector('#stage video, #stage audio').{expression}")


def pixels(element: Locator) -> Any:
    with Image.open(io.BytesIO(element.screenshot())) as shot:
        return np.asarray(shot.convert("RGB")).astype(int)


def test_it_plays_the_proxy_and_lets_one_choose(page: Page, made: File) -> None:
    open_page(page, made)
    video = page.get_by_label("Player")
    expect(video).to_have_js_property("readyState", 4, timeout=10_000)
    assert "/proxy?" in state(page, "currentSrc")
    assert abs(state(page, "duration") - SECONDS) < 0.1
    versions = page.get_by_label("Version")
    expect(versions.locator("option")).to_have_count(2)
    page.evaluate("document.querySelector('#stage video').currentTime = 7")
    versions.select_option(label="Original, 320 x 180")
    # This browser cannot play it, so the page goes back to what it can, at the same place.
    page.wait_for_function("() => document.querySelector('#stage video').currentSrc.includes('/proxy?')")
    page.wait_for_function("() => Math.abs(document.querySelector('#stage video').currentTime - 7) < 0.2")
    look(page, "film")


def test_it_tells_how_the_proxy_comes_along(page: Page, film: File) -> None:
    run_queued(1)
    open_page(page, film)
    told = page.locator("#proxy-state")
    expect(told).to_contain_text("waits to be made")
    Derivative.objects.filter(deriver="proxy").update(
        status="processing",
        progress=42,
        eta_seconds=75,
        lease_owner="w",
        lease_expires_at="2100-01-01T00:00Z",
    )
    expect(told).to_contain_text("42 %, 1:15 left", timeout=5_000)
    Derivative.objects.filter(deriver="proxy").update(
        status="queued", lease_owner="", lease_expires_at=None, eta_seconds=None
    )
    run_queued()
    page.wait_for_function("() => document.querySelector('#stage video').currentSrc.includes('/proxy?')")
    expect(told).to_have_text("")


def test_the_waveform_is_drawn_sharp_and_zooms(page: Page, made: File) -> None:
    open_page(page, made)
    canvas = page.locator("canvas.timeline")
    page.wait_for_function("() => document.querySelector('canvas.timeline')?.dataset.levels > 0")
    drawn = pixels(canvas)
    assert drawn[80:, :].std() > 5, "there is a wave to be seen"
    scale = page.evaluate("devicePixelRatio")
    assert canvas.evaluate("element => element.width") == round(
        canvas.evaluate("element => element.clientWidth") * scale
    )
    before = canvas.evaluate("element => Number(element.dataset.visible)")
    assert before == pytest.approx(SECONDS, abs=0.1)
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    expect(canvas).to_have_attribute("data-visible", str(round(before / 8, 3)))
    page.get_by_role("button", name="Whole length").click()
    expect(canvas).to_have_attribute("data-visible", str(round(before, 3)))


def test_a_click_seeks_and_keys_move(page: Page, made: File) -> None:
    open_page(page, made)
    expect(page.get_by_label("Player")).to_have_js_property("readyState", 4, timeout=10_000)
    canvas = page.locator("canvas.timeline")
    box = canvas.bounding_box()
    assert box is not None
    canvas.click(position={"x": box["width"] / 2, "y": 60})
    page.wait_for_function(
        f"() => Math.abs(document.querySelector('video').currentTime - {SECONDS / 2}) < 0.2"
    )
    canvas.press("ArrowRight")
    page.wait_for_function(
        f"() => Math.abs(document.querySelector('video').currentTime - {SECONDS / 2 + 5}) < 0.2"
    )


def test_sprites_show_where_the_mouse_is(page: Page, made: File) -> None:
    open_page(page, made)
    page.wait_for_function("() => document.querySelector('canvas.timeline')?.dataset.sprites > 0")
    canvas = page.locator("canvas.timeline")
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": box["width"] * 0.25, "y": 60})
    sprite = page.locator(".sprite")
    expect(sprite).to_be_visible()
    expect(page.locator(".sprite-time")).to_have_text("0:06")
    page.wait_for_load_state("networkidle")
    first = pixels(sprite)
    assert first.std() > 10, "a picture, not a flat colour"
    canvas.hover(position={"x": box["width"] * 0.75, "y": 60})
    expect(page.locator(".sprite-time")).to_have_text("0:18")
    assert not np.array_equal(pixels(sprite), first)
    look(page, "film-sprites")


def test_a_moment_is_made_exported_shown_and_split(page: Page, made: File, owned: Library) -> None:
    Library.objects.filter(pk=owned.pk).update(sharing=True)
    open_page(page, made)
    expect(page.get_by_label("Player")).to_have_js_property("readyState", 4, timeout=10_000)
    page.get_by_label("Name of the moment").fill("<b>Wave</b>")
    page.evaluate("document.querySelector('video').currentTime = 4")
    page.get_by_role("button", name="Start here").click()
    expect(page.get_by_label("End in seconds")).to_have_value("9.000")
    page.get_by_role("button", name="Make a moment").click()
    row = page.locator(".moment")
    expect(row).to_contain_text("<b>Wave</b>")
    expect(row).to_contain_text("0:04 – 0:09")  # noqa: RUF001  As people write spans.
    row.get_by_role("button", name="Export").click()
    expect(row).to_contain_text("waiting")
    run_queued()
    expect(row).to_contain_text("ready", timeout=10_000)
    expect(row.locator("img")).to_be_visible()
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".mp4")
    look(page, "film-moment")
    page.evaluate("document.querySelector('video').currentTime = 6")
    page.wait_for_function("() => !document.querySelector('video').seeking")
    row.get_by_role("button", name="Split here").click()
    expect(page.locator(".moment")).to_have_count(2)
    expect(page.locator(".moment").nth(1)).to_contain_text("<b>Wave</b> (2)")
    spans = list(Moment.objects.order_by("start").values_list("start", "end"))
    assert [tuple(map(float, span)) for span in spans] == [(4.0, 6.0), (6.0, 9.0)]
    expect(page.locator(".moment").first).to_contain_text("export it again")
    with page.expect_event("dialog") as asked:
        page.locator(".moment").first.get_by_role("button", name="Share").click()
    link = asked.value.default_value
    asked.value.accept()
    assert MomentShare.objects.count() == 1
    page.goto(urlsplit(link).path)
    expect(page.get_by_role("heading", name="<b>Wave</b>")).to_be_visible()
    expect(page.get_by_label("Player")).to_have_js_property("readyState", 4, timeout=10_000)
    look(page, "shared")


def test_drawing_a_span_fills_the_form(page: Page, made: File) -> None:
    open_page(page, made)
    canvas = page.locator("canvas.timeline")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    y = box["y"] + 60
    page.mouse.move(box["x"] + box["width"] * 0.25, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=4)
    page.mouse.up()
    start, end = (float(page.get_by_label(f"{name} in seconds").input_value()) for name in ("Start", "End"))
    assert start == pytest.approx(6, abs=0.1)
    assert end == pytest.approx(12, abs=0.1)


def test_a_recording_plays_too(page: Page, owned: Library, tmp_path: Path) -> None:
    file = take_in(owned, make_tone(tmp_path / "tone.wav", seconds=6), "tone.wav").file
    run_queued()
    open_page(page, file)
    expect(page.get_by_label("Player")).to_have_js_property("readyState", 4, timeout=10_000)
    page.wait_for_function("() => document.querySelector('canvas.timeline')?.dataset.levels > 0")
    expect(page.locator("#moments-box")).to_be_visible()
    look(page, "recording")


def test_owners_ask_for_another_encode_and_another_poster(page: Page, made: File) -> None:
    open_page(page, made)
    page.get_by_role("button", name="Encode again").click()
    expect(page.locator("#proxy-state")).to_contain_text("waits to be made")
    assert Derivative.objects.get(deriver="proxy").requested_version == 2
    page.get_by_role("button", name="New poster").click()
    expect(page.locator("#derivatives tr", has_text="poster").first).to_contain_text("1 of 2")


def test_a_poster_is_chosen_brought_along_and_given_back(page: Page, made: File, tmp_path: Path) -> None:
    open_page(page, made)
    box = page.locator("#poster")
    frames = box.get_by_role("button", name="Frame at")
    expect(frames).to_have_count(5)
    frames.nth(3).click()
    expect(box).to_contain_text("waiting")
    run_queued()
    expect(frames.nth(3)).to_have_attribute("aria-pressed", "true", timeout=10_000)
    made.refresh_from_db()
    assert made.poster_variant.startswith("at-")
    Image.new("RGB", (640, 360), (200, 40, 40)).save(tmp_path / "own.png")
    with page.expect_response("**/poster/upload") as answered:
        page.get_by_label("Picture for the poster").set_input_files(tmp_path / "own.png")
    assert answered.value.status == 201
    expect(frames.nth(3)).to_have_attribute("aria-pressed", "false")
    made.refresh_from_db()
    assert made.poster_variant.startswith("own-")
    look(page, "film-poster")
    box.get_by_role("button", name="Choose by itself").click()
    expect(box.get_by_role("button", name="Choose by itself")).to_have_count(0)
    made.refresh_from_db()
    assert made.poster_variant == ""
