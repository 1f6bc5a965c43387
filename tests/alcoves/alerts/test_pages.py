"""The console's pages of alerts: who may see them, tests, sending again, and what is never shown."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.alerts import resending, tasks
from alcoves.alerts.models import Alert, Delivery, Mention
from alcoves.alerts.rules import Severity
from media import dispatch
from media.models.audit import AuditEntry

pytestmark = pytest.mark.django_db
PAGE = "/admin/alerts"
LETTERS = "/admin/alerts/delivery/"


def staff(client: Client, *roles: str) -> Client:
    from django.contrib.auth.models import Group

    user = User.objects.create_user("staff@example.org", "a-password", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    client.force_login(user)
    return client


def alert(number: int = 0, **values: Any) -> Alert:
    about = {
        "key": f"disk:{number}",
        "severity": Severity.CRITICAL,
        "sentence": "No room.",
        "link": "/admin/doctor",
    }
    made: Alert = Alert.objects.create(**{**about, **values})
    return made


def letter(*alerts: Alert, **values: Any) -> Delivery:
    made: Delivery = Delivery.objects.create(**{"channel": "mail", "event": "alerts", **values})
    Mention.objects.bulk_create(Mention(delivery=made, alert=one, what="trouble") for one in alerts)
    return made


def test_the_page_tells_what_is_wrong_and_hides_the_address(client: Client, settings: Any) -> None:
    settings.ALERT_WEBHOOK_URL = "https://hooks.example.org/very-secret"
    alert(sentence="The disk <b>of data</b> is full.")
    text = staff(client, "auditor").get(PAGE).content.decode()
    assert "The disk &lt;b&gt;of data&lt;/b&gt; is full." in text
    assert "an address is set" in text
    assert "very-secret" not in text
    assert "Send a test" not in text


def test_strangers_are_sent_away(client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(User.objects.create_user("guest@example.org", "a-password"))
    assert client.get(PAGE).status_code == 302
    assert staff(client).get(PAGE).status_code == 403


def test_a_test_goes_the_way_of_all_letters_and_the_page_says_when_it_was_taken(
    client: Client, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """Not from the web part, which may reach what no worker reaches."""
    settings.ALERT_MAIL_TO = "ops@example.org"
    operator = staff(client, "operator")
    dispatch.redis_client().delete("maintenance")
    with django_capture_on_commit_callbacks(execute=True):
        answer = operator.post(PAGE, {"channel": "mail"}, follow=True)
    text = " ".join(answer.content.decode().split())
    assert "The test by mail is on its way" in text
    assert "waits for a worker since" in text
    assert mail.outbox == []
    assert "alerts.deliver" in str(dispatch.redis_client().lrange("maintenance", 0, -1))
    assert AuditEntry.objects.get(action="alerts.test").actor_name == "staff@example.org"
    tasks.deliver()
    [sent] = mail.outbox
    assert sent.subject == "[Alcoves] This is a test."
    assert Delivery.objects.get().state == "sent"
    assert "taken 0 minutes ago" in operator.get(PAGE).content.decode().replace("\xa0", " ")


def test_a_test_that_fails_says_why_and_is_not_tried_again(client: Client, settings: Any) -> None:
    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:1/hook"
    settings.ALERT_WEBHOOK_SECRET = "x" * 32
    operator = staff(client, "operator")
    operator.post(PAGE, {"channel": "webhook"})
    tasks.deliver()
    text = operator.get(PAGE).content.decode()
    assert "not taken" in text
    assert "ALCOVES_ALERT_WEBHOOK_LOOPBACK" in text
    assert Delivery.objects.get().state == "given_up"


def test_a_channel_that_is_none_and_one_who_may_not(client: Client) -> None:
    answer = staff(client, "operator").post(PAGE, {"channel": "pigeon"}, follow=True)
    assert "Choose mail or webhook." in answer.content.decode()
    User.objects.all().delete()
    assert staff(client, "auditor").post(PAGE, {"channel": "mail"}).status_code == 403
    assert not Delivery.objects.exists()


def test_a_letter_is_sent_again_and_that_is_noted(client: Client) -> None:
    sent = letter(alert(), state="sent", attempts=3, sent_at=timezone.now(), data={"taken": ["a@b.c"]})
    chosen = {"action": "send_again", "_selected_action": [str(sent.pk)]}
    operator = staff(client, "operator")
    asked = operator.post(LETTERS, chosen).content.decode()
    assert "Send 1 again?" in asked
    assert not AuditEntry.objects.exists()
    answer = operator.post(LETTERS, {**chosen, "sure": "yes"}, follow=True)
    assert "1 letter goes out again within a minute." in answer.content.decode()
    sent.refresh_from_db()
    assert (sent.state, sent.attempts, sent.sent_at, sent.data) == ("owed", 0, None, {})
    assert AuditEntry.objects.get(action="alerts.send_again").detail["keys"] == [str(sent.pk)]


def test_a_hundred_letters_at_most_are_sent_again(client: Client) -> None:
    """Of all that are selected, and those that were asked about; the entry names each."""
    old = [letter(state="sent") for _ in range(resending.MOST + 1)]
    operator = staff(client, "operator")
    chosen = {"action": "send_again", "_selected_action": [str(old[0].pk)], "select_across": "1"}
    asked = operator.post(LETTERS, chosen).content.decode()
    assert f"Send {resending.MOST} again?" in asked
    assert str(old[-1].pk) not in asked
    operator.post(LETTERS, {**chosen, "sure": "yes"})
    entry = AuditEntry.objects.get(action="alerts.send_again")
    assert (entry.count, len(entry.detail["keys"])) == (resending.MOST, resending.MOST)
    assert [row.pk for row in Delivery.objects.filter(state="sent")] == [old[-1].pk]


def test_an_auditor_sends_nothing_again(client: Client) -> None:
    sent = letter(state="sent")
    chosen = {"action": "send_again", "_selected_action": [str(sent.pk)], "sure": "yes"}
    staff(client, "auditor").post(LETTERS, chosen)
    sent.refresh_from_db()
    assert sent.state == "sent"
    assert not AuditEntry.objects.filter(action="alerts.send_again").exists()


@pytest.mark.parametrize("address", [LETTERS, "/admin/alerts/alert/", PAGE])
def test_lists_ask_as_often_for_thirty_rows_as_for_three(
    client: Client, address: str, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    staff(client, "operator")
    counts = []
    for start, many in ((0, 3), (3, 30)):
        for number in range(start, start + many):
            letter(alert(number))
        client.get(address)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(address).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_pages_of_one_alert_and_one_letter(client: Client) -> None:
    one = alert()
    sent = letter(one, data={"troubles": [], "well": []})
    staff(client, "auditor")
    assert "mail" in client.get(f"/admin/alerts/alert/{one.pk}/change/").content.decode()
    text = client.get(f"{LETTERS}{sent.pk}/change/").content.decode()
    assert "No room." in text
