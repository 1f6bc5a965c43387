"""The gallery as a person sees it, in Chromium. Skipped with one line where there is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from alcoves.accounts.models import User
from media import trash
from media.libraries import create_library
from media.models import Derivative, File, Library
from tests.browser.driving import WITH_BROWSER, log_in, looking
from tests.browser.making import images_made
from tests.ingesting import run_queued

pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
REFUSALS = {
    "test_a_refused_upload_says_why": "status of 413",
    "test_a_line_is_corrected_and_who_was_slower_is_told": "status of 409",
    "test_a_server_that_comes_back_is_asked_again": "status of 503",
}
"""What the browser complains of in a test that has an answer refused; in no other."""
EVIL = "<img src=x onerror=document.title='owned'>.png"


@pytest.fixture(autouse=True)
def one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's synchronous interface runs a loop in this thread, where Django would refuse to work."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def owned(one_loop: None) -> Library:
    return create_library(User.objects.create_user("ann@example.org", "ann-password", name="Ann"), "Holiday")


@pytest.fixture
def page(request: pytest.FixtureRequest, owned: Library, live_server: Any) -> Iterator[Page]:
    """A page of somebody who is logged in. Whatever the browser complains of fails the test."""
    refused = REFUSALS.get(request.node.originalname)
    with (
        images_made(),
        looking(live_server, forgiven=lambda it: refused is not None and refused in it) as page,
    ):
        log_in(page, "ann@example.org", "ann-password")
        expect(page.locator("#files")).to_have_attribute("aria-busy", "false")
        yield page


def picture(folder: Path, name: str) -> Path:
    path = folder / name
    Image.linear_gradient("L").convert("RGB").save(path)
    return path


def test_upload_watch_and_open(page: Page, owned: Library, tmp_path: Path) -> None:
    expect(page.get_by_role("heading", name="Holiday")).to_be_visible()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    page.locator("#picker").set_input_files(picture(tmp_path, "lake.png"))
    card = page.locator(".card", has_text="lake.png")
    expect(card).to_be_visible()
    expect(card).to_contain_text("metadata waiting")
    run_queued()
    expect(card).to_contain_text("ready", timeout=10_000)
    expect(card.get_by_alt_text("Preview of lake.png")).to_have_class("loaded")
    expect(page.locator(".upload")).to_have_count(0)
    card.click()
    expect(page.get_by_role("heading", name="lake.png")).to_be_visible()
    expect(page.locator("#stage img")).to_be_visible()
    expect(page.locator("#details")).to_contain_text("256 × 256")  # noqa: RUF001  As people write sizes.
    row = page.locator("#derivatives tr", has_text="preview")
    row.get_by_role("button", name="Make anew").click()
    expect(row).to_contain_text("1 of 2")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelled")
    assert Derivative.objects.get(deriver="preview").status == "failed"


def test_a_name_is_never_markup(page: Page, owned: Library, tmp_path: Path) -> None:
    page.locator("#picker").set_input_files(
        {"name": EVIL, "mimeType": "image/png", "buffer": picture(tmp_path, "a.png").read_bytes()}
    )
    card = page.locator(".card")
    expect(card.locator(".name")).to_have_text(EVIL)
    card.click()
    expect(page.locator("#name")).to_have_text(EVIL)
    expect(page.locator("img[src=x]")).to_have_count(0)
    assert page.title() != "owned"
    assert File.objects.get().name == EVIL


def test_folders_search_and_refusals(page: Page, owned: Library, tmp_path: Path) -> None:
    page.once("dialog", lambda dialog: dialog.accept("Summer"))
    page.get_by_role("button", name="New folder").click()
    page.get_by_role("link", name="Summer").click()
    expect(page.locator("#crumbs")).to_contain_text("Summer")
    page.locator("#picker").set_input_files(picture(tmp_path, "inside.png"))
    expect(page.locator(".card", has_text="inside.png")).to_be_visible()
    page.get_by_role("link", name="Top").click()
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_label("Search", exact=True).fill("side")
    expect(page.locator(".card", has_text="inside.png")).to_be_visible()
    assert File.objects.get().folder is not None


def test_a_refused_upload_says_why(page: Page, owned: Library, tmp_path: Path) -> None:
    Library.objects.filter(pk=owned.pk).update(quota_bytes=10)
    with page.expect_response("**/files") as answered:
        page.locator("#picker").set_input_files(picture(tmp_path, "large.png"))
    assert answered.value.status == 413
    expect(page.locator(".upload.failed")).to_contain_text("room for 10 more bytes")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".upload")).to_have_count(0)
    assert not File.objects.exists()


def test_there_is_a_way_back_from_the_trash(page: Page, owned: Library, tmp_path: Path) -> None:
    page.locator("#picker").set_input_files(picture(tmp_path, "lake.png"))
    card = page.locator(".card", has_text="lake.png")
    expect(card).to_be_visible()
    trash.trash(owned, [File.objects.get().pk])
    page.get_by_label("Kind").select_option("trash")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    page.get_by_label("Kind").select_option("")
    expect(card).to_be_visible()
    assert File.objects.get().trashed_at is None


def test_a_picture_of_oneself(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (200, 40, 40)).save(tmp_path / "me.jpg")
    page.get_by_role("link", name="Profile").click()
    expect(page.get_by_text("You have none yet.")).to_be_visible()
    page.locator("#picker").set_input_files(tmp_path / "me.jpg")
    mine = page.get_by_alt_text("Your picture")
    expect(mine).to_be_visible()
    assert mine.evaluate("image => image.decode().then(() => image.naturalWidth)") == 200
    expect(page.get_by_alt_text("Profile")).to_be_visible()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("You have none yet.")).to_be_visible()
    assert User.objects.get().avatar_url is None
