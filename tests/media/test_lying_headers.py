"""Headers that promise what no column holds: the file ends ready or failed, and never waits for ever."""

import struct
from pathlib import Path

import pytest

from media.models import Derivative, Library, Original
from media.models.derivative import Status
from tests.ingesting import run_queued, take_in
from tests.makers import make_video


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 118, 0, 0, 54) + header + bytes(64)


@pytest.mark.parametrize(
    ("width", "height"), [(2**31 - 1, -(2**31)), (1, -(2**31)), (-(2**31), 1), (-4, 4), (4, 0)]
)
def test_a_picture_of_impossible_size(library: Library, width: int, height: int) -> None:
    file = take_in(library, bmp(width, height), "lie.bmp").file
    assert run_queued() > 0
    ended = dict(Derivative.objects.values_list("deriver", "status"))
    assert ended["metadata"] in {Status.READY, Status.FAILED}
    assert set(ended.values()) <= {Status.READY, Status.FAILED}, ended
    file.original.refresh_from_db()
    assert file.original.width is None or 0 < file.original.width < 2**31
    assert file.original.height is None or 0 < file.original.height < 2**31


def test_sizes_are_kept_only_where_they_can_be_true(library: Library) -> None:
    original: Original = take_in(library, bmp(4, 4), "a.bmp").file.original
    for told, kept in [(0, None), (-1, None), (2**31, None), (2**31 - 1, 2**31 - 1), (1, 1), (None, None)]:
        original.record_probe({"kind": "image", "width": told, "height": told})
        original.refresh_from_db()
        assert (original.width, original.height) == (kept, kept)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_film_from_the_end_of_the_calendar(library: Library, tmp_path: Path, moment: str) -> None:
    options = ["-movflags", "use_metadata_tags", "-metadata", f"com.apple.quicktime.creationdate={moment}"]
    film = make_video(tmp_path / "a.mov", seconds=0.2, size=(64, 64), options=options)
    assert moment.encode() in film.read_bytes()
    file = take_in(library, film, "a.mov").file
    run_queued()
    row = Derivative.objects.get(original=file.original, deriver="metadata")
    assert (row.status, row.error_message) == (Status.READY, "")
    file.original.refresh_from_db()
    assert file.original.captured_at is None
