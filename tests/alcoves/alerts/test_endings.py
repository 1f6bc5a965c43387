"""How the end of a trouble is told: as well again, or as no longer watched."""

from datetime import timedelta
from email.header import decode_header, make_header
from typing import Any

import pytest
from django.utils import timezone

from alcoves.alerts import noting, rules
from alcoves.alerts.models import Alert
from media import tallies
from media.models import Tally, WorkerReport
from tests.alcoves.alerts.sinks import HookSink, MailSink
from tests.alcoves.alerts.troubling import calm, go

pytestmark = pytest.mark.django_db


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
