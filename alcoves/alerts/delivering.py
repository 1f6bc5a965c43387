"""Delivers letters that are owed. Each is leased before it is sent, so that a process that dies loses none."""

import logging
import random
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from alcoves.alerts import mail, webhook
from alcoves.alerts.mail import NotTakenError
from alcoves.alerts.models import Alert, Channel, Delivery, State

logger = logging.getLogger(__name__)
TRIES: Final = 5
FIRST_PAUSE: Final = 30.0
"""Doubles each time, with a jitter."""
REST: Final = timedelta(minutes=15)
"""After so many tries; then they begin anew."""
PATIENCE: Final = timedelta(days=3)
"""An older letter is given up. What it told and is still so comes in a new one."""
LEASE: Final = timedelta(minutes=3)
"""Of one letter, and anew with each recipient: longer than the slowest answer that is waited for."""
BATCH: Final = 20
ROUND: Final = timedelta(minutes=1)
"""After so long no other letter is begun: the next round does that."""


def deliver_due() -> int:
    """One try for each letter whose time has come; returns how many were taken."""
    until = timezone.now() + ROUND
    taken = 0
    for _ in range(BATCH):
        letter = claim() if timezone.now() < until else None
        if letter is None:
            break
        taken += attempt(letter)
    return taken


def claim() -> Delivery | None:
    """The next letter to try. Nobody else tries it meanwhile; if we die it comes up again."""
    with transaction.atomic():
        due = Delivery.objects.filter(state=State.OWED, next_try__lte=Now()).order_by(
            "next_try", "created_at"
        )
        letter: Delivery | None = due.select_for_update(skip_locked=True).first()
        if letter is not None:
            Delivery.objects.filter(pk=letter.pk).update(next_try=Now() + LEASE, attempts=F("attempts") + 1)
            letter.refresh_from_db()
    return letter


def attempt(letter: Delivery) -> bool:
    """Sends it and keeps what came of it."""
    status: int | None
    try:
        status, answer = send(letter)
    except NotTakenError as error:
        logger.warning("a letter by %s was not taken: %s", letter.channel, error.sentence)
        refused(letter, error)
        return False
    except Exception as error:
        logger.exception("a letter by %s could not be sent", letter.channel)
        refused(letter, NotTakenError(f"It could not be sent ({type(error).__name__}). The log says more."))
        return False
    with transaction.atomic():
        Delivery.objects.filter(pk=letter.pk).update(
            state=State.SENT, sent_at=Now(), status=status, answer=answer, error="", updated_at=Now()
        )
        Alert.objects.filter(mentions__delivery=letter, told_at__isnull=True).update(told_at=Now())
    return True


def send(letter: Delivery) -> tuple[int | None, str]:
    if letter.channel == Channel.WEBHOOK:
        return webhook.send(letter)

    def took(recipient: str) -> None:
        letter.data["taken"] = [*letter.data.get("taken", ()), recipient]
        Delivery.objects.filter(pk=letter.pk).update(data=letter.data, next_try=Now() + LEASE)

    mail.send(letter, took=took)
    return None, ""


def refused(letter: Delivery, error: NotTakenError) -> None:
    """Later again, or given up. Only by who holds the newest lease."""
    over = letter.event != "alerts" or letter.created_at < timezone.now() - PATIENCE
    with transaction.atomic():
        mine = Delivery.objects.filter(pk=letter.pk, attempts=letter.attempts, state=State.OWED)
        mine.update(
            state=State.GIVEN_UP if over else State.OWED,
            next_try=timezone.now() + pause_after(letter.attempts),
            status=error.status,
            answer=error.answer,
            error=error.sentence,
            updated_at=Now(),
        )
        if over:
            # Of what is still so a new letter tells.
            letter.mentions.filter(alert__resolved_at__isnull=True).delete()


def pause_after(attempts: int) -> timedelta:
    """30 s, 1, 2 and 4 minutes, give or take a fifth; then a rest."""
    step = (attempts - 1) % TRIES
    if step == TRIES - 1:
        return REST
    return timedelta(seconds=FIRST_PAUSE * 2**step * random.uniform(0.8, 1.2))  # noqa: S311  No secret.
