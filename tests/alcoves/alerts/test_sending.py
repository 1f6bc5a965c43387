"""Letters against real servers: a mail server that refuses, is away and comes back; a webhook that does the same."""

import hashlib
import hmac
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from alcoves import logs
from alcoves.alerts import delivering, guarding, letters, noting, rules
from alcoves.alerts.models import Alert, Delivery, Mention
from alcoves.alerts.rules import Severity, Trouble
from media import tallies
from media.models import Tally, WorkerReport
from tests.alcoves.alerts.sinks import HookSink, MailSink, Rules, certificate, free_port, serving
from tests.workers import wait_until

pytestmark = pytest.mark.django_db
SECRET = "a-secret-of-the-webhook-with-enough-letters"
DISK = Trouble("disk:data", Severity.WARNING, "The disk of data has 1.0 GB left.", "/admin/doctor")
BEAT = Trouble("beat", Severity.CRITICAL, "Beat has sent nothing for 5 minutes.", "/admin/workers")


@pytest.fixture
def hook(settings: Any) -> Iterator[HookSink]:
    with serving(HookSink()) as sink:
        settings.ALERT_WEBHOOK_URL = sink.url
        settings.ALERT_WEBHOOK_SECRET = SECRET
        settings.ALERT_WEBHOOK_LOOPBACK = True
        settings.ALERT_RATE_SECONDS = 0
        yield sink


