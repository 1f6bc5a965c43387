"""An operator's day in headless Chromium, with real workers and a real Flower. Skipped where there is no Chromium.

With ALCOVES_TEST_SCREENSHOTS=folder it leaves pictures of the pages there.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connections
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from alcoves.accounts.models import User
from alcoves.backup import maintenance, restoring
from alcoves.backup.models import Backup
from alcoves.console.dashboard.figures import FIGURES
from alcoves.settings import base
from media import intake
from media.intake import Place
from media.libraries import create_library
from media.models import AuditEntry, Derivative, File, Library
from ml import selection
from ml.models import ObjectDetection
from storage.registry import get_store
from tests.browser.driving import WITH_BROWSER, chromium, look_in_both
from tests.ingesting import put_bytes
from tests.ml import hosts
from tests.ml.graphs import contrary, objects
from tests.workers import Process, answers, free_port, running_worker, wait_until

pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
REAL: Final = ("metadata", "preview", "objects")
REGISTRIES: Final = ("tests.ml.graphs.objects.MODELS", "tests.ml.graphs.contrary.MODELS")
WORKER: Final = "all@house"
SLOW: Final = 60_000
"""Milliseconds for what a worker has to do first; two processors are shared by many."""


CUT_OFF: Final = """() => [...document.querySelectorAll(".ops-card")]
  .filter((card) => card.scrollWidth > card.clientWidth).map((card) => card.innerText)"""


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Iterator[Library]:
    """A library, two models that are here, and a folder for backups."""
    # Playwright's synchronous interface runs a loop in this thread, where Django would refuse to work.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    settings.DERIVERS = {name: base.DERIVERS[name] for name in REAL}
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, *REGISTRIES]
    settings.DATA_PATH = settings.ML_HOST_PATH = tmp_path / "data"
    settings.MODELS_PATH = contrary.write(objects.write(tmp_path / "models"))
    settings.BACKUP_PATH = tmp_path / "data" / "backups"
    settings.BACKUP_PASSPHRASE = ""
    settings.STORE_RESERVE_BYTES = 0
    settings.FLOWER_PORT = free_port()
    maintenance.known.forget()
    library = create_library(
        User.objects.create_superuser("root@example.org", "root-password", name="Root"), "Holiday"
    )
    library.objects_on = True
    library.save()
    yield library
    hosts.kill_hosts()


@pytest.fixture
def at_work(house: Library, settings: Any, tmp_path: Path) -> Iterator[None]:
    """One worker for everything, and Flower."""
    settled = {
        "ALCOVES_TEST_REAL_DERIVERS": " ".join(REAL),
        "ALCOVES_TEST_REGISTRIES": " ".join(REGISTRIES),
        "ALCOVES_MODELS_PATH": str(tmp_path / "models"),
        "ALCOVES_WORKER_NAME": WORKER,
    }
    with running_worker(tmp_path, **settled):
        flower = Process(["manage.py", "flower"], tmp_path, ALCOVES_FLOWER_PORT=str(settings.FLOWER_PORT))
        try:
            wait_until(
                lambda: answers(f"http://127.0.0.1:{settings.FLOWER_PORT}/flower/workers"), 90, "Flower"
            )
            yield
        finally:
            flower.kill_all()


@contextmanager
def browsing(address: str) -> Iterator[BrowserContext]:
    """Whatever the browser complains of fails the test; but while a restore shuts the house, 503 is right."""
    complaints: list[str] = []
    with chromium() as browser:
        context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
        context.on(
            "console",
            lambda it: (
                complaints.append(f"{it.page and it.page.url}: {it.text}") if it.type == "error" else None
            ),
        )
        context.on("weberror", lambda it: complaints.append(str(it.error)))
        yield context
    # That of this thread itself was ended by the restore.
    connections.close_all()
    restored = AuditEntry.objects.filter(action="backup.restore").exists()
    assert [text for text in complaints if not (restored and "503" in text)] == []


def keep(page: Page, name: str) -> None:
    """Nothing stands out of the page, wide or narrow; pictures of it for who wants to look."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        # Charts take the new width a moment later.
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
        assert page.evaluate(CUT_OFF) == [], f"{name} at {width}"
        look_in_both(page, f"day-{name}-{width}")
    page.set_viewport_size({"width": 1280, "height": 900})


