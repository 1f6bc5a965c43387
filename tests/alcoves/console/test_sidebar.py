"""The sidebar: everything that has a page is in it, and each of its entries opens for whoever is shown it."""

from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse

from alcoves.accounts.models import User
from alcoves.accounts.roles import AUDITOR, LIBRARIAN, OPERATOR, bring_up_to_date
from alcoves.console.pages import PAGES, navigation
from media.admin.paging import page_name
from tests.alcoves.console.test_doors import user_of
from tests.alcoves.console.test_many import client_of

pytestmark = pytest.mark.django_db
FLOWER = "/flower/"
OURS = {"media", "ml", "accounts", "alerts", "backup"}


def links(user: User) -> list[str]:
    request = RequestFactory().get("/")
    request.user = user
    return [str(entry["link"]) for group in navigation(request) for entry in group["items"]]


def test_every_model_and_every_titled_page_is_in_it() -> None:
    wanted = {reverse(page_name(model, "changelist")) for model in admin.site._registry}
    wanted |= {reverse(f"admin:{page.name}") for page in PAGES if page.title}
    shown = links(user_of("root"))
    assert {*wanted, FLOWER, reverse("admin:index")} == set(shown)
    assert len(shown) == len(set(shown))


LEFT_OUT = {
    *("media.membership", "media.tally", "media.tallychange"),
    *("ml.librarylanguage", "ml.similarpair", "ml.transcriptsegment"),
    *("alerts.mention", "alerts.pulse", "backup.check", "backup.maintenance"),
    *("backup.installation", "backup.spoiled"),
}
"""docs/console.md says why each has no page."""


def test_every_model_has_a_page_or_a_reason() -> None:
    ours = {model for model in apps.get_models() if model._meta.app_label in OURS and model._meta.managed}
    without = {model._meta.label_lower for model in ours if not admin.site.is_registered(model)}
    assert without == LEFT_OUT
    text = " ".join(Path("docs/console.md").read_text().split())
    for label in LEFT_OUT:
        assert f"{apps.get_model(label)._meta.verbose_name}" in text, label


@pytest.mark.parametrize("role", [OPERATOR, LIBRARIAN, AUDITOR])
def test_each_entry_opens_for_whom_it_is_shown(role: str) -> None:
    client = client_of(role)
    shown = links(User.objects.get(email=f"{role}@example.org"))
    assert (FLOWER in shown) == (role != LIBRARIAN)
    for link in set(shown) - {FLOWER}:
        assert client.get(link).status_code == 200, link


@pytest.mark.parametrize(("role", "offered"), [(OPERATOR, True), (AUDITOR, True), (LIBRARIAN, False)])
def test_the_header_offers_flower_to_those_who_may(role: str, offered: bool) -> None:
    bring_up_to_date()
    text = client_of(role).get(reverse("gallery-libraries")).content.decode()
    assert reverse("admin:index") in text
    assert (f'href="{FLOWER}"' in text) == offered
