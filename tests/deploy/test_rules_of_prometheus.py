"""Each rule of deploy/ against samples: it fires where it shall, and is silent where all is well."""

from typing import Any, Final

import pytest
import yaml

from tests.deploy.promql import Series, ask, vector
from tests.docs.reading import PROJECT

RULES: Final[dict[str, dict[str, Any]]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROJECT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))[
        "groups"
    ]
    for rule in group["rules"]
}
NOW: Final = 1_800_000_000.0
DAY: Final = 86_400
GIGABYTE: Final = 10**9


def name(text: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """`metric{a=b, c=d}`, as it stands in the cases."""
    metric, _, labels = text.rstrip("}").partition("{")
    pairs = (one.split("=", 1) for one in labels.split(",") if one)
    return metric, frozenset((key.strip(), value) for key, value in pairs)


def scraped(samples: dict[str, float | tuple[float, float]]) -> Series:
    """A number was told all the while; a pair is a counter that went from the one to the other in two minutes."""
    points = {}
    for text, value in samples.items():
        before, after = value if isinstance(value, tuple) else (value, value)
        points[name(text)] = [(NOW - 120, before), (NOW - 5, after)]
    return Series(points)


JOBS: Final = "alcoves_jobs_total{deriver=poster,outcome="
BACKUP: Final = "alcoves_backup_last_success_timestamp_seconds"
EXPECTED: Final = "alcoves_backup_expected_age_seconds"
FREE: Final = "alcoves_disk_free_bytes{place="
SIZE: Final = "alcoves_disk_size_bytes{place="
STORE: Final = "alcoves_storage_operations_total{store=files,result="
SUCCESS: Final = "alcoves_background_task_last_success_timestamp_seconds{task="
CASES: Final[dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]] = {
    "AlcovesIsDown": ({"up{job=alcoves}": 0}, [{"up{job=alcoves}": 1}, {"up{job=node}": 0}]),
    "AlcovesNoWorker": ({"alcoves_workers{status=alive}": 0}, [{"alcoves_workers{status=alive}": 1}]),
    "AlcovesWorkerOffline": (
        {"alcoves_worker_heartbeat_age_seconds{worker_name=a}": 9000},
        [
            {"alcoves_worker_heartbeat_age_seconds{worker_name=a}": 5},
            {"alcoves_worker_heartbeat_age_seconds{worker_name=a}": 90_000},
        ],
    ),
    "AlcovesWorkerDoesNotAnswer": ({"alcoves_scrape_up{worker=a}": 0}, [{"alcoves_scrape_up{worker=a}": 1}]),
    "AlcovesQueueIsLate": (
        {"alcoves_queue_oldest_age_seconds{queue=thumbnail}": 700},
        [
            {"alcoves_queue_oldest_age_seconds{queue=thumbnail}": 60},
            {"alcoves_queue_oldest_age_seconds{queue=hash}": 700},
        ],
    ),
    "AlcovesSlowQueueIsLate": (
        {"alcoves_queue_oldest_age_seconds{queue=transcription}": 2 * DAY},
        [
            {"alcoves_queue_oldest_age_seconds{queue=transcription}": 9000},
            {"alcoves_queue_oldest_age_seconds{queue=metadata}": 2 * DAY},
        ],
    ),
    "AlcovesQueueStandsStill": (
        {"alcoves_queue_tasks{queue=hash,state=due}": 5, f"{JOBS}ready}}": 7},
        [
            {"alcoves_queue_tasks{queue=hash,state=due}": 5, f"{JOBS}ready}}": (7, 8)},
            {"alcoves_queue_tasks{queue=hash,state=asleep}": 5, f"{JOBS}ready}}": 7},
            {"alcoves_queue_tasks{queue=hash,state=due}": 0, f"{JOBS}ready}}": 7},
            # A film of an hour, and one more behind it.
            {
                "alcoves_queue_tasks{queue=transcription,state=due}": 1,
                "alcoves_jobs_active{queue=transcription}": 1,
                f"{JOBS}ready}}": 7,
            },
        ],
    ),
    "AlcovesDeriverFails": (
        {f"{JOBS}failed}}": (0, 12), f"{JOBS}ready}}": (0, 3)},
        [
            {f"{JOBS}failed}}": (0, 12), f"{JOBS}ready}}": (0, 30)},
            {f"{JOBS}failed}}": (0, 3), f"{JOBS}ready}}": (0, 0)},
            {f"{JOBS}cancelled}}": (0, 12), f"{JOBS}ready}}": (0, 3)},
        ],
    ),
    "AlcovesRunsDie": (
        {"alcoves_reconciled_total{reason=quarantined}": (1, 2)},
        [{"alcoves_reconciled_total{reason=rescued}": (1, 9)}],
    ),
    "AlcovesSlowAnswers": (
        {
            "alcoves_http_seconds_bucket{method=GET,le=1}": (0, 10),
            "alcoves_http_seconds_bucket{method=GET,le=5}": (0, 100),
        },
        [
            {
                "alcoves_http_seconds_bucket{method=GET,le=1}": (0, 99),
                "alcoves_http_seconds_bucket{method=GET,le=5}": (0, 100),
            }
        ],
    ),
    "AlcovesServerErrors": (
        {
            "alcoves_http_requests_total{status=503}": (0, 9),
            "alcoves_http_requests_total{status=200}": (0, 91),
        },
        [
            {
                "alcoves_http_requests_total{status=503}": (0, 1),
                "alcoves_http_requests_total{status=200}": (0, 99),
            }
        ],
    ),
    "AlcovesPartFails": (
        {"alcoves_readiness_failures_total{check=redis}": (0, 1)},
        [{"alcoves_readiness_failures_total{check=redis}": 4}],
    ),
    "AlcovesStoreFails": (
        {f"{STORE}store_full}}": (0, 1)},
        [{f"{STORE}ok}}": (0, 99), f"{STORE}blob_not_found}}": (0, 5)}],
    ),
    "AlcovesBytesAreMissing": (
        {"alcoves_missing_blobs_total{what=original}": (0, 1)},
        [{"alcoves_missing_blobs_total{what=output}": (0, 1)}],
    ),
    "AlcovesStoreIsNotWhole": (
        {"alcoves_storage_reconciliation_status": 0, f"{SUCCESS}media.find_orphans}}": NOW - 60},
        [
            {"alcoves_storage_reconciliation_status": 1, f"{SUCCESS}media.find_orphans}}": NOW - 60},
            {"alcoves_storage_reconciliation_status": 0},
        ],
    ),
    "AlcovesSweepsFail": (
        {"alcoves_background_task_errors_total{task=a}": (0, 4)},
        [{"alcoves_background_task_errors_total{task=a}": (0, 3)}],
    ),
    "AlcovesBeatIsDown": (
        {f"{SUCCESS}media.sweep_blobs}}": NOW - 1000},
        [{f"{SUCCESS}media.sweep_blobs}}": NOW - 300}],
    ),
    "AlcovesDatabaseIsLost": (
        {"alcoves_db_query_retries_total{where=web}": (0, 6)},
        [{"alcoves_db_query_retries_total{where=web}": (0, 2)}],
    ),
    "AlcovesRedisFails": (
        {"alcoves_redis_operations_total{result=error}": (0, 50)},
        [{"alcoves_redis_operations_total{result=ok}": (0, 50)}],
    ),
    "AlcovesFiguresAreMissing": (
        {"alcoves_scrape_errors_total{figure=files}": (0, 6)},
        [{"alcoves_scrape_errors_total{figure=files}": (0, 2)}],
    ),
    "AlcovesBackupIsOld": (
        {BACKUP: NOW - 2 * DAY, EXPECTED: 30 * 3600},
        [
            {BACKUP: NOW - DAY, EXPECTED: 30 * 3600},
            {BACKUP: NOW - 6 * DAY, EXPECTED: 174 * 3600},
            {BACKUP: NOW - 600 * DAY, EXPECTED: 0},
        ],
    ),
    "AlcovesBackupIsMissing": ({EXPECTED: 30 * 3600}, [{EXPECTED: 0}, {EXPECTED: 9, BACKUP: NOW}, {}]),
    "AlcovesDiskIsFull": (
        {f"{FREE}data}}": 5 * GIGABYTE, f"{SIZE}data}}": 100 * GIGABYTE},
        [{f"{FREE}data}}": 50 * GIGABYTE, f"{SIZE}data}}": 100 * GIGABYTE}],
    ),
    "AlcovesDiskIsAllButFull": ({f"{FREE}data}}": GIGABYTE}, [{f"{FREE}data}}": 3 * GIGABYTE}]),
}
"""By rule: samples with which it fires, and such with which it does not."""


def fires(alert: str, samples: dict[str, Any]) -> bool:
    return bool(vector(ask(RULES[alert]["expr"], scraped(samples), NOW)))


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("alert", CASES)
def test_a_rule_fires_where_it_shall_and_nowhere_else(alert: str) -> None:
    bad, well = CASES[alert]
    assert fires(alert, bad)
    assert [samples for samples in well if fires(alert, samples)] == []


@pytest.mark.parametrize("active", [{}, {"alcoves_jobs_active{queue=hash}": 0}])
def test_a_queue_of_a_new_installation_stands_still_where_nothing_was_ever_run(
    active: dict[str, Any],
) -> None:
    """Then there is no counter of jobs that ended, and perhaps none of those that run."""
    assert fires("AlcovesQueueStandsStill", {"alcoves_queue_tasks{queue=hash,state=due}": 5, **active})


def test_what_the_evaluator_does_not_know_it_refuses() -> None:
    with pytest.raises((ValueError, IndexError)):
        ask("topk(3, up) offset 5m", scraped({"up": 1}), NOW)
