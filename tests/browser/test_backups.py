"""The pages of backups, restore and maintenance as they look. Skipped where there is no Chromium."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Page, expect

from alcoves.accounts.models import User
from alcoves.backup import maintenance
from alcoves.backup.models import Backup, Finding, Look
from media.libraries import create_library
from media.models import Library
from tests.alcoves.backup.making import fill
from tests.browser.driving import WITH_BROWSER, log_in, look_in_both, looking

pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]


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
    with looking(live_server, forgiven=lambda it: "503" in it) as page:
        log_in(page, "root@example.org", "root-password")
        yield page


def shoot(page: Page, name: str) -> None:
    """Nothing stands out of the page at both widths; pictures of it, light and dark."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} wide"
        look_in_both(page, f"{name}-{width}")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_the_pages_of_backups(page: Page, owned: Library) -> None:
    """With a whole set, one under way, one that failed, and a finding. The rest is done in an operator's day."""
    name = sets(owned)
    page.goto("/admin/backups")
    expect(page.get_by_role("button", name="Verify")).to_have_count(1)
    expect(page.get_by_text("blobs 30 %")).to_be_visible()
    page.get_by_text("Look and repair").click()
    expect(page.get_by_role("button", name="Repair what can be repaired")).to_be_visible()
    shoot(page, "backups")
    page.get_by_role("link", name="Restore a backup").click()
    expect(page.get_by_role("radio")).to_have_count(1)
    page.get_by_role("radio", name=name).check()
    page.get_by_label("Type 127.0.0.1:8000 to go on").fill("another.example.org")
    shoot(page, "restore")
    page.get_by_role("button", name="Restore over this installation").click()
    expect(page.get_by_text("Nothing was done")).to_be_visible()
    repair_a_finding(page)
    stop_and_remove(page, name)


def sets(owned: Library) -> str:
    """The name of the whole one."""
    fill(owned, count=1, run=False)
    call_command("backup", to="local", blobs="originals")
    name = Backup.objects.get().name
    now = timezone.now()
    begun: dict[str, Any] = {"target": "local", "started_at": now - timedelta(minutes=9), "alive_at": now}
    Backup.objects.create(
        name="20260311-030000-abcdef",
        state="running",
        phase="blobs",
        holder="another 1 1",
        done_bytes=3 * 10**9,
        total_bytes=10**10,
        **begun,
    )
    Backup.objects.create(
        name="20260310-030000-abcdef",
        state="failed",
        error="The target has no room left: make some, or keep fewer sets.",
        finished_at=now,
        **begun,
    )
    Look.objects.create(state="done", deep=True, looked=2, done_bytes=10**6, found=1)
    Finding.objects.create(kind="missing", what="output", store="files", key="a/b/c", seen_at=now)
    return str(name)


def repair_a_finding(page: Page) -> None:
    page.goto("/admin/backup/finding/?state__exact=open")
    page.locator("input[name=_selected_action]").first.check()
    page.locator("select[name=action]").select_option("repair")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Repair 1 finding?").first).to_be_visible()
    shoot(page, "repair")
    page.get_by_role("button", name="Yes, repair").click()
    expect(page.get_by_text("1 finding is repaired by a worker")).to_be_visible()


def stop_and_remove(page: Page, name: str) -> None:
    """Each asks first, and what is asked stays open although the rows are shown anew."""
    page.goto("/admin/backups")
    page.locator("summary", has_text="Stop").click()
    Backup.objects.filter(state="running").update(done_bytes=4 * 10**9)
    expect(page.get_by_text("blobs 40 %")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Yes, stop it").click()
    expect(page.get_by_text("is stopped. Whoever does it ends within seconds.")).to_be_visible()
    assert not Backup.objects.filter(state="running").exists()
    page.locator("summary", has_text="Remove").click()
    expect(page.get_by_text("It is the last one that is whole.")).to_be_visible()
    shoot(page, "remove")
    page.get_by_role("button", name="Yes, remove it").click()
    expect(page.get_by_text(f"{name} is removed.")).to_be_visible()
    expect(page.get_by_role("button", name="Verify")).to_have_count(0)


def test_maintenance_is_shown_on_every_page(page: Page) -> None:
    page.goto("/admin/backups")
    page.get_by_text("Begin maintenance").click()
    page.get_by_label("What shall people be told?").fill("The disks are moved.")
    page.get_by_role("button", name="Shut members out").click()
    expect(page.get_by_text("Maintenance is on. Members")).to_be_visible()
    shoot(page, "maintenance")
    page.get_by_role("link", name="Restore a backup").click()
    expect(page.get_by_text("Workers rest while maintenance is on")).to_be_visible()
    page.goto("/admin/backup/finding/")
    expect(page.get_by_text("members are shut out").first).to_be_visible()
    maintenance.known.forget()
    page.goto("/")
    expect(page.get_by_role("heading", name="Back in a while")).to_be_visible()
    shoot(page, "shut")
    page.goto("/admin/backups")
    page.get_by_role("button", name="End maintenance").click()
    expect(page.get_by_text("Maintenance is off.")).to_be_visible()
