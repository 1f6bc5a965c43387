"""A backup is made, looked at and restored in the console, by a real worker. Skipped where there is no Chromium."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Page, expect, sync_playwright

from alcoves.accounts.models import User
from alcoves.backup import maintenance, restoring
from alcoves.backup.models import Backup, Finding
from media.libraries import create_library
from media.models import AuditEntry, File, Library
from tests.alcoves.backup.making import digests, fill
from tests.workers import running_worker, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.django_db(transaction=True),
]
SCREENS = os.environ.get("ALCOVES_SCREENSHOTS", "")


@pytest.fixture(autouse=True)
def one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's synchronous interface runs a loop in this thread, where Django would refuse to work."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def owned(one_loop: None, settings: Any, tmp_path: Path) -> Library:
    settings.DATA_PATH = tmp_path / "data"
    settings.BACKUP_PATH = tmp_path / "data" / "backups"
    settings.BACKUP_PASSPHRASE = ""
    maintenance.known.forget()
    return create_library(
        User.objects.create_superuser("root@example.org", "root-password", name="R"), "Holiday"
    )


@pytest.fixture
def page(owned: Library, live_server: Any) -> Iterator[Page]:
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(base_url=live_server.url)
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/login")
        page.get_by_label("E-mail address").fill("root@example.org")
        page.get_by_label("Password").fill("root-password")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/")
        yield page
        browser.close()
        connections.close_all()
    assert [text for text in complaints if "503" not in text] == []


def shoot(page: Page, name: str) -> None:
    """At both widths, light and dark, where somebody wants to look."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} wide"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            if SCREENS:
                page.screenshot(path=f"{SCREENS}/{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_backup_is_made_and_restored(page: Page, owned: Library, tmp_path: Path) -> None:
    before = fill(owned, count=2, run=False)
    with running_worker(
        tmp_path, ALCOVES_DATA_PATH=str(tmp_path / "data"), ALCOVES_TEST_REAL_DERIVERS="metadata"
    ):
        page.goto("/admin/backups")
        page.get_by_role("button", name="Back up now").click()
        expect(page.get_by_text("begins as soon as")).to_be_visible()
        wait_until(lambda: Backup.objects.filter(state="done").exists(), 120, "the backup is done")
        name = Backup.objects.get().name
        expect(page.get_by_role("button", name="Verify")).to_be_visible(timeout=30_000)
        Finding.objects.create(
            kind="missing", what="output", store="files", key="a/b/c", seen_at="2026-01-01T00:00Z"
        )
        page.reload()
        shoot(page, "backups")
        File.objects.filter(name="picture-0.jpg").delete()
        page.get_by_role("link", name="Restore a backup").click()
        page.get_by_role("radio").check()
        page.get_by_label("Type 127.0.0.1:8000 to go on").fill("127.0.0.1:8000")
        shoot(page, "restore")
        page.get_by_role("button", name="Restore over this installation").click()
        expect(page.get_by_text("is looked at, then restored")).to_be_visible()

        def is_restored() -> bool:
            begun = restoring.under_way()
            return begun is not None and begun.phase == restoring.DONE

        wait_until(is_restored, 180, "the restore is done")
        assert digests() == before
        assert Finding.objects.count() == 0
        maintenance.known.forget()
        assert not maintenance.standing().on
        assert AuditEntry.objects.filter(action="backup.restore", text__contains=name).exists()
        page.goto("/admin/backups")
        expect(page.get_by_text(f"Restore of {name}: done")).to_be_visible()


def test_maintenance_is_shown_on_every_page(page: Page) -> None:
    page.goto("/admin/backups")
    page.get_by_text("Begin maintenance").click()
    page.get_by_label("What shall people be told?").fill("The disks are moved.")
    page.get_by_role("button", name="Shut members out").click()
    expect(page.get_by_text("Maintenance is on. Members")).to_be_visible()
    page.goto("/admin/backup/finding/")
    expect(page.get_by_text("members are shut out").first).to_be_visible()
    maintenance.known.forget()
    page.goto("/")
    expect(page.get_by_role("heading", name="Back in a while")).to_be_visible()
    shoot(page, "shut")
    page.goto("/admin/backups")
    page.get_by_role("button", name="End maintenance").click()
    expect(page.get_by_text("Maintenance is off.")).to_be_visible()
