"""What the tests of letters share: troubles, and a round at a time when everything owed is due."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from alcoves.alerts import delivering, letters, noting
from alcoves.alerts.models import Alert, Delivery
from alcoves.alerts.rules import Severity, Trouble

SECRET = "a-secret-of-the-webhook-with-enough-letters"
DISK = Trouble("disk:data", Severity.WARNING, "The disk of data has 1.0 GB left.", "/admin/doctor")
BEAT = Trouble("beat", Severity.CRITICAL, "Beat has sent nothing for 5 minutes.", "/admin/workers")


def mail_settings(settings: Any, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "localhost", port, 5
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.ALERT_MAIL_TO = "ops@example.org"
    settings.ALERT_RATE_SECONDS = 0


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
