"""Counts that nobody has to count: files, bytes and jobs, kept by triggers of the database (migration tallies).

A trigger only adds rows to `TallyChange`, so that no two transactions wait for the same count. `media.tallies` folds
them into `Tally`; a reader adds both up, so what it sees is exact at that moment.
"""

from typing import Any, ClassVar, Final

from django.contrib.postgres.fields import ArrayField
from django.db import models

FILES: Final = "files"
"""By state, library, kind and type of the bytes."""
FOLDERS: Final = "folders"
"""By state (live or trashed) and library."""
ORIGINALS: Final = "originals"
"""By library and kind; `amount` is bytes, as in all but the last two."""
DERIVATIVES: Final = "derivatives"
"""Rows by deriver, status and queue."""
ACCEPTED: Final = "accepted"
"""Of these, failed ones that operators leave at that, by deriver."""
MADE: Final = "made"
"""Outputs by library and deriver."""
CACHED: Final = "cached"
"""Pictures in the image cache by library, and `variant` or `free`."""
ADDED: Final = "added"
"""Files by the day they came. Those that went since are counted too."""
GROWTH: Final = "growth"
"""Originals by the day they came, less those that went on that day, and what they grew by since."""
ENDED: Final = "ended"
"""Runs by hour, deriver and outcome; `amount` is milliseconds."""


class Counted(models.Model):
    """A count of what has these keys, and the sum of something."""

    topic = models.CharField(max_length=16)
    keys = ArrayField(models.TextField())
    number = models.BigIntegerField(default=0)
    amount = models.BigIntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.topic} {' '.join(self.keys)}: {self.number}"


class Tally(Counted):
    """What was counted up to the last fold."""

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name_plural = "tallies"
        constraints = (models.UniqueConstraint(fields=["topic", "keys"], name="tally_once"),)


class TallyChange(Counted):
    """What came since, or went."""

    objects: ClassVar[Any] = models.Manager()
