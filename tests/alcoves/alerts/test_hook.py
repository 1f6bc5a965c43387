"""Calls of a webhook: signed, to addresses that are allowed, tried again, and never for ever."""

import hashlib
import hmac
import ipaddress
import socket
import threading
from typing import Any

import pytest
from django.utils import timezone

from alcoves.alerts import guarding
from alcoves.alerts.models import Delivery
from tests.alcoves.alerts.sinks import HookSink
from tests.alcoves.alerts.troubling import BEAT, DISK, SECRET, found, go
from tests.workers import wait_until

pytestmark = pytest.mark.django_db


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
