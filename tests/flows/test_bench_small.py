"""Every bench of `script/bench`, small: that it runs and gives its figures. Speeds are for script/bench to judge."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from storage import registry
from tests.bench import (
    bulk,
    cached,
    chunking,
    clustering,
    cold,
    dashboard,
    encoding,
    flights,
    fronted,
    ingest,
    lasting,
    lists,
    lookups,
    overhead,
    peaks,
    postering,
    speaking,
    spriting,
    starvation,
    understanding,
    upload,
    warming,
    weights,
)
from tests.bench.__main__ import MODULES, NAMES, parse
from tests.bench.measuring import Result, percentile, table
from tests.workers import niceness

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


def test_the_shares_of_the_queues_are_those_of_their_weights(tmp_path: Path) -> None:
    (told,) = check(weights.run(weights.Size(picks=1500, rounds=1, seed=7), tmp_path), "weights")
    assert 0 < told["ratio"] < told["limit"]


def test_starvation_under_real_workers(tmp_path: Path) -> None:
    size = starvation.Size(samples=10, rounds=1, shared_samples=1, heavy_seconds=1.0)
    lanes, capped = check(starvation.run(size, tmp_path), "starvation-lanes", "starvation-capped")
    for told in (lanes, capped):
        assert told["raw"]["idle"]["samples"] == told["raw"]["loaded"]["samples"] == 10
        assert told["raw"]["niceness_of_heavy_tasks"] == [niceness(10)]
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


@pytest.fixture
def stores_of_the_workers(tmp_path: Path, settings: Any) -> Path:
    """The folder in which the workers and web processes of a bench look for blobs too."""
    for name, entry in settings.BLOB_STORES.items():
        entry["OPTIONS"]["root"] = tmp_path / "stores" / name
    registry.reset()
    return tmp_path


def test_cold_pictures_beside_bare_libvips(stores_of_the_workers: Path) -> None:
    size = cold.Size(photos=4, width=400, height=300, rounds=1, clients=2, alone=2)
    share, added = check(cold.run(size, stores_of_the_workers), "image-cold", "image-cold-latency")
    assert 0 < share["ratio"] < 10
    assert added["raw"]["http"]["samples"] == added["raw"]["bare"]["samples"] == 2


def test_cached_pictures(stores_of_the_workers: Path) -> None:
    size = cached.Size(photos=2, width=400, height=300, rounds=1, seconds=0.3, clients=2)
    names = ["image-cached", *(["image-cached-nginx"] if fronted.find_nginx() else [])]
    signed, *_ = check(cached.run(size, stores_of_the_workers), *names)
    assert signed["ratio"] > signed["raw"]["session"]["per_second"][0] > 0


def test_a_small_burst_is_one_transform(stores_of_the_workers: Path) -> None:
    size = flights.Size(photos=1, width=400, height=300, clients=20)
    (told,) = check(flights.run(size, stores_of_the_workers), "single-flight")
    assert told["raw"]["transforms_in_all"] == told["ratio"] == 1


def test_prewarm_of_a_few_photos(stores_of_the_workers: Path) -> None:
    size = warming.Size(photos=2, width=400, height=300, rounds=1)
    (told,) = check(warming.run(size, stores_of_the_workers), "prewarm")
    assert told["raw"]["sizes_of_each_photo"] == 5


def test_memory_over_a_few_pictures(stores_of_the_workers: Path) -> None:
    size = lasting.Size(transforms=120, early=40, pictures=40)
    (told,) = check(lasting.run(size, stores_of_the_workers), "image-memory")
    assert told["raw"]["processes"] == 1
    assert told["raw"]["outcomes"]["made"] > told["raw"]["outcomes"]["damaged_file"] > 0


def test_the_waveform_of_a_short_recording(tmp_path: Path) -> None:
    size = peaks.Size(seconds=20, rounds=1, long_seconds=60)
    speed, memory = check(peaks.run(size, tmp_path), "waveform", "waveform-memory")
    assert speed["ratio"] > 0
    assert 10 < memory["raw"]["ffmpeg_mb"] < memory["ratio"] < peaks.MOST_MB
    assert memory["raw"]["peaks_of_each_level"] == [3000, 750]


def test_posters_of_a_few_films(tmp_path: Path) -> None:
    (told,) = check(postering.run(postering.Size(films=2, seconds=2, rounds=1), tmp_path), "poster")
    assert told["ratio"] > 0
    assert told["raw"]["ours_ms_each"] > 0


def test_sprites_of_a_short_film(tmp_path: Path) -> None:
    size = spriting.Size(seconds=120, width=320, height=180, rounds=1)
    (told,) = check(spriting.run(size, tmp_path), "sprites")
    assert told["ratio"] > 0
    assert told["raw"]["by_key_frames"]
    assert (told["raw"]["frames"], told["raw"]["sheets"]) == (30, 1)


def test_the_proxy_of_a_short_film(stores_of_the_workers: Path) -> None:
    size = encoding.Size(seconds=3, width=160, height=90, rounds=1)
    (told,) = check(encoding.run(size, stores_of_the_workers), "proxy")
    assert told["ratio"] > 0
    bare, ours = told["raw"]["bytes_of_bare_and_ours"]
    assert bare == ours  # The same settings.


def test_a_short_film_in_chunks(stores_of_the_workers: Path) -> None:
    size = chunking.Size(seconds=9, width=160, height=90, chunk_seconds=3, rounds=1)
    (told,) = check(chunking.run(size, stores_of_the_workers), "chunked")
    assert told["raw"]["chunks"] == 3
    assert told["ratio"] > 0
    assert told["raw"]["seconds_of_the_workers"] > 0


def test_a_small_crowd_finds_its_people(tmp_path: Path) -> None:
    size = clustering.Size(people=20, faces=600, stored=150)
    told, order = check(clustering.run(size, tmp_path), "clustering", "clustering-order")
    assert told["ratio"] >= told["limit"]
    assert order["ratio"] <= order["limit"]
    low, middle, high = told["raw"]["cosines_of_one_person"].values()
    assert 0.35 < low < middle < high < 0.85
    assert told["raw"]["as_they_come"]["bcubed"] > 0.98
    assert told["raw"]["through_the_database"]["groups"] == 5


def test_looking_up_faces_among_a_few_thousand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.faces.lookups.is_quicker_one_by_one", lambda *_: False)
    size = lookups.Size(faces=2000, others=400, lookups=20, memory="64MB")
    (told,) = check(lookups.run(size, tmp_path), "face-lookup")
    assert told["ratio"] >= told["limit"]
    assert told["raw"]["look_ups"]["samples"] == 20
    assert told["raw"]["index_mb"] > 1


@pytest.mark.parametrize("name", ["faces", "objects", "sounds"])
def test_understanding_a_few_files(stores_of_the_workers: Path, name: understanding.Name) -> None:
    size = understanding.Size(files=3, rounds=1, idle_seconds=3)
    results = understanding.run(name, size, stores_of_the_workers)
    cost, memory, idle = check(results, name, f"{name}-memory", f"{name}-idle")
    assert cost["ratio"] > 0
    assert cost["raw"]["bare_ms_a_file"][0] > 0
    assert 10 < memory["ratio"] < memory["limit"]
    assert idle["raw"]["peak_host_mb"] > 10
    assert idle["ratio"] == 0


def test_speech_of_a_minute(stores_of_the_workers: Path) -> None:
    results = speaking.run(speaking.Size(seconds=60, rounds=1), stores_of_the_workers)
    told, memory = check(results, "speech", "speech-memory")
    assert told["ratio"] > 0
    assert 10 < memory["ratio"] < memory["limit"]
    assert told["raw"]["segments"] == 2


def test_lists_of_a_few_rows(tmp_path: Path) -> None:
    (told,) = check(lists.run(lists.Size(rows=200, names=("media.file",)), tmp_path), "list of media.file")
    assert told["raw"]["samples"] > 5


def test_the_dashboard_over_a_few_rows(tmp_path: Path) -> None:
    size = dashboard.Size(rows=200, rounds=1)
    names = ("slowest figure", "warnings", "a scrape", "a run with triggers")
    figures, _, _, triggers = check(dashboard.run(size, tmp_path), *names)
    assert len(figures["raw"]["figures_ms"]) > 10
    assert triggers["ratio"] > 0


def test_a_bulk_of_a_few_jobs(tmp_path: Path) -> None:
    (told,) = check(bulk.run(bulk.Size(rows=60), tmp_path), "bulk")
    assert told["raw"]["done"] == told["raw"]["queued"] == told["raw"]["messages"] == 61


def test_a_limit_is_kept_from_the_right_side() -> None:
    assert Result("a", 2, 1, higher_is_better=True).kept
    assert not Result("a", 2, 1, higher_is_better=False).kept
    assert "MISSED" in table([Result("a", 2, 1, higher_is_better=False)])
    assert (percentile(range(1, 101), 99), percentile([5], 50)) == (99, 5)


def test_names_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]).names == list(NAMES)
    assert parse(["upload", "--json"]).json
    assert parse(["image-cold", "--quick"]).quick
    assert all(hasattr(import_module(f"tests.bench.{module}"), "run") for module in MODULES.values())
    with pytest.raises(SystemExit):
        parse(["speed"])
    assert "there is no bench speed" in capsys.readouterr().err
