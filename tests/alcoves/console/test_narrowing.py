"""Addresses of lists: what no filter offers is refused, for every column of every model."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory

from alcoves.accounts.models import User
from media.models import MomentShare, Original
from ml.models import Transcript

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    return client


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label_lower)
def test_no_column_can_be_guessed_letter_by_letter(model: Any, db: None) -> None:
    page = admin.site.get_model_admin(model)
    request = RequestFactory().get("/")
    request.user = User(is_staff=True, is_superuser=True)
    for field in model._meta.concrete_fields:
        for lookup in ("startswith", "contains", "icontains", "regex", "gt"):
            assert not page.lookup_allowed(f"{field.name}__{lookup}", "a", request), field.name


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (MomentShare, "password__startswith=pbkdf2"),
        (Transcript, "text__icontains=swordfish"),
        (Original, "latitude__gt=52"),
        (Original, "library__name__startswith=F"),
    ],
)
def test_a_list_does_not_answer_what_it_does_not_offer(root: Client, model: Any, query: str) -> None:
    about = model._meta
    answer = root.get(f"/admin/{about.app_label}/{about.model_name}/?{query}")
    assert answer.status_code == 400


def test_what_pages_link_to_is_answered(root: Client, alice: User) -> None:
    from media.libraries import create_library

    made = create_library(alice, "Family")
    for address in (
        f"/admin/media/file/?library__id__exact={made.pk}",
        f"/admin/media/auditentry/?actor__id__exact={alice.pk}",
        f"/admin/accounts/accesstoken/?user__id__exact={alice.pk}",
        "/admin/media/derivative/?status__exact=failed&deriver=hash",
    ):
        assert root.get(address).status_code == 200, address
