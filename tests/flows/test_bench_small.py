"""Every bench of `script/bench`, small: that it runs and gives its figures. Speeds are for script/bench to judge."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench import ingest, overhead, starvation, upload, weights
from tests.bench.__main__ import NAMES, parse
from tests.bench.measuring import Result, percentile, table

pytestmark = pytest.mark.django_db(transaction=True)


def check(results: list[Result], *names: str) -> list[dict[str, Any]]:
    """All promised fields are there and say something."""
    told = [json.loads(result.as_json()) for result in results]
    assert [each["name"] for each in told] == list(names)
    for each in told:
        assert set(each) == {"name", "ratio", "limit", "higher_is_better", "raw"}
        assert each["raw"]
    assert all(name in table(results) for name in names)
    return told


def test_the_shares_of_the_queues_are_those_of_their_weights() -> None:
    (told,) = check(weights.run(weights.Size(picks=1500, rounds=1, seed=7)), "weights")
    assert 0 < told["ratio"] < told["limit"]


def test_starvation_under_real_workers(tmp_path: Path) -> None:
    size = starvation.Size(samples=10, rounds=1, shared_samples=1, heavy_seconds=1.0)
    lanes, capped = check(starvation.run(size, tmp_path), "starvation-lanes", "starvation-capped")
    for told in (lanes, capped):
        assert told["raw"]["idle"]["samples"] == told["raw"]["loaded"]["samples"] == 10
        assert told["raw"]["niceness_of_heavy_tasks"] == [10]
    assert capped["raw"]["one_shared_pool"]["samples"] == 1


def test_overhead_of_the_ledger(tmp_path: Path) -> None:
    (told,) = check(overhead.run(overhead.Size(samples=5, rounds=1, burst=10), tmp_path), "overhead")
    assert told["raw"]["ledger"]["samples"] == 5
    assert told["raw"]["ledger_tasks_per_second"] > 0


def test_ingest_of_a_few_photos(tmp_path: Path) -> None:
    size = ingest.Size(photos=6, width=160, height=120, rounds=2)
    (told,) = check(ingest.run(size, tmp_path), "ingest")
    assert told["higher_is_better"]
    assert len(told["raw"]["files_per_second_of_each_part"]) == 2


def test_upload_of_a_few_megabytes(tmp_path: Path) -> None:
    size = upload.Size(blocks=5, rounds=1, chunk_blocks=2)
    speed, memory = check(upload.run(size, tmp_path), "upload", "upload-memory")
    assert speed["raw"]["share_in_chunks"] > 0
    assert 0 < memory["raw"]["rss_before_mb"] < memory["raw"]["rss_peak_mb"] + 0.1


def test_a_limit_is_kept_from_the_right_side() -> None:
    assert Result("a", 2, 1, higher_is_better=True).kept
    assert not Result("a", 2, 1, higher_is_better=False).kept
    assert "MISSED" in table([Result("a", 2, 1, higher_is_better=False)])
    assert (percentile(range(1, 101), 99), percentile([5], 50)) == (99, 5)


def test_names_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]).names == list(NAMES)
    assert parse(["upload", "--json"]).json
    with pytest.raises(SystemExit):
        parse(["speed"])
    assert "there is no bench speed" in capsys.readouterr().err
