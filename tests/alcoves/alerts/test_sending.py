"""Letters: by mail to a server that refuses, is away and comes back; what is owed, and how often."""

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from alcoves import logs
from alcoves.alerts import delivering, letters, noting
from alcoves.alerts.models import Alert, Delivery, Mention
from alcoves.alerts.rules import Severity, Trouble
from tests.alcoves.alerts.sinks import HookSink, MailSink, Rules, certificate, free_port, serving
from tests.alcoves.alerts.troubling import BEAT, DISK, calm, found, go, mail_settings

pytestmark = pytest.mark.django_db


def test_a_mail_tells_what_is_wrong_and_where_it_is_put_right(post: MailSink, settings: Any) -> None:
    settings.PUBLIC_URL = "https://media.example.org"
    found(DISK, BEAT)
    assert go() == 1
    [(to, mail)] = post.mails
    assert to == ["ops@example.org"]
    assert mail["Subject"] == "[Alcoves] 2 troubles: Beat has sent nothing for 5 minutes."
    text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "[critical] Beat has sent nothing" in text
    assert "https://media.example.org/admin/doctor" in text
    assert mail["Auto-Submitted"] == "auto-generated"
    assert Alert.objects.filter(told_at__isnull=True).count() == 0
    assert go() == 0


def test_the_end_is_told_once_it_has_been_calm_for_a_while(post: MailSink) -> None:
    found(DISK)
    go()
    found()
    assert Alert.objects.open().count() == 1
    calm()
    found()
    assert go() == 1
    assert go() == 0
    assert post.mails[-1][1]["Subject"] == "[Alcoves] Well again: The disk of data has 1.0 GB left."


def test_a_server_that_is_away_gets_the_letter_when_it_is_back(settings: Any) -> None:
    port = free_port()
    mail_settings(settings, port)
    found(DISK)
    assert go() == 0
    [letter] = Delivery.objects.all()
    assert (letter.state, letter.attempts) == ("owed", 1)
    assert "Is it running, and reachable from here?" in letter.error
    assert timezone.now() < letter.next_try < timezone.now() + timedelta(seconds=37)
    with serving(MailSink(port, Rules())) as sink:
        assert go() == 1
        [(_, mail)] = sink.mails
    assert mail["Message-ID"] == f"<{letter.pk}@alcoves>"
    assert Delivery.objects.get().state == "sent"


def test_a_server_that_hangs_up_is_away_too(post: MailSink) -> None:
    post.rules.drops = True
    found(DISK)
    assert go() == 0
    post.rules.drops = False
    assert go() == 1


def test_a_wrong_password_is_told_without_it(post: MailSink, settings: Any) -> None:
    post.rules.password = "right"
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "alcoves", "very-wrong"
    found(DISK)
    assert go() == 0
    error = Delivery.objects.get().error
    assert "refused the user or the password" in error
    assert "very-wrong" not in error
    settings.EMAIL_HOST_PASSWORD = "right"
    assert go() == 1


def test_a_server_without_tls_gets_nothing_where_tls_is_set(post: MailSink, settings: Any) -> None:
    settings.EMAIL_USE_TLS = True
    found(DISK)
    assert go() == 0
    assert post.mails == []
    assert "cannot do what is set" in Delivery.objects.get().error


