"""Every page that an auditor and a librarian may see, in Chromium: it is whole, and offers nothing that is refused.

Links are followed and buttons are pressed by a client of their own, and what that changed is taken back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import Resolver404, resolve, reverse
from playwright.sync_api import Page

from alcoves.accounts.models import User
from alcoves.accounts.roles import AUDITOR, LIBRARIAN
from alcoves.console.pages import PAGES
from tests.browser.driving import WITH_BROWSER, log_in, looking
from tests.browser.everything import first_of
from tests.browser.test_every_page import NO_PAGES, UNTITLED, address_of, full, measured, root  # noqa: F401  Fixtures.
from tests.staffing import member

pytestmark = [*WITH_BROWSER, pytest.mark.django_db(transaction=True)]
LEAST: Final = {AUDITOR: 60, LIBRARIAN: 30}
"""Pages that a role has at least: fewer, and the test sees nothing."""
OFFERED: Final = """() => {
  const content = document.querySelector("#content") || document.body;
  const forms = [...content.querySelectorAll("form")].filter((one) => one.getAttribute("method") === "post");
  const presses = (one) => [...one.elements].filter((it) => it.type === "submit");
  const texts = (data) => [...data.entries()].filter(([, value]) => typeof value === "string");
  const to = (one) => new URL(one.getAttribute("action") || "", location.href).href;
  return {
    links: [...content.querySelectorAll("a[href]")].map((one) => one.href),
    forms: forms.flatMap((one) => presses(one).map((it) => [to(one), texts(new FormData(one, it))])),
  };
}"""


@dataclass
class Trying:
    """What a role was offered, each thing once."""

    client: Client
    tried: set[tuple[str, ...]] = field(default_factory=set)

    def refused(self, offered: dict[str, Any], base: str) -> Iterator[str]:
        for link in offered["links"]:
            path = within(link, base)
            if path and self.is_new("link", path) and self.is_shut(self.client.get(path)):
                yield f"the link {path} is shut"
        for action, entries in offered["forms"]:
            path = within(action, base)
            fields: dict[str, list[str]] = {}
            for name, value in entries:
                fields.setdefault(name, []).append(value)
            if path and self.is_new("form", path, *sorted(fields)) and self.is_shut(self.press(path, fields)):
                yield f"the form of {path} with {sorted(fields)} is refused"

    def is_new(self, kind: str, path: str, *more: str) -> bool:
        """One of each kind: lists have many rows."""
        try:
            key = (kind, resolve(urlsplit(path).path).view_name, *more)
        except Resolver404:
            key = (kind, path, *more)
        before = len(self.tried)
        self.tried.add(key)
        return len(self.tried) > before

    def press(self, path: str, fields: dict[str, list[str]]) -> Any:
        with transaction.atomic():
            answer = self.client.post(path, fields)
            transaction.set_rollback(True)
        return answer

    def is_shut(self, answer: Any) -> bool:
        return answer.status_code in {403, 404} or "/login" in answer.headers.get("Location", "")


def within(link: str, base: str) -> str:
    """The path of an address of the console; nothing for others, and for the way out."""
    parts = urlsplit(link.removeprefix(base))
    ours = not parts.netloc and parts.path.startswith("/admin/") and "logout" not in parts.path
    return f"{parts.path}?{parts.query}".rstrip("?") if ours else ""


def pages_of(user: User) -> Iterator[tuple[str, str]]:
    yield "dashboard", reverse("admin:index")
    for page in PAGES:
        if page.name not in NO_PAGES and not page.name.endswith("-live") and user.has_perm(page.permission):
            yield page.name, reverse(f"admin:{page.name}", args=UNTITLED.get(page.name, ()))
    request = RequestFactory().get("/")
    request.user = user
    for model in sorted(admin.site._registry, key=lambda one: one._meta.label_lower):
        site, row = admin.site.get_model_admin(model), first_of(model)
        if site.has_view_permission(request):
            yield model._meta.label_lower, address_of(model, "changelist")
            yield f"{model._meta.label_lower}-change", address_of(model, "change", row.pk)
        if site.has_add_permission(request):
            yield f"{model._meta.label_lower}-add", address_of(model, "add")


def opened(page: Page, address: str) -> list[str]:
    answer = page.goto(address, wait_until="load")
    assert answer is not None
    return [] if answer.status == 200 else [f"answers {answer.status}"]


@pytest.mark.parametrize("role", [AUDITOR, LIBRARIAN])
def test_nothing_is_offered_that_is_refused(role: str, full: None, live_server: Any) -> None:  # noqa: F811
    user = member(role)
    client = Client()
    client.force_login(user)
    trying, complaints = Trying(client), []
    addresses = list(pages_of(user))
    assert len(addresses) >= LEAST[role]
    with looking(live_server, viewport={"width": 1280, "height": 900}) as page:
        log_in(page, user.email, "a-long-password", "/admin/")
        for name, address in addresses:
            found = [*opened(page, address), *measured(page)]
            found += trying.refused(page.evaluate(OFFERED), live_server.url)
            complaints += [f"{name}: {one}" for one in found]
    assert not complaints, "\n".join(complaints)
    assert len(trying.tried) > LEAST[role] / 2
