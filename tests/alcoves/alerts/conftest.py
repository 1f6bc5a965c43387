"""An installation whose settings let nobody in; a webhook and a mail server that are told."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.alcoves.alerts.sinks import HookSink, MailSink, Rules, serving
from tests.alcoves.alerts.troubling import SECRET, mail_settings


@pytest.fixture(autouse=True)
def strong_key(settings: Any) -> None:
    settings.SECRET_KEY = "kJ2v9xQp-7Lm4RtZ8wYc1NbH6sDfG3aE5uTiO0"


@pytest.fixture
def hook(settings: Any) -> Iterator[HookSink]:
    with serving(HookSink()) as sink:
        settings.ALERT_WEBHOOK_URL = sink.url
        settings.ALERT_WEBHOOK_SECRET = SECRET
        settings.ALERT_WEBHOOK_LOOPBACK = True
        settings.ALERT_RATE_SECONDS = 0
        yield sink


@pytest.fixture
def post(settings: Any) -> Iterator[MailSink]:
    with serving(MailSink(0, Rules())) as sink:
        mail_settings(settings, sink.server_address[1])
        yield sink
