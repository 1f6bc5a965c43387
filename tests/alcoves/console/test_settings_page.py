"""The page Settings: what it shows to whom, asking back, changing, resetting."""

import re
from typing import Any

import pytest
from constance.codecs import dumps
from constance.models import Constance
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import NoReverseMatch, reverse

from alcoves.accounts import roles
from alcoves.accounts.models import User
from alcoves.console.settings import changing
from alcoves.settings.live import TABLE
from media import audit, live
from media.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/settings"
NAME = "IMAGE_QUEUE_LIMIT"
SECRET = "ALERT_WEBHOOK_URL"
HOOK = "https://hooks.example.org/services/t0k3n"


def as_role(role: str) -> Client:
    roles.bring_up_to_date()
    user = User.objects.create_user(f"{role}@example.org", "a-password", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def operator(transactional_db: None) -> Client:
    return as_role(roles.OPERATOR)


def filled(client: Client, **changes: str | None) -> dict[str, str]:
    """The form as a browser sends it, with some fields changed; None leaves a switch off."""
    form = client.get(PAGE).context["form"]
    sent: dict[str, Any] = {"version": form.initial["version"]}
    for name in form.fields:
        value = form[name].value()
        if name == "version" or value is False:
            continue
        sent[name] = "on" if value is True else str(value)
    sent.update(changes)
    return {name: value for name, value in sent.items() if value is not None}


def test_every_setting_is_shown_with_its_help_and_where_it_comes_from(
    operator: Client, django_assert_max_num_queries: Any
) -> None:
    changing.change({NAME: 80}, by=audit.COMMAND)
    with django_assert_max_num_queries(8):
        answer = operator.get(PAGE)
    html = answer.content.decode()
    assert all(f'id="setting-{row.name}"' in html for row in TABLE)
    assert re.search(r'name="IMAGE_QUEUE_LIMIT" value="80"', html)
    line = html.partition('id="setting-IMAGE_QUEUE_LIMIT"')[2].partition('class="settings-row')[0]
    assert "A whole number from 1 to 100000 (pictures). Default: 500." in line
    assert "ALCOVES_IMAGE_QUEUE_LIMIT" in line
    assert "database" in line
    assert "Reset to 500" in line
    assert answer.headers["Content-Security-Policy"]


def test_a_change_is_asked_back_then_made_and_noted(operator: Client) -> None:
    sent = filled(operator, IMAGE_QUEUE_LIMIT="80", IMAGE_PREWARM_ENABLED=None)
    asked = operator.post(PAGE, sent)
    assert "<span>500</span>" in asked.content.decode()
    assert live.value(NAME) == 500
    again = dict(asked.context["sent"])
    assert "csrfmiddlewaretoken" not in again
    done = operator.post(PAGE, {**again, "_apply": "1"}, follow=True)
    assert "IMAGE_QUEUE_LIMIT: 500 to 80" in done.content.decode()
    assert (live.value(NAME), live.value("IMAGE_PREWARM_ENABLED")) == (80, False)
    (entry,) = AuditEntry.objects.filter(action="settings.change")
    assert (entry.via, entry.actor_name, entry.count) == ("console", "operator@example.org", 2)
    assert set(Constance.objects.values_list("key", flat=True)) == {NAME, "IMAGE_PREWARM_ENABLED"}


def test_saving_what_is_so_already_writes_nothing(operator: Client) -> None:
    done = operator.post(PAGE, filled(operator), follow=True)
    assert "Nothing was changed" in done.content.decode()
    assert not Constance.objects.exists()


def test_a_bad_value_is_told_beside_its_field_and_nothing_is_changed(operator: Client) -> None:
    answer = operator.post(PAGE, filled(operator, IMAGE_QUEUE_LIMIT="many", MAX_RETRIES="3"))
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "IMAGE_QUEUE_LIMIT must be a whole number from 1 to 100000 (pictures)." in html
    assert 'value="many"' in html
    assert not Constance.objects.exists()


def test_a_reset_is_asked_back_then_made(operator: Client) -> None:
    changing.change({NAME: 80}, by=audit.COMMAND)
    asked = operator.post(PAGE, {"_reset": NAME})
    assert "Back to what the environment or the default says" in asked.content.decode()
    assert live.value(NAME) == 80
    operator.post(PAGE, {"_reset": NAME, "_apply": "1"})
    assert live.value(NAME) == 500
    assert not Constance.objects.exists()


def test_what_the_database_has_and_is_not_valid_is_told_and_can_be_reset(operator: Client) -> None:
    Constance.objects.create(key=NAME, value=dumps("many"))
    assert "What the database has is not used" in operator.get(PAGE).content.decode()
    operator.post(PAGE, {"_reset": NAME, "_apply": "1"})
    assert not Constance.objects.exists()


def test_who_was_slower_is_told(operator: Client) -> None:
    sent = filled(operator, IMAGE_QUEUE_LIMIT="80")
    changing.change({"MAX_RETRIES": 5}, by=audit.COMMAND)
    answer = operator.post(PAGE, {**sent, "_apply": "1"})
    assert "Somebody has changed a setting meanwhile" in answer.content.decode()
    assert (live.value(NAME), live.value("MAX_RETRIES")) == (500, 5)


def test_an_unknown_name_cannot_be_reset(operator: Client) -> None:
    done = operator.post(PAGE, {"_reset": "NO_SUCH", "_apply": "1"}, follow=True)
    assert "There is no setting NO_SUCH." in done.content.decode()


def test_a_secret_is_not_shown_and_stays_where_its_field_is_empty(operator: Client) -> None:
    changing.change({SECRET: HOOK}, by=audit.COMMAND)
    html = operator.get(PAGE).content.decode()
    assert "t0k3n" not in html
    assert "It is set and not shown." in html
    asked = operator.post(PAGE, filled(operator, IMAGE_QUEUE_LIMIT="80"))
    assert [one["row"].name for one in asked.context["changes"]] == [NAME]
    asked = operator.post(PAGE, filled(operator, **{SECRET: "https://other.example.org/n3w"}))
    assert [(one["old"], one["new"]) for one in asked.context["changes"]] == [("********", "********")]
    operator.post(PAGE, {**dict(asked.context["sent"]), "_apply": "1"})
    assert live.value(SECRET) == "https://other.example.org/n3w"


def test_librarians_have_none(transactional_db: None) -> None:
    client = as_role(roles.LIBRARIAN)
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"_reset": NAME, "_apply": "1"}).status_code == 403


@pytest.mark.parametrize("role", [roles.AUDITOR])
def test_who_may_only_look_sees_it_without_buttons(transactional_db: None, role: str) -> None:
    client = as_role(role)
    changing.change({NAME: 80}, by=audit.COMMAND)
    html = client.get(PAGE).content.decode()
    assert "Your role may look, not change." in html
    assert "_reset" not in html
    assert "Review and save" not in html
    assert re.search(r'name="IMAGE_QUEUE_LIMIT"[^>]*disabled', html)
    assert client.post(PAGE, {"_reset": NAME, "_apply": "1"}).status_code == 403
    assert client.post(PAGE, filled(client, IMAGE_QUEUE_LIMIT="7")).status_code == 403
    assert live.value(NAME) == 80


def test_strangers_are_sent_to_the_login(alice: User, client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(PAGE).status_code == 302
    assert client.post(PAGE, {"_reset": NAME, "_apply": "1"}).status_code == 302


def test_the_form_needs_its_token(operator: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert strict.post(PAGE, {"_reset": NAME, "_apply": "1"}).status_code == 403


def test_there_is_no_second_page_of_constance() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:constance_config_changelist")
