"""`lists`: every list of the console over tables with a million rows: itself, each filter, searches, its last page.

The rare rows are the oldest. What has no index shows at once: it takes seconds.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.contrib import admin
from django.db import connection, transaction
from django.test import Client

from alcoves.accounts.models import User
from tests.alcoves.console.filling import fill, libraries
from tests.alcoves.console.lists import addresses, changelist
from tests.bench.measuring import Result, in_ms

NAMES: Final = (
    *("media.original", "media.file", "media.derivative", "media.folder", "media.auditentry"),
    *("media.cachedimage", "ml.person", "ml.face", "ml.objectdetection", "ml.transcript"),
)
AIM_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    rows: int = 1_000_000
    names: tuple[str, ...] = NAMES


QUICK = Size(rows=50_000)


def run(size: Size, folder: Path) -> list[Result]:
    root = User.objects.create_superuser("root@example.org", "root-password")
    client = Client(headers={"host": "localhost"})
    client.force_login(root)
    with transaction.atomic():
        libraries()
    models = [one for one in admin.site._registry if one._meta.label_lower in size.names]
    with transaction.atomic():
        for model in models:
            fill(model, size.rows)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return [measure(model, client, root) for model in models]


def measure(model: Any, client: Client, root: User) -> Result:
    """Each address once to warm up, then timed."""
    times: dict[str, float] = {}
    for query in dict.fromkeys(addresses(model, root)):
        client.get(changelist(model) + query)
        began = time.perf_counter()
        answer = client.get(changelist(model) + query)
        times[query] = time.perf_counter() - began
        assert answer.status_code == 200, (model, query)
    worst = max(times, key=lambda query: times[query])
    raw = {**in_ms(list(times.values())), "worst": worst or "the list itself"}
    return Result(
        f"list of {model._meta.label_lower}", times[worst], AIM_SECONDS, higher_is_better=False, raw=raw
    )
