import hashlib
from pathlib import Path
from typing import Any

import pytest

from media.derivers.base import Ready
from media.derivers.hash import HashDeriver
from media.derivers.metadata import MetadataDeriver
from media.errors import DamagedFileError, RunAbandonedError
from media.subject import Subject
from tests.makers import exif_of, make_image
from tests.media.derivers.contexts import derive, run_of


class Original:
    """Takes what derivers record."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def record_probe(self, facts: Any) -> None:
        self.told.append(facts)

    adopt_digest = record_probe


@pytest.mark.parametrize(
    ("kind", "accepted"), [("image", True), ("video", True), ("audio", True), ("other", False)]
)
def test_metadata_of_all_media(kind: Any, accepted: bool) -> None:
    assert MetadataDeriver().accepts(Subject(kind, "x/y", 1)) is accepted
    assert MetadataDeriver().accepts(Subject("other", "application/pdf", 1))
    assert MetadataDeriver.replans


def test_metadata_is_the_probe_and_is_recorded(films: Path, tmp_path: Path) -> None:
    result = derive(MetadataDeriver(), films / "plain.mp4", tmp_path / "scratch", with_probe=False)
    assert result.outputs == ()
    assert (result.facts["kind"], result.facts["width"], result.facts["height"]) == ("video", 640, 360)
    original = Original()
    MetadataDeriver().record(original, result)
    assert original.told == [result.learnt]
    assert set(result.facts) == {"kind", "mime", "width", "height", "duration"}
    assert set(result.facts) < set(result.learnt)


def test_the_row_keeps_nothing_that_tells_the_place(tmp_path: Path) -> None:
    place = exif_of(gps={1: "N", 2: (47.0, 22.0, 36.0), 3: "E", 4: (8.0, 32.0, 30.0)})
    result = derive(
        MetadataDeriver(), make_image(tmp_path / "a.jpg", exif=place), tmp_path / "scratch", with_probe=False
    )
    assert result.learnt["location"]["latitude"] == pytest.approx(47.3766667)
    assert "47.37" not in str(result.facts)
    assert "Zurich" not in str(result.facts)


def test_metadata_of_a_damaged_file_is_permanent(tmp_path: Path) -> None:
    source = make_image(tmp_path / "a.jpg")
    run = run_of(source, tmp_path / "scratch")
    source.write_bytes(source.read_bytes()[:100])
    with pytest.raises(DamagedFileError) as caught:
        MetadataDeriver().derive(run)
    assert not caught.value.retry


def test_only_what_is_not_hashed_is_hashed() -> None:
    assert HashDeriver().accepts(Subject("other", "x/y", 1, hashed=False))
    assert not HashDeriver().accepts(Subject("image", "image/png", 1, hashed=True))
    assert HashDeriver.hidden


def test_the_digest_is_told_and_recorded(tmp_path: Path) -> None:
    data = b"some bytes" * 300_000
    (tmp_path / "a").write_bytes(data)
    run = run_of(tmp_path / "a", tmp_path / "scratch", with_probe=False)
    result = HashDeriver().derive(run)
    assert isinstance(result, Ready)
    assert result.facts == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert [round(percent) for percent, _ in run.told] == [35, 70, 100]
    original = Original()
    HashDeriver().record(original, result)
    assert original.told == [result.facts["sha256"]]


def test_an_abandoned_hash_stops(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(3_000_000))
    with pytest.raises(RunAbandonedError):
        HashDeriver().derive(
            run_of(tmp_path / "a", tmp_path / "scratch", with_probe=False, stop=lambda: True)
        )
