"""`dashboard`: all figures of the console with a million files and derivatives, many of them queued, and /metrics.

The yardstick is Postgres counting all derivatives once, which a page that counts would do many times over. What the
triggers cost is measured too: a claim and an end of a run with them and without.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from django.db import connection, models, transaction
from django.utils import timezone

from alcoves import figures as scraped
from alcoves.alerts import rules
from alcoves.backup.models import Finding
from alcoves.console.dashboard import figures, queues, warnings
from media import grouping, ledger, tallies
from media.models import Derivative, File, Library, Original
from tests.bench import machines
from tests.bench.measuring import Result

COUNT: Final = "SELECT count(*) FROM media_derivative"
LIMIT_SLOWEST = 1.0
"""Of the time to count derivatives once. Those that ask other machines (readiness, models) are beyond the database."""
BEYOND: Final = ("machine", "models")
LIMIT_WARNINGS = 4.0
"""All rules together. Each open page asks them every ten seconds; a process asks once in three."""
LIMIT_METRICS = 2.0
"""What a scrape asks of the database, once in fifteen seconds at most."""
METRICS: Final = "metrics"
GROUPS: Final = "groups of failures"
SHORTEST: Final = 0.05
"""A small table is counted sooner than anything can be asked."""
LIMIT_TRIGGERS = 1.5
"""Times a claim and an end without them."""
WARM: Final = 10
STATUSES: Final = "(ARRAY['ready','ready','ready','ready','not_needed','failed','queued'])[1 + n % 7]"
DERIVERS: Final = "(ARRAY['poster','preview','metadata','hover','waveform'])[1 + n % 5]"

KINDS: Final = "(ARRAY['missing','missing','altered','orphaned'])[1 + n % 4]"
HOURS: Final = """
    INSERT INTO media_tally (topic, keys, number, amount)
    SELECT 'ended', ARRAY[to_char(now() AT TIME ZONE 'UTC' - hour * interval '1 hour', 'YYYY-MM-DD"T"HH24'),
        'deriver ' || deriver, outcome], 5000, 5000000
    FROM generate_series(0, 35 * 24) hour, generate_series(1, 20) deriver, unnest(ARRAY['ready', 'failed']) outcome
