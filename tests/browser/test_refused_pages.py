"""What is said when a page cannot be had: in the house's own words, at both widths and themes, with a way back."""

import os
from pathlib import Path
from typing import Any, Final

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from alcoves.accounts.models import User
from alcoves.console import failures
from tests.browser.driving import WITH_BROWSER, log_in, looking
from tests.browser.test_every_page import MEASURE, SEND

pytestmark = [*WITH_BROWSER, pytest.mark.django_db(transaction=True)]
SHOTS: Final = os.environ.get("ALCOVES_TEST_SHOTS", "")


def nowhere(page: Page) -> int:
    answer = page.goto("/admin/no/such/page/")
    assert answer is not None
    return answer.status


def not_theirs(page: Page) -> int:
    answer = page.goto(reverse("admin:queues"))
    assert answer is not None
    return answer.status


def broken(page: Page) -> int:
    User.objects.update(is_superuser=True)
    answer = page.goto(reverse("admin:failures"))
    assert answer is not None
    return answer.status


def too_much(page: Page) -> int:
    return sent(page, {f"field{number}": "1" for number in range(2_100)})


def too_old(page: Page) -> int:
    page.goto(reverse("admin:password_change"))
    page.context.clear_cookies(name="csrftoken")
    return sent(page, {}, start="")


def sent(page: Page, fields: dict[str, str], start: str = "admin:password_change") -> int:
    if start:
        page.goto(reverse(start))
    with page.expect_navigation(wait_until="load") as answered:
        page.evaluate(SEND, [reverse("admin:password_change"), fields])
    assert answered.value is not None
    return int(answered.value.status)


CASES: Final = (
    (nowhere, 404, "Nothing here"),
    (not_theirs, 403, "Not yours"),
    (too_much, 400, "Not understood"),
    (too_old, 403, "This form is too old"),
    (broken, 500, "Something went wrong"),
)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_refusal_says_what_happened_and_what_to_do(
    theme: Any, width: int, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    monkeypatch.setattr(failures, "show", lambda _: 1 / 0)
    User.objects.create_user("ops@example.org", "ops-password", name="Ops", is_staff=True)
    size: Any = {"width": width, "height": 844}
    with looking(
        live_server, forgiven=lambda it: "status of" in it, color_scheme=theme, viewport=size
    ) as page:
        log_in(page, "ops@example.org", "ops-password", "/admin/password_change/")
        for go, status, title in CASES:
            assert go(page) == status
            sees(page, title)
            if SHOTS:
                page.screenshot(path=Path(SHOTS) / f"refused-{go.__name__}-{width}-{theme}.png")
        page.get_by_role("link", name="To the gallery").click()
        page.wait_for_url(f"{live_server.url}/")


def sees(page: Page, title: str) -> None:
    told = page.evaluate(MEASURE)
    assert (told["wide"] <= 0, told["faint"], told["title"]) == (True, [], f"{title} · Alcoves")
    assert page.locator("h1").inner_text() == title
    said = page.locator(".door p").first.inner_text()
    assert said.count(". ") >= 1, "what happened, and what to do"
    at_work = page.get_by_role("link", name="To the console").count()
    assert at_work == (title != "Something went wrong"), "that page asks the database for nobody"