def mail_settings(settings: Any, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "localhost", port, 5
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.ALERT_MAIL_TO = "ops@example.org"
    settings.ALERT_RATE_SECONDS = 0


@pytest.fixture
def post(settings: Any) -> Iterator[MailSink]:
    with serving(MailSink(0, Rules())) as sink:
        mail_settings(settings, sink.server_address[1])
        yield sink


def found(*troubles: Trouble) -> None:
    noting.note({"rule": list(troubles)})


def calm() -> None:
    """The troubles were last seen a while ago."""
    Alert.objects.update(last_seen=timezone.now() - timedelta(minutes=5))


def go() -> int:
    """A round, at a time when everything owed is due."""
    letters.write_all()
    Delivery.objects.filter(state="owed").update(next_try=timezone.now())
    return delivering.deliver_due()


# The mail.


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


def subject_of(mail: Any) -> str:
    return " ".join(str(make_header(decode_header(mail["Subject"]))).split())


def look_for(*names: str) -> None:
    noting.note({name: rules.check(name) for name in names})


def gone(hours: float) -> None:
    """A second machine, whose power failed so long ago."""
    at = timezone.now() - timedelta(hours=hours)
    about = {"lane": "heavy", "began_at": at - timedelta(days=9), "seen_at": at}
    WorkerReport.objects.update_or_create(name="heavy@there", defaults=about)


def test_a_worker_that_is_gone_for_a_day_is_not_told_as_well(post: MailSink) -> None:
    gone(23)
    look_for("workers")
    go()
    gone(25)
    calm()
    look_for("workers")
    assert go() == 1
    mail = post.mails[-1][1]
    assert subject_of(mail).startswith("[Alcoves] No longer watched: Worker heavy@there has told nothing")
    text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "nothing was heard of it for a day, so it counts as taken away" in text
    assert "well again" not in text.lower()
    assert go() == 0


def test_a_worker_that_came_back_is_well(post: MailSink) -> None:
    gone(1)
    look_for("workers")
    go()
    gone(0)
    calm()
    look_for("workers")
    go()
    assert subject_of(post.mails[-1][1]).startswith("[Alcoves] Well again: Worker heavy@there")


def test_a_hook_is_not_told_either_that_it_is_well(hook: HookSink) -> None:
    gone(23)
    look_for("workers")
    go()
    WorkerReport.objects.all().delete()
    calm()
    look_for("workers")
    go()
    told = hook.told()[-1]["data"]
    assert (told["troubles"], told["well"]) == ([], [])
    [one] = told["unwatched"]
    assert one["key"] == "worker:heavy@there"
    assert one["ending"] == "nothing was heard of it for a day, so it counts as taken away"
    gone(2)
    look_for("workers")
    assert Alert.objects.open().get().ending == ""


@pytest.mark.parametrize(
    ("ready", "subject"), [(0, "No longer watched: 30 of 30"), (1, "Well again: 30 of 30")]
)
def test_a_deriver_of_which_nothing_ran_since_is_not_told_as_well(
    post: MailSink, ready: int, subject: str
) -> None:
    now, yesterday = (tallies.hour_of(timezone.now() - timedelta(days=days)) for days in (0, 1))
    Tally.objects.create(topic="ended", keys=[now, "proxy", "failed"], number=30)
    look_for("failing")
    go()
    Tally.objects.filter(topic="ended").update(keys=[yesterday, "proxy", "failed"])
    Tally.objects.create(topic="ended", keys=[now, "proxy", "ready"], number=ready)
    calm()
    look_for("failing")
    go()
    assert subject_of(post.mails[-1][1]).startswith(f"[Alcoves] {subject}")


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


# The webhook.


def test_a_call_is_signed_and_says_what_is_wrong(hook: HookSink, settings: Any) -> None:
    found(BEAT)
    assert go() == 1
    [(headers, body)] = hook.calls
    [told] = hook.told()
    letter = Delivery.objects.get()
    assert (told["id"], told["event"], told["attempt"]) == (str(letter.pk), "alerts", 1)
    assert headers["X-Alcoves-Delivery"] == str(letter.pk)
    assert headers["X-Alcoves-Event"] == "alerts"
    assert headers["X-Alcoves-Timestamp"] == str(told["timestamp"])
    signed = hmac.new(SECRET.encode(), f"{told['timestamp']}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Alcoves-Signature"] == f"sha256={signed}"
    [trouble] = told["data"]["troubles"]
    assert (trouble["key"], trouble["severity"]) == ("beat", "critical")
    assert trouble["link"] == settings.PUBLIC_URL + "/admin/workers"
    assert (letter.state, letter.status, letter.answer) == ("sent", 200, "thank you")


def test_what_was_not_taken_is_tried_again_with_growing_pauses(hook: HookSink) -> None:
    hook.statuses = [500, 503, 404, 301, 500]
    hook.says = b"x" * 9000
    found(DISK)
    pauses = []
    for number in range(1, 6):
        assert go() == 0
        letter = Delivery.objects.get()
        assert letter.attempts == number
        assert len(letter.answer) == 2000
        pauses.append((letter.next_try - timezone.now()).total_seconds())
    for pause, wanted in zip(pauses, (30, 60, 120, 240, 900), strict=True):
        assert 0.75 * wanted < pause < 1.25 * wanted
    assert go() == 1
    assert [told["attempt"] for told in hook.told()] == [1, 2, 3, 4, 5, 6]
    assert len({told["id"] for told in hook.told()}) == 1


def test_redirects_are_not_followed(hook: HookSink) -> None:
    hook.statuses = [302]
    found(DISK)
    assert go() == 0
    letter = Delivery.objects.get()
    assert letter.status == 302
    assert "answers with a redirect, which is not followed" in letter.error


def test_a_hook_on_this_machine_is_called_only_where_that_is_said(hook: HookSink, settings: Any) -> None:
    settings.ALERT_WEBHOOK_LOOPBACK = False
    settings.ALERT_WEBHOOK_PRIVATE = True
    found(DISK)
    assert go() == 0
    assert hook.calls == []
    assert "ALCOVES_ALERT_WEBHOOK_LOOPBACK" in Delivery.objects.get().error


def test_a_name_that_leads_into_this_network_is_refused_and_the_address_is_pinned(
    hook: HookSink, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = hook.server_address[1]
    settings.ALERT_WEBHOOK_URL = f"http://hook.example.org:{port}/hook"
    asked: list[str] = []

    def lookup(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        # A name server that says one thing when asked first and another when asked again.
        first = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(2, 1, 6, "", (first if host == "hook.example.org" else host, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    found(DISK)
    assert go() == 1
    assert hook.calls[0][0]["Host"] == f"hook.example.org:{port}"
    assert asked.count("hook.example.org") == 1
    settings.ALERT_WEBHOOK_LOOPBACK = False
    found(DISK, BEAT)
    assert go() == 0
    assert len(hook.calls) == 1


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("10.1.2.3", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("fd12::1", False, True),
        ("::ffff:10.1.2.3", False, True),
        ("::10.1.2.3", False, True),
        ("64:ff9b::a01:203", False, True),
        ("2002:a01:203::", False, True),
        ("fec0::1", False, False),
        ("64:ff9b:1::1", False, False),
        ("192.88.99.1", False, False),
        ("168.63.129.16", False, False),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fd00:ec2::254", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
    ],
)
def test_which_addresses_are_allowed(settings: Any, address: str, public: bool, private: bool) -> None:
    given = ipaddress.ip_address(address)
    settings.ALERT_WEBHOOK_PRIVATE = False
    assert guarding.allowed(given) is public
    settings.ALERT_WEBHOOK_PRIVATE = True
    assert guarding.allowed(given) is private


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
)
def test_this_machine_has_a_word_of_its_own(settings: Any, address: str) -> None:
    given = ipaddress.ip_address(address)
    settings.ALERT_WEBHOOK_PRIVATE = True
    assert not guarding.allowed(given)
    settings.ALERT_WEBHOOK_LOOPBACK = True
    assert guarding.allowed(given)


def test_a_hook_that_drips_its_answer_for_ever_is_left(hook: HookSink, settings: Any) -> None:
    settings.ALERT_WEBHOOK_TIMEOUT = 1
    hook.drips = True
    found(DISK)
    assert go() == 0
    assert "did not answer within 1 seconds" in Delivery.objects.get().error
    # Its thread does not wait for the end of it, nor its socket.
    wait_until(lambda: not [one for one in threading.enumerate() if one.name == "webhook"], 30, "it is cut")
    hook.drips = False


def test_without_a_long_secret_nothing_is_sent(hook: HookSink, settings: Any) -> None:
    settings.ALERT_WEBHOOK_SECRET = "short"
    found(DISK)
    assert go() == 0
    assert hook.calls == []
    assert "ALCOVES_ALERT_WEBHOOK_SECRET" in Delivery.objects.get().error


def test_an_address_that_is_none_is_told(hook: HookSink, settings: Any) -> None:
    settings.ALERT_WEBHOOK_URL = "ftp://example.org/"
    found(DISK)
    assert go() == 0
    assert "https:// or http://" in Delivery.objects.get().error


# What is owed, and how often.


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