def picture(number: int = 0) -> bytes:
    """Red on black, each another."""
    out = io.BytesIO()
    Image.fromarray(objects.scene([(objects.RED, (40 + number, 40, 120 + number, 120))])).save(out, "PNG")
    return out.getvalue()


def upload(context: BrowserContext, *names: str) -> None:
    """By the gallery, in another tab."""
    tab = context.new_page()
    tab.goto("/")
    before = File.objects.count()
    given: Any = [
        {"name": name, "mimeType": "image/png", "buffer": picture(before + place)}
        for place, name in enumerate(names)
    ]
    tab.locator("#picker").set_input_files(given)
    for name in names:
        expect(tab.locator(".card", has_text=name)).to_be_visible()
    tab.close()


def is_ready(name: str) -> bool:
    rows = Derivative.objects.filter(original__files__name=name)
    return rows.count() == len(REAL) and not rows.exclude(status="ready").exists()


def labels(name: str) -> set[str]:
    found = ObjectDetection.objects.filter(original__files__name=name)
    return set(found.values_list("label", flat=True))


def test_an_operators_day(house: Library, at_work: None, live_server: Any) -> None:
    with browsing(live_server.url) as context:
        page = context.new_page()
        logs_in_and_looks(page)
        mends_what_failed(page, house)
        pauses_and_resumes(page, context)
        looks_at_workers(page)
        changes_the_model(page, context)
        looks_again(page)
        restores(page, makes_a_backup(page))
    acts = set(AuditEntry.objects.values_list("action", flat=True))
    assert acts >= {"queue.pause", "queue.resume", "models.choose", "backup.make", "backup.restore"}


