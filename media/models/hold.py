"""Time-outs for the sweeper: while somebody reads what the database named a while ago, nothing of it may go."""

from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from media.models.base import Row


class SweepHoldQuerySet(models.QuerySet["SweepHold"]):
    """The holds."""

    def held(self) -> set[str]:
        """Stores of which nothing is swept now."""
        return set(self.filter(until__gt=Now()).values_list("store", flat=True))

    def hold(self, reason: str, stores: tuple[str, ...], span: timedelta) -> None:
        """From now for so long. Ask again before it is over; a holder that dies holds nothing up for longer."""
        self.bulk_create(
            [SweepHold(store=store, reason=reason, until=Now() + span) for store in stores],
            update_conflicts=True,
            unique_fields=["store", "reason"],
            update_fields=["until"],
        )

    def let_go(self, reason: str) -> None:
        self.filter(reason=reason).delete()


class SweepHold(Row):
    """Nothing of this store is swept until then. Commit it before you look at what is named."""

    store = models.CharField(max_length=32)
    reason = models.CharField(max_length=64, help_text="who holds, like backup")
    until = models.DateTimeField()

    objects: ClassVar[Any] = SweepHoldQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["store", "reason"], name="sweep_hold_once"),)

    def __str__(self) -> str:
        return f"{self.reason} holds {self.store}"
