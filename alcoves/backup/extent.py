"""How much a look at the blobs has before it."""

from typing import Any

from django.db.models import BigIntegerField, Count, Func, Sum

from alcoves.accounts.models import User
from alcoves.backup.models import Look
from media import tallies
from media.models import Derivative, Original, tally


def of(row: Look) -> tuple[int, int]:
    """How many blobs rows name, and their bytes: from counts that are kept, unless some days alone are meant."""
    if row.since is not None:
        return since(row)
    wanted = [
        one
        for topic in (tally.ORIGINALS, tally.MADE)
        for one in tallies.told(topic, 0)
        if row.library is None or one.keys[0] == str(row.library)
    ]
    number, size = sum(one.number for one in wanted), sum(one.amount for one in wanted)
    if row.library is not None:
        return number, size
    faces = User.objects.exclude(avatar_key="").aggregate(number=Count("pk"), size=Sum("avatar_size"))
    return number + faces["number"], size + (faces["size"] or 0)


def since(row: Look) -> tuple[int, int]:
    originals = Original.objects.filter(created_at__gte=row.since)
    if row.library is not None:
        originals = originals.filter(library=row.library)
    made = Derivative.objects.filter(original__in=originals).exclude(outputs=[])
    counted: list[dict[str, Any]] = [
        originals.aggregate(number=Count("pk"), size=Sum("size")),
        made.aggregate(
            number=Sum(Func("outputs", function="jsonb_array_length", output_field=BigIntegerField())),
            size=Sum(Func("outputs", function="alcoves_output_bytes", output_field=BigIntegerField())),
        ),
    ]
    return sum(one["number"] or 0 for one in counted), sum(one["size"] or 0 for one in counted)
