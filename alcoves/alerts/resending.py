"""Sending a letter again, and sending one to see whether it arrives."""

from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from alcoves.alerts import delivering, letters
from alcoves.alerts.models import Delivery, State
from media import audit
from media.audit import Actor

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
        act.text = f"{act.count} letter{'' if act.count == 1 else 's'} of alerts sent again."
        act.detail = {"keys": [str(letter.pk) for letter in chosen]}
    return act.count


def test(channel: str, *, by: Actor) -> Delivery:
    """A letter that says only that it is a test, tried once, now. Its row tells what came of it."""
    with transaction.atomic():
        letter: Delivery = Delivery.objects.create(
            channel=channel, event=letters.TEST, data={"test": True}, attempts=1, next_try=Now()
        )
        audit.note("alerts.test", by=by, text=f"Sent a test by {channel}.", target=letter)
    delivering.attempt(letter)
    letter.refresh_from_db()
    return letter
