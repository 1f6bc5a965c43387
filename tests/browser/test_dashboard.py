"""The dashboard as operators see it, in Chromium. With ALCOVES_TEST_SCREENSHOTS=folder it leaves pictures there."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Page, expect

from alcoves.accounts.models import User
from alcoves.accounts.roles import bring_up_to_date
from alcoves.backup.models import Backup, Finding, Look
from alcoves.console.dashboard.figures import FIGURES
from media import controls, tallies, workers
from media.audit import SYSTEM
from media.libraries import create_library
from media.models import Library, Tally, tally
from media.workers import Running
from tests.alcoves.console.dashboard import made_up
from tests.alcoves.console.dashboard.test_figures import report
from tests.browser import driving
from tests.browser.driving import WITH_BROWSER, look

pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
DERIVERS = {"poster": 300, "preview": 900, "metadata": 800, "proxy": 60, "waveform": 140, "faces": 420}


@pytest.fixture(autouse=True)
def one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's synchronous interface runs a loop in this thread, where Django would refuse to work."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def busy(one_loop: None, settings: Any) -> Library:
    """An installation at work, and somebody who looks at it."""
    settings.SECRET_KEY = "kJ2v9xQp-7Lm4RtZ8wYc1NbH6sDfG3aE5uTiO0"
    settings.ALERT_WEBHOOK_URL = "https://hooks.example.org/alcoves"
    settings.ALERT_WEBHOOK_SECRET = "a-secret-of-the-webhook-with-enough-letters"
    bring_up_to_date()
    ann = User.objects.create_user("ann@example.org", "ann-password", name="Ann", is_staff=True)
    ann.groups.set(Group.objects.filter(name="auditor"))
    library = create_library(ann, "Family")
    fill(library)
    return library


def fill(library: Library) -> None:
    dice = random.Random(7)
    trips = create_library(User.objects.get(), "Trips")
    photos = made_up.files(library, 180, size=4_200_000)
    films = made_up.files(trips, 30, size=310_000_000, mime="video/mp4", kind="video")
    made_up.files(library, 25, size=9_000_000, mime="audio/mpeg", kind="audio")
    made_up.files(library, 40, size=2_100_000, mime="image/heic")
    output = [{"name": "x", "key": "x", "size": 160_000}]
    made_up.derivatives([row.original for row in photos], "poster", outputs=output)
    for row in films:
        began = timezone.now() - timedelta(seconds=dice.randint(40, 900))
        made_up.derivatives([row.original], "sprites", queue="waveform", started_at=began, outputs=output)
    made_up.derivatives([row.original for row in photos[:40]], "preview", status="queued")
    made_up.derivatives(
        [row.original for row in photos[:3]], "faces", status="failed", queue="face-detection"
    )
    running = made_up.derivatives(
        [row.original for row in films[:2]],
        "proxy",
        status="processing",
        queue="video-transcode",
        progress=37,
    )
    fill_history(dice)
    now = timezone.now()
    jobs = tuple(
        Running("media.derive", str(row.pk), row.queue, now.timestamp() - 95, str(row.pk)) for row in running
    )
    for one in (report("all@atlas", seen=1, running=jobs), report("heavy@atlas", seen=2)):
        workers.tell(one)
        workers.write(one)
    controls.pause("transcription", by=SYSTEM, reason="the machine is needed until noon")
    fill_backups()


def fill_backups() -> None:
    now = timezone.now()
    about = {
        "target": "local",
        "state": "done",
        "encrypted": True,
        "size": 40_000_000,
        "files_size": 9_000_000_000,
    }
    Backup.objects.create(name="2026-11-20", finished_at=now - timedelta(hours=9), verified_at=now, **about)
    whole = {"state": "done", "whole": True, "looked": 275}
    Look.objects.create(**whole, deep=True, finished_at=now - timedelta(days=2))
    Look.objects.create(**whole, finished_at=now - timedelta(days=1))
    Look.objects.create(
        state="running",
        started_at=now - timedelta(minutes=9),
        alive_at=now,
        looked=90,
        total=200,
        phase="named",
    )
    lost = {"store": "files", "kind": "missing", "what": "output", "seen_at": now}
    for number, state in enumerate(("open", "open", "repairing")):
        Finding.objects.create(**lost, key=f"lost/{number}", state=state)


def fill_history(dice: random.Random) -> None:
    now = timezone.now()
    for hours in range(24):
        for name, most in DERIVERS.items():
            made_up.ended(
                name, "ready", dice.randint(most // 4, most), hours_ago=hours, seconds=dice.random() * 4
            )
        made_up.ended("faces", "failed", dice.randint(1, 30), hours_ago=hours)
    rows = []
    for days in range(1, 90):
        day, count = tallies.day_of(now - timedelta(days=days)), dice.randint(0, 120)
        rows.append(Tally(topic=tally.ADDED, keys=[day], number=count, amount=count * 4_000_000))
        rows.append(Tally(topic=tally.GROWTH, keys=[day], number=count, amount=count * 500_000))
    Tally.objects.bulk_create(rows)


@contextmanager
def looking(live_server: Any, size: str, theme: str, *, allowed: str | None = None) -> Iterator[Page]:
    """The page of somebody who is logged in. Whatever the browser complains of fails the test."""
    width, height = SIZES[size]
    with driving.looking(
        live_server,
        forgiven=lambda it: allowed is not None and allowed in it,
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
    ) as page:
        driving.log_in(page, "ann@example.org", "ann-password", "/admin/")
        yield page


def all_drawn(page: Page) -> None:
    for figure in FIGURES:
        expect(page.locator(f"#panel-{figure.name}")).to_have_attribute("data-state", "ready", timeout=20_000)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_every_panel_is_drawn(busy: Library, live_server: Any, size: str, theme: str) -> None:
    with looking(live_server, size, theme) as page:
        all_drawn(page)
        page.wait_for_function("document.querySelectorAll('.dash canvas').length >= 5")
        blank = page.evaluate(
            "[...document.querySelectorAll('.dash canvas')].filter(c => !c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data.some(byte => byte)).length"
        )
        assert blank == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.evaluate("document.documentElement.classList.contains('dark')") == (theme == "dark")
        expect(page.locator("#panel-overview")).to_contain_text("275")
        expect(page.locator("#panel-workers")).to_contain_text("all@atlas")
        expect(page.locator("#panel-warnings")).to_contain_text("the machine is needed until noon")
        expect(page.locator("#panel-queues")).to_contain_text("paused by system")
        assert page.locator("#dashboard button, #dashboard form").count() == 0
        if size == "wide":
            for name in ("queues", "workers", "failures", "backups", "alerts"):
                expect(page.locator(f'#nav-sidebar-apps a[href="/admin/{name}"]')).to_be_visible()
        look(page, f"dashboard-{size}-{theme}")


def test_one_that_fails_blanks_no_other(
    busy: Library, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alcoves.console.dashboard import storage
    from storage.errors import StoreError

    def fail() -> None:
        raise StoreError("The store is away.")

    monkeypatch.setattr(storage, "libraries", lambda *_: fail())
    with looking(live_server, "wide", "light", allowed="503") as page:
        failed = page.locator("#panel-storage")
        expect(failed).to_have_attribute("data-state", "failed", timeout=20_000)
        expect(failed).to_contain_text("The store is away.")
        for figure in FIGURES:
            if figure.name != "storage":
                panel = page.locator(f"#panel-{figure.name}")
                expect(panel).to_have_attribute("data-state", "ready", timeout=20_000)
        look(page, "dashboard-one-failing")


def test_it_goes_on_and_says_when_the_server_is_away(busy: Library, live_server: Any) -> None:
    with looking(live_server, "wide", "light", allowed="ERR_") as page:
        all_drawn(page)
        page.route("**/api/admin/stats/**", lambda route: route.abort())
        expect(page.locator("#away")).to_be_visible(timeout=20_000)
        expect(page.locator("#away")).to_contain_text("does not answer")
        expect(page.locator("#panel-overview")).to_contain_text("275")
        page.unroute("**/api/admin/stats/**")
        expect(page.locator("#away")).to_be_hidden(timeout=30_000)


def test_uploads_of_more_days_are_shown(busy: Library, live_server: Any) -> None:
    with looking(live_server, "wide", "light") as page:
        all_drawn(page)
        page.get_by_label("How many days").select_option("90")
        panel = page.locator("#panel-uploads")
        panel.get_by_text("The same as a table").click()
        expect(panel.locator("tbody tr")).to_have_count(90)
        expect(page.get_by_label("How many days")).to_have_value("90")