def logs_in_and_looks(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_label("E-mail address").fill("root@example.org")
    page.get_by_label("Password").fill("root-password")
    page.get_by_role("button", name="Log in").click()
    sees_all_figures(page)
    expect(page.locator("#panel-workers")).to_contain_text(WORKER, timeout=SLOW)
    keep(page, "first-dashboard")


def sees_all_figures(page: Page) -> None:
    for figure in FIGURES:
        panel = page.locator(f"#panel-{figure.name}")
        expect(panel).to_have_attribute("data-state", "ready", timeout=SLOW)


def looks_again(page: Page) -> None:
    """What was done is counted."""
    page.goto("/admin/")
    sees_all_figures(page)
    expect(page.locator("#panel-types")).to_contain_text("image/png", timeout=SLOW)
    keep(page, "dashboard")


def mends_what_failed(page: Page, house: Library) -> None:
    """A disk has spoilt a picture. Its bytes are brought back, and what had failed is made anew."""
    stored, store = put_bytes(house, picture()), get_store("files")
    store.put(stored.key, [picture()[:8].ljust(stored.size, b"\0")])
    intake.admit(stored, Place(house, "lake.png"))
    wait_until(lambda: failed() == {"metadata", "preview"}, 60, "the picture is refused")
    page.goto("/admin/failures")
    rows = page.locator("#failures tbody tr")
    expect(rows).to_have_count(2)
    keep(page, "failures")
    store.put(stored.key, [picture()])
    for left in (1, 0):
        rows.first.get_by_role("link", name="Reprocess").click()
        page.get_by_role("button", name="Yes, reprocess 1").click()
        expect(page.get_by_text("queued again")).to_be_visible()
        page.goto("/admin/failures")
        expect(rows).to_have_count(left)
    expect(page.get_by_text("Nothing has failed.")).to_be_visible()
    wait_until(lambda: is_ready("lake.png"), 60, "the picture is whole")
    assert labels("lake.png") == {"person"}


def failed() -> set[str]:
    return set(Derivative.objects.filter(status="failed").values_list("deriver", flat=True))


def pauses_and_resumes(page: Page, context: BrowserContext) -> None:
    """What is paused waits, and the page says how much; resumed, all of it is done."""
    page.goto("/admin/queues")
    row = row_of(page, "metadata")
    row.get_by_text("Pause", exact=True).click()
    row.get_by_label("Why?").fill("the disk is being replaced")
    row.get_by_role("button", name="Pause metadata").click()
    expect(row).to_contain_text("the disk is being replaced")
    for names in (["1.png", "2.png"], ["3.png"]):
        upload(context, *names)
        grown = names[-1][0]
        expect(row.locator("td[data-label='Rows queued']")).to_have_text(grown, timeout=SLOW)
        # A message too many is harmless, so there may be one.
        expect(row.locator("td[data-label='Waiting']")).to_have_text(re.compile(f"^[{grown}-9]$"))
    keep(page, "queues")
    assert not Derivative.objects.filter(deriver="metadata").exclude(status__in=("queued", "ready")).exists()
    row.get_by_role("button", name="Resume").click()
    expect(row.locator("td[data-label='Rows queued']")).to_have_text("0", timeout=SLOW)
    wait_until(lambda: all(is_ready(f"{number}.png") for number in (1, 2, 3)), 60, "the queue is drained")


def row_of(page: Page, queue: str) -> Locator:
    return page.locator("tr", has=page.get_by_role("rowheader", name=queue))


def looks_at_workers(page: Page) -> None:
    """The page of ours, and Flower, which has heard of the worker too."""
    page.goto("/admin/workers")
    expect(page.get_by_role("heading", name=WORKER)).to_be_visible()
    keep(page, "workers")
    wait_until(lambda: heard_of_in_flower(page), 60, "Flower has heard of the worker")
    page.goto("/admin/settings")
    keep(page, "settings")


def heard_of_in_flower(page: Page) -> bool:
    page.goto("/flower/workers")
    try:
        # The page fills its table after it was loaded.
        page.get_by_role("link", name=WORKER).wait_for(timeout=SLOW / 6)
    except PlaywrightTimeoutError:
        return False
    return True


def changes_the_model(page: Page, context: BrowserContext) -> None:
    page.goto("/admin/models")
    card = page.locator("#objects-contrary-objects")
    card.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("is used from now on")).to_be_visible()
    expect(card).to_contain_text("in use")
    keep(page, "models")
    upload(context, "later.png")
    wait_until(lambda: is_ready("later.png"), 60, "the next job is done")
    assert labels("later.png") == {"dog"}, "by the model that was chosen"
    assert labels("lake.png") == {"person"}, "what there was stays"


def makes_a_backup(page: Page) -> str:
    page.goto("/admin/backups")
    page.get_by_role("button", name="Back up now").click()
    verify = page.get_by_role("button", name="Verify")
    expect(verify).to_be_visible(timeout=SLOW)
    verify.click()
    expect(page.get_by_text("is read and compared")).to_be_visible()
    expect(page.locator("td[data-label='Verified']")).not_to_have_text("-", timeout=SLOW)
    keep(page, "backups")
    return str(Backup.objects.get().name)


def restores(page: Page, name: str) -> None:
    """Somebody has lost a file and taken the old model again; the set knows better."""
    File.objects.filter(name="later.png").delete()
    selection.choose("objects", "tiny-objects")
    page.get_by_role("link", name="Restore a backup").click()
    page.get_by_label(name).check()
    page.get_by_label("Type 127.0.0.1:8000 to go on").fill("127.0.0.1:8000")
    keep(page, "restore")
    page.get_by_role("button", name="Restore over this installation").click()
    expect(page.get_by_text("is looked at, then restored")).to_be_visible()
    wait_until(is_restored, 120, "the restore is done")
    connections.close_all()
    maintenance.known.forget()
    page.goto("/admin/backups")
    expect(page.get_by_text(f"Restore of {name}: done")).to_be_visible()
    assert labels("later.png") == {"dog"}
    assert selection.chosen("objects").id == "contrary-objects"
    wait_until(lambda: is_ready("later.png"), 120, "what was made is made again")


def is_restored() -> bool:
    # A restore ends every connection to the database, those of this test too.
    connections.close_all()
    begun = restoring.under_way()
    return begun is not None and begun.phase == restoring.DONE
