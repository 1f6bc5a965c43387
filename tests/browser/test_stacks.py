"""Stacks, motion photos and turned pictures as a person sees them, in Chromium."""

import io
from pathlib import Path

import pytest
from django.db import transaction
from PIL import Image
from playwright.sync_api import Page, expect

from media import imagemaking, stacks
from media.models import File, Library, Original, Stack
from media.pictures import find_picture
from tests.browser.driving import WITH_BROWSER, look
from tests.browser.test_gallery import one_loop, owned, page
from tests.ingesting import run_queued, take_in
from tests.makers import make_image, make_video
from tests.media.derivers.test_motion import MICRO_VIDEO

__all__ = ["one_loop", "owned", "page"]
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]


def add(library: Library, name: str, shade: int, **facts: str) -> File:
    """A picture whose sizes are made, with these facts as if its metadata had said so."""
    drawn = io.BytesIO()
    Image.effect_mandelbrot((320, 240), (-3, -2.5, 2, 2.5), shade).convert("RGB").save(drawn, "PNG")
    file = take_in(library, drawn.getvalue(), name).file
    run_queued()
    with transaction.atomic(), stacks.rearranging(library.pk, [file.pk]):
        Original.objects.filter(pk=file.original_id).update(**facts)
    return file


def test_a_stack_is_one_card_that_opens(page: Page, owned: Library) -> None:
    frames = [add(owned, f"IMG_{number}.jpg", 40 + number, burst_id="B") for number in range(3)]
    add(owned, "P1.jpg", 60, mime="image/jpeg")
    add(owned, "P1.dng", 70, mime="image/x-adobe-dng")
    add(owned, "alone.jpg", 80)
    page.reload()
    expect(page.locator(".card")).to_have_count(3)
    burst = page.locator(".card", has_text="IMG_0.jpg")
    expect(burst.locator(".badge.group")).to_have_text("BURST 3")
    expect(page.locator(".card", has_text="P1.jpg").locator(".badge.group")).to_have_text("RAW")
    expect(page.locator(".card", has_text="alone.jpg").locator(".badge.group")).to_have_count(0)
    expect(burst.locator("img")).to_have_class("loaded")
    look(page, "closed", full=False)
    burst.click()
    members = page.locator("#members")
    expect(members.get_by_role("link")).to_have_text(["IMG_1.jpg", "IMG_2.jpg"])
    look(page, "members", full=False)
    members.get_by_role("button", name="show this one").last.click()
    expect(members.locator("li", has_text="IMG_2.jpg")).to_contain_text("BURST 3")
    assert Stack.objects.get(kind="burst").primary_id == frames[2].pk
    page.get_by_role("button", name="Take apart").click()
    expect(page.get_by_text("Each stands alone now.")).to_be_visible()
    assert Stack.objects.get(kind="burst").apart
    page.get_by_role("button", name="Put together again").click()
    expect(members.get_by_role("link")).to_have_text(["IMG_1.jpg", "IMG_2.jpg"])
    assert Stack.objects.get(kind="burst").primary_id == frames[0].pk


def test_turn_a_picture(page: Page, owned: Library) -> None:
    file = add(owned, "lake.png", 50)
    fresh = File.objects.select_related("original").get(pk=file.pk)
    fresh.rotation = 90
    turned = find_picture(fresh, [])
    assert turned is not None
    imagemaking.make_all(turned, turned.variants().values())
    page.goto(f"/files/{owned.pk}/{file.pk}")
    expect(page.locator("#details")).to_contain_text("320 × 240")  # noqa: RUF001  As people write sizes.
    page.get_by_role("button", name="Turn").click()
    expect(page.locator("#details")).to_contain_text("240 × 320")  # noqa: RUF001  As people write sizes.
    shown = page.locator("#stage img")
    expect(shown).to_have_js_property("naturalWidth", 240)
    look(page, "turned", full=False)
    file.refresh_from_db()
    assert file.rotation == 90
    page.locator("#back").click()
    expect(page.locator(".card img")).to_have_js_property("naturalHeight", 320)


def test_a_motion_photo_plays_where_it_stands(page: Page, owned: Library, tmp_path: Path) -> None:
    options = ["-crf", "40"]
    film = make_video(tmp_path / "film.mp4", seconds=30, size=(64, 48), rate=5, options=options).read_bytes()
    still = make_image(tmp_path / "still.jpg", xmp=MICRO_VIDEO.format(length=len(film)).encode()).read_bytes()
    file = take_in(owned, still + film, "PXL.MP.jpg").file
    run_queued()
    page.reload()
    expect(page.locator(".card .badge.group")).to_have_text("MOTION")
    page.goto(f"/files/{owned.pk}/{file.pk}")
    expect(page.locator("#stage img")).to_have_js_property("naturalWidth", 120)
    look(page, "motion", full=False)
    page.get_by_role("button", name="MOTION").click()
    expect(page.locator("#stage video")).to_be_visible()
