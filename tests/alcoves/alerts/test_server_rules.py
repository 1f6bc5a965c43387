"""What is critical on a server is told by alerts, whether or not somebody looks at the dashboard."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.alerts import checking, noting, pulses, rules
from alcoves.alerts.models import Alert, Delivery
from alcoves.alerts.rules import Severity, Trouble, servers
from alcoves.backup.models import Maintenance
from alcoves.console.dashboard import warnings
from alcoves.doctor import running
from media import controls
from media.audit import SYSTEM
from media.models import Library, Original, WorkerReport
from tests.alcoves.console.dashboard import made_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    servers.kept_migrations.forget()


def critical(name: str) -> Trouble:
    """One, that a look of alerts keeps and the dashboard shows once."""
    (found,) = rules.check(name)
    assert found.severity == Severity.CRITICAL
    assert found.link.startswith("/admin/")
    assert [one.key for one in warnings.check_all()].count(found.key) == 1
    return found


def test_all_lanes_paused_without_maintenance(db: None) -> None:
    controls.pause_all(reason="a backup that died", by=SYSTEM)
    assert critical("all lanes paused").key == "paused:all"
    assert checking.check()
    assert Alert.objects.filter(key="paused:all").exists()
    Maintenance.objects.create(pk=1, on=True, reason="moving house", by="ann")
    assert rules.check("all lanes paused") == []


def test_connections_near_their_limit(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules.check("connections") == []
    monkeypatch.setattr(servers, "NEAR_PERCENT", 0)
    assert "connections" in critical("connections").sentence


def test_clocks_that_differ(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules.check("clock") == []
    behind = timezone.now() - timedelta(seconds=60)
    monkeypatch.setattr(timezone, "now", lambda: behind)
    assert "seconds ahead of" in critical("clock").sentence


def test_settings_that_let_strangers_in(db: None, settings: Any) -> None:
    assert rules.check("weak settings") == []
    settings.DEBUG = True
    assert critical("weak settings").key == "debug"
    settings.SECRET_KEY = "changeme"
    settings.PUBLIC_URL = "http://media.example.org"
    assert [one.key for one in rules.check("weak settings")] == ["debug", "weak:key", "weak:http"]


def test_ways_of_alerts_that_cannot_work(db: None, settings: Any) -> None:
    assert rules.check("ways of alerts") == []
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.ALERT_MAIL_TO, settings.EMAIL_HOST = "ops@example.org", ""
    assert critical("ways of alerts").key == "alerts:mail"
    settings.EMAIL_HOST = "mail.example.org"
    settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = "https://hooks.example.org/", "short"
    assert critical("ways of alerts").key == "alerts:webhook"
    settings.ALERTS_ENABLED = False
    assert rules.check("ways of alerts") == []


def owed(hours: float, **values: Any) -> Delivery:
    """A letter that was written so long ago."""
    made: Delivery = Delivery.objects.create(channel="mail", **{"event": "alerts", **values})
    at = timezone.now() - timedelta(hours=hours)
    Delivery.objects.filter(pk=made.pk).update(created_at=at, updated_at=at)
    return made


def unsent() -> list[Trouble]:
    return list(rules.check("letters"))


def test_letters_that_nobody_takes(db: None, settings: Any, client: Client) -> None:
    settings.ALERT_MAIL_TO = "ops@example.org"
    owed(0.9)
    assert unsent() == []
    late = owed(26, error="The mail server mail:25 does not take mail.")
    found = critical("letters")
    assert found.key == "alerts:unsent:mail"
    assert found.sentence.startswith(
        "1 letter by mail waits since 1 day: The mail server mail:25 does not take"
    )
    client.force_login(User.objects.create_superuser("root@example.org", "a-password"))
    text = client.get(found.link).content.decode()
    assert str(late.pk) in text
    assert "1 letter by mail waits" in " ".join(one.sentence for one in running.check_mail())
    Delivery.objects.update(state="sent", sent_at=timezone.now())
    assert unsent() == []


def test_letters_that_were_given_up_are_told_until_one_is_taken(db: None, settings: Any) -> None:
    settings.ALERT_MAIL_TO = "ops@example.org"
    owed(3, state="given_up", error="550 no such user")
    [found] = unsent()
    assert "1 letter by mail was given up" in found.sentence
    assert "550 no such user" in found.sentence
    owed(1, state="sent", sent_at=timezone.now())
    assert unsent() == []


def test_letters_that_were_given_up_long_ago_are_not_well(db: None, settings: Any) -> None:
    settings.ALERT_MAIL_TO = "ops@example.org"
    owed(3, state="given_up")
    noting.note({"letters": unsent()})
    for sent, ending in ((False, "no letter was taken by it since"), (True, "")):
        Alert.objects.filter(key="alerts:unsent:mail").update(
            resolved_at=None, last_seen=timezone.now() - timedelta(minutes=5)
        )
        Delivery.objects.all().delete()
        if sent:
            owed(1, state="sent", sent_at=timezone.now())
        noting.note({"letters": unsent()})
        assert Alert.objects.get(key="alerts:unsent:mail").ending == ending


def test_what_is_told_of_letters_is_of_ways_that_are_set_up(db: None, settings: Any) -> None:
    owed(5)
    owed(5, state="given_up")
    assert unsent() == []
    settings.ALERT_MAIL_TO = "ops@example.org"
    assert len(unsent()) == 1
    settings.ALERTS_ENABLED = False
    assert unsent() == []


def test_a_test_that_was_refused_is_no_trouble_and_one_that_nobody_tries_is(db: None, settings: Any) -> None:
    settings.ALERT_MAIL_TO = "ops@example.org"
    owed(2, state="given_up", event="test")
    assert unsent() == []
    owed(2, event="test")
    assert [one.key for one in unsent()] == ["alerts:unsent:mail"]


def test_scratch_without_room(db: None, settings: Any) -> None:
    settings.STORE_RESERVE_BYTES = 10**18
    assert "work waits for room" in critical("scratch").sentence


def test_migrations_that_are_not_applied(db: None) -> None:
    assert rules.check("migrations") == []
    servers.kept_migrations.forget()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'media' AND name >= '0020'")
    assert "not applied" in critical("migrations").sentence


def test_beat_that_was_never_heard(library: Library) -> None:
    made_up.originals(library, 1)
    now = timezone.now()
    report = WorkerReport.objects.create(name="all@here", lane="all", began_at=now, seen_at=now)
    assert rules.check("beat") == []
    WorkerReport.objects.filter(pk=report.pk).update(began_at=now - timedelta(minutes=11))
    assert "Beat has never told of itself" in critical("beat").sentence
    report.delete()
    assert rules.check("beat") == []
    Original.objects.update(created_at=now - timedelta(minutes=11))
    assert critical("beat").key == "beat"
    pulses.beat(pulses.BEAT)
    assert rules.check("beat") == []