"""


@dataclass(frozen=True, slots=True)
class Size:
    rows: int = 1_000_000
    rounds: int = 5


QUICK: Final = Size(20_000, 3)


def run(size: Size, folder: Path) -> list[Result]:
    library = machines.library()
    began = time.perf_counter()
    fill(library, size.rows)
    filled = time.perf_counter() - began
    triggers = cost_of_triggers(library)
    began = time.perf_counter()
    wrong = tallies.recount()
    recounted = time.perf_counter() - began
    tallies.fold()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    yard, took, asked = [], dict[str, list[float]](), dict[str, list[float]]()
    for _ in range(size.rounds):
        yard.append(seconds_of(count))
        for figure in figures.FIGURES:
            took.setdefault(figure.name, []).append(seconds_of(lambda name=figure.name: take(name)))
        for name, rule in {**rules.RULES, **warnings.RULES}.items():
            asked.setdefault(name, []).append(
                seconds_of(lambda name=name, rule=rule: rules.asked(name, rule))
            )
        took.setdefault(METRICS, []).append(seconds_of(scrape))
        took.setdefault(GROUPS, []).append(seconds_of(grouping.find_groups))
    raw = {
        "rows": size.rows,
        "filled_s": round(filled),
        "recount_s": round(recounted, 2),
        "wrong": sum(wrong.values()),
        "rules_ms": slowest_of(asked),
    }
    return [*results(yard, took, raw), triggers]


def slowest_of(asked: dict[str, list[float]], most: int = 5) -> dict[str, float]:
    """Milliseconds of the rules that cost most."""
    told = {name: round(median(samples) * 1000, 1) for name, samples in asked.items()}
    return dict(sorted(told.items(), key=lambda each: -each[1])[:most])


def take(name: str) -> None:
    warnings.kept.forget()
    queues.lately.forget()
    answer = figures.answer(name)
    assert answer.ok, (name, answer.message)


def scrape() -> None:
    """None of its figures may be missing: with a statement limit, one that is slow is no longer there."""
    told = {sample[0].name for sample in scraped.Figures().ask()}
    assert {"alcoves_queue_tasks", "alcoves_queue_oldest_age_seconds", "alcoves_storage_bytes"} <= told, told


def count() -> None:
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        cursor.fetchone()


def seconds_of(act: Any) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def results(yard: Sequence[float], took: dict[str, list[float]], raw: dict[str, Any]) -> list[Result]:
    unit = max(SHORTEST, median(yard))
    apart = {*BEYOND, "warnings", METRICS}
    slowest = max(median(samples) for name, samples in took.items() if name not in apart)
    told = {name: round(median(samples) * 1000, 1) for name, samples in took.items()}
    about = {**raw, "count_ms": round(unit * 1000, 1), "figures_ms": told}
    warnings, metrics = median(took["warnings"]) / unit, median(took[METRICS]) / unit
    return [
        Result("slowest figure", slowest / unit, LIMIT_SLOWEST, higher_is_better=False, raw=about),
        Result(
            "warnings", warnings, LIMIT_WARNINGS, higher_is_better=False, raw={"beside_ms": about["count_ms"]}
        ),
        Result(
            "a scrape", metrics, LIMIT_METRICS, higher_is_better=False, raw={"beside_ms": about["count_ms"]}
        ),
    ]


def fill(library: Library, rows: int) -> None:
    """Copies of one row of each, by the database itself. Triggers rest meanwhile; a recount makes good for them."""
    now = timezone.now()
    original = Original.objects.create(library=library, size=1000, mime="image/jpeg", kind="image", key="0")
    file = File.objects.create(library=library, original=original, name="0")
    row = Derivative.objects.create(original=original, deriver="poster", queue="thumbnail", queued_at=now)
    spread = f"now() - (n % 400) * interval '{86400 * 90 // 400} seconds'"
    copy(original, rows, id="lpad('a' || to_hex(n), 32, '0')::uuid", key="n::text", created_at=spread)
    copy(
        file,
        rows,
        id="lpad('f' || to_hex(n), 32, '0')::uuid",
        original_id="lpad('a' || to_hex(n), 32, '0')::uuid",
        name="n::text",
        created_at=spread,
    )
    copy(
        row,
        rows,
        id="lpad('d' || to_hex(n), 32, '0')::uuid",
        original_id="lpad('a' || to_hex(n), 32, '0')::uuid",
        deriver=DERIVERS,
        status=STATUSES,
        outputs="""'[{"name": "poster", "key": "x", "size": 1234}]'::jsonb""",
        error_code="CASE WHEN n % 7 = 5 THEN (ARRAY['broken','source_missing'])[1 + n % 2] ELSE '' END",
        queued_at="now() - n % 86400 * interval '1 second'",
        started_at="now() - n % 86400 * interval '1 second'",
        finished_at="CASE WHEN n % 7 < 6 THEN now() - n % 80000 * interval '1 second' END",
    )

    found = Finding.objects.create(
        kind="missing", what="output", store="files", key="0", original=original.pk, seen_at=now
    )
    copy(found, rows, id="lpad('b' || to_hex(n), 32, '0')::uuid", key="n::text", kind=KINDS)
    with connection.cursor() as cursor:
        cursor.execute(HOURS)


def copy(row: models.Model, rows: int, **values: str) -> None:
    about = row._meta
    columns = [
        field.column
        for field in about.concrete_fields
        if field.column is not None and not isinstance(field, models.GeneratedField)
    ]
    chosen = ", ".join(values.get(column, f"t.{column}") for column in columns)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            f"INSERT INTO {about.db_table} ({', '.join(columns)}) "
            f"SELECT {chosen} FROM {about.db_table} t, generate_series(1, {rows}) n WHERE t.id = '{row.pk}'",
        )
        cursor.execute("RESET session_replication_role")


def cost_of_triggers(library: Library, rounds: int = 6, runs: int = 60) -> Result:
    """Claims and ends of runs, some with the triggers, then some without, in turn.

    The first of each round are not counted: after a switch Postgres plans everything that touches the table anew.
    """
    (file,) = File.objects.filter(name="0")
    took: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * rounds):
        on = number % 2 == 0
        switch(on=on)
        rows = [make_row(file.original, f"{number}-{run}") for run in range(runs + WARM)]
        took[on] += [seconds_of(partial(claim_and_end, row.pk)) for row in rows][WARM:]
    switch(on=True)
    raw = {"with_ms": round(median(took[True]) * 1000, 2), "without_ms": round(median(took[False]) * 1000, 2)}
    ratio = median(took[True]) / median(took[False])
    return Result("a run with triggers", ratio, LIMIT_TRIGGERS, higher_is_better=False, raw=raw)


def make_row(original: Original, variant: str) -> Derivative:
    row: Derivative = Derivative.objects.create(
        original=original, deriver="hover", variant=variant, queue="thumbnail", queued_at=timezone.now()
    )
    return row


def claim_and_end(key: Any) -> None:
    claim = ledger.claim(key, owner="bench", lease_seconds=timedelta(minutes=1).total_seconds())
    assert claim is not None
    with transaction.atomic():
        ledger.finish_not_needed(claim, "a bench")


def switch(*, on: bool) -> None:
    verb = "ENABLE" if on else "DISABLE"
    with connection.cursor() as cursor:
        for event in ("insert", "update", "delete"):
            cursor.execute(f"ALTER TABLE media_derivative {verb} TRIGGER media_tally_derivatives_{event}")
