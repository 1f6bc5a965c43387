"""Films that lie in a bucket: read by range and not copied, and what becomes of a run when the bucket goes away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from media import moments, pipeline
from media.models import Derivative, File, Library, uuid7
from storage import registry
from storage.registry import get_store
from tests.ingesting import derivative, run_queued, take_in
from tests.makers import make_image, make_tone, make_video
from tests.storage.s3server import S3Server, running_server
from tests.storage.sigv4 import Incoming, RefusedError

pytestmark = pytest.mark.django_db(transaction=True)
DERIVERS = {"metadata": "media.derivers.metadata.MetadataDeriver"}
WAVEFORM = {"waveform": "media.derivers.waveform.WaveformDeriver"}


@pytest.fixture(autouse=True)
def bucket(settings: Any) -> Iterator[S3Server]:
    settings.DERIVERS = DERIVERS
    settings.STORE_RESERVE_BYTES = 0
    settings.RETRY_SECONDS = 0
    with running_server() as server:
        name = server.create_bucket(f"bucket-{uuid7()}")
        options = {**server.options, "bucket": name, "max_attempts": 1}
        settings.BLOB_STORES = {
            store: {"BACKEND": "storage.s3.S3Store", "OPTIONS": {**options, "prefix": f"{store}/"}}
            for store in settings.BLOB_STORES
        }
        registry.reset()
        yield server
        registry.reset()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty megabytes whose index stands at the end: much more than buffers and windows may fetch ahead."""
    out = tmp_path_factory.mktemp("bucket") / "film.mp4"
    return make_video(out, seconds=60, size=(1280, 720), options=["-b:v", "4M", "-maxrate", "4M"])


class Gets:
    """The requests for bytes of originals, by their ranges."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self.away_after: int | None = None

    def __call__(self, request: Incoming) -> RefusedError | None:
        asked = request.headers.get("range", "")
        if request.method != "GET" or "/files/" not in request.path:
            return None
        first, _, last = asked.removeprefix("bytes=").partition("-")
        self.spans.append((int(first or 0), int(last or 1 << 40)))
        if self.away_after is not None and len(self.spans) > self.away_after:
            return RefusedError(503, "ServiceUnavailable")
        return None

    @property
    def total(self) -> int:
        return sum(last + 1 - first for first, last in self.spans)


@pytest.fixture
def gets(bucket: S3Server) -> Iterator[Gets]:
    gets = Gets()
    with bucket.failing(gets):
        yield gets


def row(file: File, deriver: str) -> Derivative:
    return derivative(file.original_id, deriver)


def test_metadata_of_a_film_reads_little_of_it(
    library: Library, film: Path, gets: Gets, settings: Any
) -> None:
    file = take_in(library, film, "film.mp4").file
    run_queued()
    assert row(file, "metadata").status == "ready"
    assert row(file, "metadata").facts["width"] == 1280
    assert film.stat().st_size > 10_000_000
    assert 0 < gets.total < film.stat().st_size / 8
    assert list(settings.SCRATCH_PATH.iterdir()) == []


def test_a_picture_is_still_copied(library: Library, tmp_path: Path, gets: Gets) -> None:
    file = take_in(library, make_image(tmp_path / "a.jpg"), "a.jpg").file
    run_queued()
    assert row(file, "metadata").status == "ready"
    assert gets.spans[-1] == (0, 1 << 40)


def test_sound_goes_through_without_a_copy(
    library: Library, tmp_path: Path, settings: Any, gets: Gets
) -> None:
    settings.DERIVERS = DERIVERS | WAVEFORM
    tone = make_tone(tmp_path / "tone.wav", seconds=60, rate=48_000)
    file = take_in(library, tone, "tone.wav").file
    run_queued()
    found = row(file, "waveform")
    assert (found.status, found.facts["duration"]) == ("ready", 60.0)
    assert (0, 1 << 40) not in gets.spans


@pytest.mark.parametrize(
    ("start", "end", "encoder"), [(20.02, 21.5, "libx264"), (10, 20, "copy")], ids=["encoded", "copied"]
)
def test_a_clip_reads_its_own_part_of_the_film(
    library: Library, film: Path, settings: Any, gets: Gets, start: float, end: float, encoder: str
) -> None:
    settings.DERIVERS = DERIVERS | {"moment": "media.derivers.moment.MomentDeriver"}
    file = take_in(library, film, "film.mp4").file
    run_queued()
    file.refresh_from_db()
    gets.spans.clear()
    asked = moments.request_export(moments.create_moment(file, None, name="Goal", start=start, end=end))
    run_queued()
    asked.refresh_from_db()
    assert (asked.status, asked.made_by["encoder"]) == ("ready", encoder)
    assert asked.facts["duration"] == pytest.approx(end - start, abs=0.04)
    assert [output["name"] for output in asked.outputs] == ["moment.mp4", "poster.webp"]
    assert 0 < gets.total < film.stat().st_size
    assert list(settings.SCRATCH_PATH.iterdir()) == []


def test_a_bucket_that_goes_away_costs_no_attempt(
    library: Library, tmp_path: Path, settings: Any, gets: Gets
) -> None:
    settings.DERIVERS = DERIVERS
    tone = make_tone(tmp_path / "tone.wav", seconds=60, rate=48_000)
    file = take_in(library, tone, "tone.wav").file
    run_queued()
    settings.DERIVERS = DERIVERS | WAVEFORM
    pipeline.plan_original(File.objects.get(pk=file.pk).original, frozenset())
    gets.away_after = len(gets.spans) + 2
    run_queued(limit=1)
    found = row(file, "waveform")
    assert (found.status, found.error_code) == ("queued", "store_unavailable")
    assert (found.attempts, found.deferrals) == (0, 1)
    gets.away_after = None
    run_queued(limit=1)
    assert row(file, "waveform").status == "ready"
    assert "partial" not in row(file, "waveform").facts
    assert list(settings.SCRATCH_PATH.iterdir()) == []


def test_an_original_that_is_gone_says_so(library: Library, film: Path, gets: Gets) -> None:
    file = take_in(library, film, "film.mp4").file
    get_store("files").delete(file.original.key)
    run_queued()
    found = row(file, "metadata")
    assert (found.status, found.error_code) == ("failed", "source_missing")


def test_an_original_that_goes_in_the_middle_says_so(
    library: Library, tmp_path: Path, settings: Any, bucket: S3Server
) -> None:
    settings.DERIVERS = DERIVERS | WAVEFORM
    tone = make_tone(tmp_path / "tone.wav", seconds=60, rate=48_000)
    file = take_in(library, tone, "tone.wav").file
    run_queued(limit=1)
    key = file.original.key
    seen: list[str] = []

    def deleting(request: Incoming) -> RefusedError | None:
        if request.method == "GET" and key in request.path:
            seen.append(request.path)
        return RefusedError(404, "NoSuchKey") if len(seen) > 2 and request.method == "GET" else None

    with bucket.failing(deleting):
        run_queued(limit=1)
    found = row(file, "waveform")
    assert (found.status, found.error_code) == ("failed", "source_missing")
