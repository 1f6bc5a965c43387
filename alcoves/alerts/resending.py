"""Sending a letter again, and sending one to see whether it arrives."""

import logging
from typing import Any, Final

import redis
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from alcoves.alerts import letters, tasks
from alcoves.alerts.models import Delivery, State
from alcoves.wording import counted
from media import audit
from media.audit import Actor

logger = logging.getLogger(__name__)
MOST: Final = audit.KEYS
"""Letters that are sent again at once: each of them goes to everybody, and the entry names them all."""


def send_again(rows: Any, *, by: Actor) -> int:
    """These letters are owed anew, to everybody who is to have them; they go out with the next round.

    The oldest of them, where they are more than `MOST`.
    """
    with audit.noting("alerts.send_again", by=by) as act:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:MOST])
        chosen = list(Delivery.objects.filter(pk__in=keys).select_for_update().order_by("pk"))
        for letter in chosen:
            letter.data.pop("taken", None)
            letter.state, letter.attempts, letter.error = State.OWED, 0, ""
            letter.sent_at = letter.status = None
            letter.next_try = Now()
            letter.save()
        act.count = len(chosen)
        act.text = f"{counted(act.count, 'letter')} of alerts sent again."
        act.detail = {"keys": [str(letter.pk) for letter in chosen]}
    return act.count


def test(channel: str, *, by: Actor) -> Delivery:
    """A letter that says only that it is a test, tried once, by whom all letters are sent. Its row tells what came
    of it.
    """
    with transaction.atomic():
        letter: Delivery = Delivery.objects.create(
            channel=channel, event=letters.TEST, data={"test": True}, next_try=Now()
        )
        audit.note("alerts.test", by=by, text=f"Sent a test by {channel}.", target=letter)
        transaction.on_commit(hurry)
    return letter


def hurry() -> None:
    """Beat would begin it within half a minute."""
    try:
        tasks.deliver.apply_async(retry=False, expires=60)
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("a test waits for beat, for the broker is away: %s", error)
