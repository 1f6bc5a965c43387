"""Every page of the console in Chromium: light and dark, wide and narrow, with names that try to break it.

No page complains in the browser, is wider than its window, answers with an error, or has faint text of ours.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib import admin
from django.db import connections
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, sync_playwright

from alcoves.accounts.models import AccessToken, User
from alcoves.alerts.models import Alert, Delivery, Mention
from alcoves.backup.models import Backup, Finding, Look
from alcoves.console.pages import PAGES
from media import audit
from media.folders import create_folder
from media.libraries import create_library
from media.models import (
    Attempt,
    CachedImage,
    File,
    Library,
    Moment,
    MomentShare,
    Stack,
    Switching,
    Tag,
    Upload,
)
from media.models.audit import Via
from ml.models import MergeProposal, Person, PictureEmbedding
from tests.browser.test_gallery import CHROMIUM
from tests.media.api.conftest import finish
from tests.ml.people.making import make_face
from tests.ml.search.things import derived, holds, put, says, sounds_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.django_db(transaction=True),
]
NAMES: Final = (
    "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>",
    "\u0645\u0643\u062a\u0628\u0629 \u0627\u0644\u0639\u0627\u0626\u0644\u0629 2026",
    "\U0001f3de\ufe0f\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 holiday",
    "a" * 180,
    "a name of many words " * 9,
)
SHOTS: Final = os.environ.get("ALCOVES_TEST_SHOTS", "")
SIZES: Final = ((1280, 900), (390, 844))
QUIET: Final = {"backups-manifest"}
"""Pages that answer with a file."""

MEASURE: Final = """() => {
  const channels = (color) => {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.fillStyle = color;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data];
  };
  const linear = (one) => (one <= 10.3 ? one / 3294.6 : ((one / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(linear);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = channels(getComputedStyle(one).backgroundColor);
      if (color[3] > 200) return color;
    }
    return document.documentElement.classList.contains("dark") ? [17, 24, 39, 255] : [255, 255, 255, 255];
  };
  const faint = [];
  const ours = ".model-pipeline *, .console-asks *, .console-button, .console-people *, .readonly pre";
  for (const one of document.querySelectorAll(ours)) {
    const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || !one.getClientRects().length || one.closest("option, script, .sr-only, svg")) continue;
    const [a, b] = [light(channels(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    const said = one.textContent.trim().slice(0, 30);
    if (contrast < 4.5) faint.push(`${one.className || one.tagName}: ${said} ${contrast.toFixed(1)}`);
  }
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  return { wide, faint: [...new Set(faint)], title: document.title };
}"""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    user: User = User.objects.create_superuser("root@example.org", "root-password", name=NAMES[3][:150])
    return user


@pytest.fixture
def full(root: User) -> None:
    """A row of everything, and a few with each name."""
    for name in NAMES:
        fill(root, create_library(root, name[:200]), name)


def fill(root: User, library: Library, name: str) -> None:
    file = put(library, name[:255])
    finish(file, "preview", {"thumb.webp": (WEBP, "image/webp")}, {"thumb_width": 4, "thumb_height": 4})
    holds(file, name[:64])
    sounds_of(file, name[:64], 10.0)
    says(file, "en", name, name)
    PictureEmbedding.objects.create(
        library=library,
        original_id=file.original_id,
        derivative=derived(file, "embedding"),
        model="m",
        embedding=[0.5] * 8,
    )
    one, two = sorted(
        (Person.objects.create(library=library, name=name[:200]) for _ in "ab"), key=lambda row: row.pk
    )
    make_face(library, person=one, file=file)
    MergeProposal.objects.create(library=library, first=one, second=two, distance=0.1)
    around(root, library, file, name)


def around(root: User, library: Library, file: File, name: str) -> None:
    AccessToken.issue(root, name[:100])
    create_folder(library, re.sub(r"[/\\\\]", " ", name)[:200])
    now = timezone.now()
    CachedImage.objects.create(original=file.original, key=f"derived/{file.pk}", size=10, used_at=now)
    Stack.objects.create(library=library, kind="burst", mark=name[:200], primary=file, count=1)
    moment = Moment.objects.create(file=file, name=name[:200], start=1, end=2, created_by=root)
    moment.tags.add(Tag.objects.create(library=library, name=name[:60], color="#EF4444"))
    MomentShare.objects.create(moment=moment, created_by=root)
    Switching.objects.create(library=library, switch="faces", on=True)
    Upload.objects.create(library=library, user=root, kind="tus", name=name[:255], length=10, expires_at=now)
    audit.note("test.act", by=audit.Actor(Via.CONSOLE, root), text=name, target=file, detail_of=name)
    troubles(root, file, name)
    file.original.derivatives.filter(deriver="objects").update(
        status="failed", error_code="broken", error_message=name, error_detail=name * 20
    )


def troubles(root: User, file: File, name: str) -> None:
    """A failed try, an alert with its letter, a backup, a look at the blobs and what it found."""
    now = timezone.now()
    about = {"deriver": "preview", "queue": "thumbnail", "version": 1, "number": 1, "worker": name[:128]}
    said = {"outcome": "failed", "error_code": "broken", "error_message": name, "error_detail": name * 20}
    job = derived(file, "embedding").pk
    Attempt.objects.create(original=file.original, derivative_id=job, finished_at=now, **about, **said)
    alert = Alert.objects.create(key=name[:200], severity="critical", sentence=name, link="/admin/")
    letter = Delivery.objects.create(channel="mail", event="alerts", error=name)
    Mention.objects.create(delivery=letter, alert=alert, what="trouble")
    Backup.objects.create(name=f"{Backup.objects.count()}-{name}"[:40], target=name[:255], error=name)
    Look.objects.create(error=name, asked_by=root)
    Finding.objects.create(
        kind="missing", what="original", store="files", key=name[:512], text=name, seen_at=now
    )


def webp() -> bytes:
    from io import BytesIO

    from PIL import Image

    held = BytesIO()
    Image.new("RGB", (48, 48), "teal").save(held, "WEBP")
    return held.getvalue()


WEBP: Final = webp()


def addresses() -> Iterator[str]:
    yield reverse("admin:index")
    yield from (reverse(f"admin:{page.name}") for page in PAGES if page.title and page.name not in QUIET)
    for model in sorted(admin.site._registry, key=lambda one: one._meta.label_lower):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        row = model._default_manager.order_by("pk").first()
        if row is not None:
            yield reverse(f"{name}_change", args=(row.pk,))


@pytest.fixture
def page(root: User, full: None, live_server: Any) -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(base_url=live_server.url)
        page.goto("/")
        page.get_by_label("E-mail address").fill("root@example.org")
        page.get_by_label("Password").fill("root-password")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        yield page
        browser.close()
        connections.close_all()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_whole(theme: str, page: Page) -> None:
    complaints: list[str] = []
    where = [""]
    page.on(
        "console",
        lambda said: complaints.append(f"{where[0]}: {said.text}") if said.type == "error" else None,
    )
    page.on("pageerror", lambda error: complaints.append(f"{where[0]}: {error}"))
    page.add_init_script(f"localStorage.setItem('adminTheme', JSON.stringify('{theme}'))")
    for address in list(addresses()):
        where[0] = f"{address} {theme}"
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            if width == SIZES[0][0]:
                answer = page.goto(address, wait_until="load")
                if answer is None or answer.status != 200 or "/login" in page.url:
                    complaints.append(f"{where[0]}: {answer and answer.status}")
            told = page.evaluate(MEASURE)
            if told["wide"] > 0:
                complaints.append(f"{where[0]} at {width}: {told['wide']} pixels too wide")
            if told["title"] == "owned":
                complaints.append(f"{where[0]}: a name was taken for markup")
            complaints += [f"{where[0]} at {width}: {one}" for one in told["faint"]]
            if SHOTS:
                name = f"{address.strip('/').replace('/', '-')}-{width}-{theme}.png"
                page.screenshot(path=Path(SHOTS) / name)
    assert not complaints, "\n".join(complaints)