def test_a_certificate_that_nobody_vouches_for_is_refused(
    post: MailSink, settings: Any, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert, key = certificate(tmp_path)
    context.load_cert_chain(cert, key)
    post.rules.starttls = context
    settings.EMAIL_USE_TLS = True
    found(DISK)
    assert go() == 0
    assert post.mails == []
    assert "TLS with the mail server" in Delivery.objects.get().error


def test_with_a_certificate_that_is_trusted_mail_goes_over_tls(
    post: MailSink, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    post.rules.starttls = context
    settings.EMAIL_USE_TLS = True
    found(DISK)
    assert go() == 1


def test_one_bad_recipient_keeps_the_letter_from_no_other_and_nobody_gets_two(
    post: MailSink, settings: Any
) -> None:
    settings.ALERT_MAIL_TO = "bad@example.org, ops@example.org"
    post.rules.refuses = {"bad@example.org"}
    found(DISK)
    assert go() == 0
    assert [to for to, _ in post.mails] == [["ops@example.org"]]
    assert "bad@example.org: 550 5.1.1 nobody of that name" in Delivery.objects.get().error
    settings.ALERT_MAIL_TO = "right@example.org, ops@example.org"
    assert go() == 1
    assert [to for to, _ in post.mails] == [["ops@example.org"], ["right@example.org"]]


def test_what_happens_soon_after_a_letter_comes_in_one_with_the_rest(hook: HookSink, settings: Any) -> None:
    settings.ALERT_RATE_SECONDS = 300
    found(DISK)
    assert go() == 1
    found(DISK, BEAT)
    assert go() == 0
    Delivery.objects.update(created_at=timezone.now() - timedelta(seconds=301))
    found(DISK, BEAT, Trouble("lane:heavy", Severity.CRITICAL, "No worker."))
    assert go() == 1
    assert [one["key"] for one in hook.told()[-1]["data"]["troubles"]] == ["beat", "lane:heavy"]


def test_a_trouble_that_comes_and_goes_does_not_flood(hook: HookSink) -> None:
    for _ in range(10):
        found(DISK)
        go()
        calm()
        found()
        go()
    assert Alert.objects.get().times == 10
    assert len(hook.calls) == 4
    Alert.objects.update(raised_at=timezone.now() - timedelta(hours=2))
    Mention.objects.update(at=timezone.now() - timedelta(hours=1))
    found(DISK)
    found(DISK)
    assert go() == 1
    assert [one["key"] for one in hook.told()[-1]["data"]["troubles"]] == ["disk:data"]


def test_worse_than_it_was_is_told_again(hook: HookSink) -> None:
    found(DISK)
    go()
    found(Trouble(DISK.key, Severity.CRITICAL, "The disk is full."))
    assert go() == 1
    assert hook.told()[-1]["data"]["troubles"][0]["sentence"] == "The disk is full."


def test_while_a_letter_waits_no_other_is_written_and_both_come_in_the_end(hook: HookSink) -> None:
    hook.statuses = [500]
    found(DISK)
    assert go() == 0
    found(DISK, BEAT)
    letters.write_all()
    assert Delivery.objects.count() == 1
    assert go() == 1
    assert go() == 1
    assert [[one["key"] for one in told["data"]["troubles"]] for told in hook.told()] == [
        ["disk:data"],
        ["disk:data"],
        ["beat"],
    ]


def test_a_letter_that_nobody_takes_for_days_is_given_up_and_what_is_still_so_comes_in_a_new_one(
    hook: HookSink,
) -> None:
    hook.statuses = [500]
    found(DISK)
    letters.write_all()
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=4))
    assert go() == 0
    assert Delivery.objects.get().state == "given_up"
    assert go() == 1
    assert Delivery.objects.count() == 2


def test_a_process_that_dies_while_it_sends_loses_nothing(hook: HookSink) -> None:
    found(DISK)
    letters.write_all()
    assert delivering.claim() is not None
    assert delivering.claim() is None
    Delivery.objects.update(next_try=timezone.now())
    assert delivering.deliver_due() == 1


def test_a_letter_is_leased_when_its_turn_comes_and_none_is_begun_after_a_long_one(
    hook: HookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty answers that are slow take longer than a lease: whoever came then sent the rest twice."""
    about = {"channel": "webhook", "event": "test", "data": {}, "next_try": timezone.now()}
    Delivery.objects.bulk_create(Delivery(**about) for _ in range(3))
    leased = []

    def slow(letter: Delivery) -> bool:
        leased.append(Delivery.objects.filter(next_try__gt=timezone.now()).count())
        return True

    monkeypatch.setattr(delivering, "attempt", slow)
    assert delivering.deliver_due() == 3
    assert leased == [1, 2, 3]
    Delivery.objects.update(next_try=timezone.now())
    monkeypatch.setattr(delivering, "ROUND", timedelta(0))
    assert delivering.deliver_due() == 0


def test_what_came_and_went_before_anybody_could_be_told_is_told_as_over(hook: HookSink) -> None:
    found(DISK)
    calm()
    found()
    assert go() == 1
    [told] = hook.told()
    assert [one["key"] for one in told["data"]["well"]] == ["disk:data"]
    assert go() == 0


def test_a_rule_that_cannot_be_asked_ends_no_alert(hook: HookSink) -> None:
    found(DISK)
    calm()
    noting.note({"rule": [Trouble("rule:rule", Severity.WARNING, "It cannot be asked.")]})
    assert Alert.objects.open().filter(key=DISK.key).exists()
    noting.note({})
    assert Alert.objects.open().filter(key=DISK.key).exists()


def test_switched_off_nobody_is_told_and_troubles_are_kept(hook: HookSink, settings: Any) -> None:
    settings.ALERTS_ENABLED = False
    found(DISK)
    assert go() == 0
    assert Alert.objects.open().count() == 1


def test_old_alerts_and_letters_are_forgotten(hook: HookSink) -> None:
    found(DISK)
    go()
    calm()
    found()
    Alert.objects.update(resolved_at=timezone.now() - timedelta(days=91))
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=91))
    noting.forget()
    assert not Alert.objects.exists()
    assert not Delivery.objects.exists()


def test_the_address_of_a_hook_is_in_no_log(hook: HookSink, settings: Any) -> None:
    """Who knows the path of a chat's hook writes there."""
    settings.ALERT_WEBHOOK_URL = (
        f"{settings.ALERT_WEBHOOK_URL.rstrip('/')}/services/T0001/B0002/long-and-secret"
    )
    before = set(logs.known)
    try:
        found(BEAT)
        assert go() == 1
        path = urlsplit(settings.ALERT_WEBHOOK_URL).path
        for said in (f"POST {settings.ALERT_WEBHOOK_URL} 200", f"POST {path}"):
            assert "T0001" not in logs.scrub(said)
    finally:
        logs.known.clear()
        logs.known.update(before)
