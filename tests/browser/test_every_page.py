"""Every page of the console in Chromium: light and dark, wide and narrow, with names that try to break it.

No page complains in the browser, is wider than its window, answers with an error, or has faint text of ours. Pages are
lists, rows, forms, forms with mistakes, questions, and the pages of our own. What is registered and has no row, or is a
page that nobody opens here, fails.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib import admin
from django.db import models
from django.test import RequestFactory
from django.urls import reverse
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from alcoves.accounts.models import User
from alcoves.console.pages import PAGES
from media.libraries import create_library
from media.models import Derivative, File, Library
from ml.models import Person
from ml.registry.table import models_of
from tests.browser.driving import WITH_BROWSER, chromium, log_in
from tests.browser.everything import NAMES, TASK, fill, fill_once, first_of

pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
SHOTS: Final = os.environ.get("ALCOVES_TEST_SHOTS", "")
SIZES: Final = ((1280, 900), (390, 844))
NO_PAGES: Final = {"backups-manifest"}
"""Answers with a file. Pages whose name ends with -live are parts of others, which ask for them."""
UNTITLED: Final = {"backups-restore": (), "reprocess-task": (TASK,)}
"""Pages that are in no menu, and what their address needs."""
ASKING: Final = (
    ("media.file", "hold"),
    ("media.file", "purge"),
    ("media.original", "hold"),
    ("media.derivative", "cancel"),
    ("media.derivative", "accept"),
    ("media.derivative", "unaccept"),
    ("media.library", "empty_trashes"),
    ("media.momentshare", "revoke"),
    ("ml.person", "merge"),
    ("ml.acceptance", "delete_selected"),
    ("accounts.accesstoken", "delete_selected"),
    ("axes.accessattempt", "delete_selected"),
    ("backup.finding", "repair"),
)
"""Actions of lists that ask first."""
WRONG: Final[dict[str, dict[str, str]]] = {
    "media.library": {"name": ""},
    "accounts.user": {"email": "no address", "password1": "a", "password2": "b"},
    "ml.choice": {"pipeline": "", "model": ""},
    "ml.acceptance": {"licence": ""},
}
"""Forms to add a row, and what they do not take."""
Visit = Callable[[Page], None]

MEASURE: Final = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const probe = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const channels = (color) => {
    if (!known.has(color)) {
      probe.clearRect(0, 0, 1, 1);
      probe.fillStyle = color;
      probe.fillRect(0, 0, 1, 1);
      known.set(color, [...probe.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(color);
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
  const ours = ".door *, #content [class^=ops-] *, #content [class^=dash-] *, #content [class^=settings-] *, "
    + ".ops-button, .ops-badge, .ops-note, .model-pipeline *, .console-asks *, .console-button, "
    + ".console-people *, .readonly pre, .errornote, .errorlist *";
  for (const one of document.querySelectorAll(ours)) {
    const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const unread = one.closest("option, script, .sr-only, svg, .material-symbols-outlined");
    if (!text || !one.getClientRects().length || unread) continue;
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
    fill_once(root, File.objects.earliest("pk"))


def address_of(model: type[models.Model], kind: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


def named(label: str) -> type[models.Model]:
    return next(one for one in admin.site._registry if one._meta.label_lower == label)


def opened(address: str) -> Visit:
    def visit(page: Page) -> None:
        answer = page.goto(address, wait_until="load")
        assert answer is not None
        assert answer.status == 200, answer.status

    return visit


def posted(start: str, address: str, **fields: Any) -> Visit:
    """As a form of the page at `start` would: with its token, and what else it has been given."""

    def visit(page: Page) -> None:
        page.goto(start, wait_until="load")
        with page.expect_navigation(wait_until="load") as answered:
            page.evaluate(SEND, [address, fields])
        assert answered.value is not None
        assert answered.value.status == 200, answered.value.status

    return visit


SEND: Final = """([address, fields]) => {
  const form = document.createElement("form");
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const all = Object.entries({ ...fields, csrfmiddlewaretoken: token });
  for (const [name, value] of all.flatMap(([name, values]) => [values].flat().map((one) => [name, one]))) {
    const input = document.createElement("input");
    Object.assign(input, { type: "hidden", name, value });
    form.append(input);
  }
  Object.assign(form, { method: "post", action: address });
  document.body.append(form);
  form.submit();
}"""


def having(visit: Visit, selector: str) -> Visit:
    """And the page is what it was opened for."""

    def look(page: Page) -> None:
        visit(page)
        assert page.locator(selector).count(), f"no {selector}"

    return look


def visits(root: User) -> Iterator[tuple[str, Visit]]:
    yield "dashboard", opened(reverse("admin:index"))
    yield "password", opened(reverse("admin:password_change"))
    yield from of_pages()
    for model in sorted(admin.site._registry, key=lambda one: one._meta.label_lower):
        yield from of_model(model, root)
    yield from questions()
    yield from mistakes()
    yield from settings_changed()


def of_pages() -> Iterator[tuple[str, Visit]]:
    for page in PAGES:
        if page.name in NO_PAGES or page.name.endswith("-live"):
            continue
        assert page.title or page.name in UNTITLED, f"nobody opens {page.name}: say how"
        yield page.name, opened(reverse(f"admin:{page.name}", args=UNTITLED.get(page.name, ())))
    reprocess = reverse("admin:reprocess")
    yield "reprocess-some", having(opened(f"{reprocess}?deriver=objects&status=failed"), "#confirm")
    yield "reprocess-none", opened(f"{reprocess}?error_code=none-of-this")
    yield "reprocess-wrong", opened(f"{reprocess}?older_than=many&library=none")
    yield "restore-nowhere", opened(f"{reverse('admin:backups-restore')}?target=nowhere")


def of_model(model: type[models.Model], root: User) -> Iterator[tuple[str, Visit]]:
    site, row, name = admin.site.get_model_admin(model), first_of(model), model._meta.label_lower
    request = RequestFactory().get("/")
    request.user = root
    yield name, opened(address_of(model, "changelist"))
    yield f"{name}-none", opened(f"{address_of(model, 'changelist')}?q=nowhere")
    yield f"{name}-change", opened(address_of(model, "change", row.pk))
    yield f"{name}-history", opened(address_of(model, "history", row.pk))
    if site.has_add_permission(request):
        yield f"{name}-add", opened(address_of(model, "add"))
    if site.has_delete_permission(request):
        yield f"{name}-delete", opened(address_of(model, "delete", row.pk))


def questions() -> Iterator[tuple[str, Visit]]:
    for label, action in ASKING:
        address = address_of(named(label), "changelist")
        rows = [first_of(named(label))]
        if label == "media.derivative":
            rows = [Derivative.objects.filter(status="queued").earliest("pk")]
        if action == "merge":
            rows = list(Person.objects.filter(library=first_of(Library)).order_by("pk"))
        keys = [str(row.pk) for row in rows]
        chosen = {"action": action, "_selected_action": keys, "index": "0", "select_across": "0"}
        asked = posted(address, address, **chosen)
        yield f"{label}-{action}", having(asked, "input[name=sure], input[name=post]")
    models_page = reverse("admin:models")
    for act, given in {
        "delete": {"pipeline": "faces", "model": model_of("faces")},
        "accept": licence(),
    }.items():
        asked = posted(models_page, models_page, act=act, **given)
        yield f"models-{act}", having(asked, "input[name=sure]")
    yield "cache-clear", opened(address_of(named("media.cachedimage"), "clear"))
    task = reverse("admin:reprocess-task", args=(TASK,))
    yield "reprocess-stop", having(posted(task, task), "input[name=sure]")
    library = first_of(Library)
    yield "empty-trash", opened(reverse("admin:media_library_empty_trash", args=(library.pk,)))


def model_of(pipeline: str) -> str:
    return models_of(pipeline)[0].id


def licence() -> dict[str, str]:
    return {"licence": models_of("faces")[0].licence}


def mistakes() -> Iterator[tuple[str, Visit]]:
    for label, fields in WRONG.items():
        address = address_of(named(label), "add")
        yield f"{label}-wrong", having(posted(address, address, **fields), ".errornote, .errorlist")
    file = address_of(File, "change", first_of(File).pk)
    yield "file-wrong", having(posted(file, file, name=""), ".errornote, .errorlist")


def settings_changed() -> Iterator[tuple[str, Visit]]:
    def change(page: Page, value: str, expected: str) -> None:
        page.goto(reverse("admin:settings"), wait_until="load")
        page.get_by_label("MAX_RETRIES").fill(value)
        with page.expect_navigation(wait_until="load"):
            page.get_by_label("MAX_RETRIES").press("Enter")
        assert page.get_by_text(re.compile(expected)).count(), expected

    yield "settings-question", lambda page: change(page, "7", "Change this setting")
    yield "settings-wrong", lambda page: change(page, "eleven", "must be a whole number")


@pytest.fixture
def page(root: User, full: None, live_server: Any) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page(base_url=live_server.url)
        log_in(page, "root@example.org", "root-password")
        yield page


@pytest.mark.parametrize("width", [width for width, _ in SIZES])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_whole(theme: str, width: int, page: Page, root: User) -> None:
    complaints: list[str] = []
    where = [""]
    page.on(
        "console",
        lambda said: complaints.append(f"{where[0]}: {said.text}") if said.type == "error" else None,
    )
    page.on("pageerror", lambda error: complaints.append(f"{where[0]}: {error}"))
    page.add_init_script(f"localStorage.setItem('adminTheme', JSON.stringify('{theme}'))")
    page.set_viewport_size({"width": width, "height": dict(SIZES)[width]})
    for name, visit in list(visits(root)):
        where[0] = f"{name} {theme} {width}"
        try:
            visit(page)
        except (AssertionError, PlaywrightError) as error:
            complaints.append(f"{where[0]}: {str(error)[:300]}")
        complaints += [f"{where[0]}: {one}" for one in measured(page)]
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{theme}.png")
    assert not complaints, "\n".join(complaints)


def measured(page: Page) -> list[str]:
    told = page.evaluate(MEASURE)
    found = [f"faint: {one}" for one in told["faint"]]
    if told["wide"] > 0:
        found.append(f"{told['wide']} pixels too wide")
    if told["title"] == "owned":
        found.append("a name was taken for markup")
    if "/login" in page.url:
        found.append("asked to log in")
    return found
