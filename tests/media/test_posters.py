"""Posters that people decide: frames chosen, pictures brought along, what becomes of them, and what is told."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from PIL import Image

from media import blobs, ledger, pictures, posters, prewarm, reprocess, trash
from media.errors import ConflictError, TooLargeError
from media.models import CachedImage, Derivative, File, Library, UnnamedBlob
from media.models.cached_image import CACHE
from media.posters import NoPictureError, NoPosterError
from media.reprocess import Selection
from storage.errors import BlobNotFoundError
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.makers import Pixels, make_image, make_png, make_tone, make_video


@pytest.fixture
def film(library: Library, tmp_path: Path) -> File:
    """Grey at first, red from the third second on."""
    graph = (
        "testsrc2=size=160x90:rate=10:duration=3[a];color=red:size=160x90:rate=10:duration=3[b];"
        "[a][b]concat=n=2:v=1:a=0"
    )
    source = make_video(tmp_path / "film.mp4", source=graph, audio=False, options=["-g", "5"])
    file = take_in(library, source, "film.mp4").file
    run_queued()
    return again(file)


@pytest.fixture
def twin(film: File, library: Library, tmp_path: Path) -> File:
    """The same bytes under another name."""
    return again(take_in(library, tmp_path / "film.mp4", "twin.mp4").file)


def again(file: File) -> File:
    found: File = File.objects.select_related("original").get(pk=file.pk)
    return found


def rows(file: File) -> dict[str, Derivative]:
    return {
        row.variant: row for row in Derivative.objects.filter(original=file.original_id, deriver="poster")
    }


def shown(file: File) -> Pixels:
    """What stands for the file, decoded."""
    found = pictures.find_picture(again(file), Derivative.objects.filter(original=file.original_id))
    assert found is not None
    with get_store("files").open(found.key) as source, Image.open(io.BytesIO(source.read())) as image:
        return np.asarray(image.convert("RGB"))


def picture(tmp_path: Path, color: tuple[int, int, int] = (20, 20, 220)) -> bytes:
    pixels = np.full((300, 400, 3), color, dtype=np.uint8)
    return make_image(tmp_path / "own.png", pixels).read_bytes()


def is_red(pixels: Pixels) -> bool:
    return bool(np.abs(pixels.mean(axis=(0, 1)) - (254, 0, 0)).max() < 12)


def warm(file: File) -> None:
    File.objects.get(pk=file.pk).original.__class__.objects.filter(pk=file.original_id).update(
        warmed_version=99
    )


def is_cold(file: File) -> bool:
    return again(file).original.warmed_version == 0


def test_any_second_may_be_the_poster_and_the_old_one_is_shown_until_it_is_made(film: File) -> None:
    assert not is_red(shown(film))
    warm(film)
    posters.choose(film, 4.2)
    assert again(film).poster_variant == "at-4200"
    assert rows(film)["at-4200"].status == "queued"
    assert rows(film)["at-4200"].parameters == {"second": 4.2}
    assert is_cold(film)
    assert not is_red(shown(film)), "Not made yet."
    warm(film)
    run_queued()
    row = rows(film)["at-4200"]
    assert (row.status, row.facts["second"]) == ("ready", pytest.approx(4.2, abs=0.05))
    assert {output["name"] for output in row.outputs} == {"poster.webp", "poster-large.webp"}
    assert is_red(shown(film))
    assert is_cold(film), "Another poster is another picture."
    posters.revert(film)
    assert not is_red(shown(film))
    assert set(rows(film)) == {""}


def test_candidates_are_of_different_seconds_and_can_be_chosen(film: File) -> None:
    default = rows(film)[""]
    found = posters.candidates_of(default)
    assert [one["place"] for one in found] == [10, 25, 50, 75, 90]
    assert len({one["second"] for one in found}) == 5
    assert {output["name"] for output in default.outputs} >= {
        f"candidate-{one['place']}.webp" for one in found
    }
    second = posters.second_of(default, 90)
    posters.choose(film, second)
    run_queued()
    assert is_red(shown(film))
    assert rows(film)[again(film).poster_variant].facts["second"] == pytest.approx(second, abs=0.002)
    with pytest.raises(NoPosterError, match="10, 25, 50, 75, 90"):
        posters.second_of(default, 60)


def test_a_picture_of_ones_own_is_shown_at_once(film: File, tmp_path: Path) -> None:
    warm(film)
    posters.bring(film, picture(tmp_path))
    row = rows(film)[again(film).poster_variant]
    assert row.variant.startswith("own-")
    assert (row.status, row.ready_version, row.progress) == ("ready", 1, 100)
    assert row.facts["large_width"] == 400
    assert shown(film).shape == (300, 400, 3)
    assert np.abs(shown(film).mean(axis=(0, 1)) - (20, 20, 220)).max() < 6
    assert is_cold(film)
    assert not UnnamedBlob.objects.filter(key__in=[output["key"] for output in row.outputs]).exists()


def test_two_files_of_the_same_bytes_choose_for_themselves(film: File, twin: File, tmp_path: Path) -> None:
    assert film.original_id == twin.original_id
    posters.choose(film, 4.0)
    posters.bring(twin, picture(tmp_path))
    run_queued()
    assert is_red(shown(film))
    assert np.abs(shown(twin).mean(axis=(0, 1)) - (20, 20, 220)).max() < 6
    assert set(rows(film)) == {"", "at-4000", again(twin).poster_variant}
    assert len(pictures.live_pictures(again(film).original)) == 2


def test_one_choice_of_two_files_is_one_row_and_stays_until_both_leave_it(
    film: File, twin: File, tmp_path: Path
) -> None:
    for file in (film, twin):
        posters.bring(file, picture(tmp_path))
    own = again(film).poster_variant
    assert own == again(twin).poster_variant
    keys = [output["key"] for output in rows(film)[own].outputs]
    assert len(pictures.live_pictures(again(film).original)) == 1
    posters.revert(film)
    assert own in rows(film)
    posters.choose(twin, 1.0)
    assert set(rows(film)) == {"", "at-1000"}
    assert UnnamedBlob.objects.filter(key__in=keys).count() == 2


def test_making_all_posters_anew_touches_no_picture_of_ones_own_and_loses_no_choice(
    film: File, twin: File, tmp_path: Path
) -> None:
    posters.choose(film, 4.0)
    posters.bring(twin, picture(tmp_path))
    run_queued()
    own = again(twin).poster_variant
    before = rows(film)[own]
    assert reprocess.reprocess(Selection(deriver="poster")) == 2
    run_queued()
    after = rows(film)
    assert after[own].outputs == before.outputs
    assert (after[own].status, after[own].requested_version) == ("ready", 1)
    assert (after[""].ready_version, after["at-4000"].ready_version) == (2, 2)
    assert (again(film).poster_variant, again(twin).poster_variant) == ("at-4000", own)
    assert is_red(shown(film))


def test_a_purge_takes_the_choice_of_its_file_along(film: File, twin: File, tmp_path: Path) -> None:
    posters.bring(twin, picture(tmp_path))
    own = again(twin).poster_variant
    keys = [output["key"] for output in rows(film)[own].outputs]
    trash.trash(film.library, [twin.pk])
    assert own in rows(film), "The trash gives it back."
    trash.purge(film.library, [twin.pk])
    assert set(rows(film)) == {""}
    assert UnnamedBlob.objects.filter(key__in=keys).count() == 2


def test_a_picture_that_another_choice_drops_while_it_is_brought_again_is_shown(
    film: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posters.bring(film, picture(tmp_path))
    true = posters.deciding

    def late(file: File) -> Any:
        monkeypatch.setattr(posters, "deciding", true)
        posters.revert(again(file))
        return true(file)

    monkeypatch.setattr(posters, "deciding", late)
    posters.bring(again(film), picture(tmp_path))
    assert again(film).poster_variant in rows(film)
    assert not is_red(shown(film))


def test_a_choice_in_the_middle_of_being_made_may_be_left(film: File) -> None:
    posters.choose(film, 4.0)
    row = rows(film)["at-4000"]
    assert ledger.claim(row.pk, owner="test", lease_seconds=20) is not None
    posters.revert(film)
    run_queued()
    assert set(rows(film)) == {""}
    assert not is_red(shown(film))


def test_a_choice_that_failed_can_be_made_again(film: File) -> None:
    posters.choose(film, 4.0)
    Derivative.objects.filter(variant="at-4000").update(status="failed", error_code="damaged_file")
    assert not is_red(shown(film))
    posters.choose(film, 4.0)
    assert rows(film)["at-4000"].status == "queued"
    run_queued()
    assert is_red(shown(film))


def test_the_last_second_is_there_and_none_behind_it(film: File) -> None:
    assert film.original.duration is not None
    posters.choose(film, film.original.duration)
    run_queued()
    assert is_red(shown(film))
    with pytest.raises(NoPosterError, match=r"ends after 6\.0"):
        posters.choose(film, 6.5)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(60), b"GIF89a"])
def test_what_is_no_picture_changes_nothing(film: File, content: bytes) -> None:
    with pytest.raises(NoPictureError, match=r"\.$"):
        posters.bring(film, content)
    assert again(film).poster_variant == ""
    assert set(rows(film)) == {""}


def test_a_film_is_no_picture_and_a_bomb_is_refused(film: File, tmp_path: Path) -> None:
    with pytest.raises(NoPictureError):
        posters.bring(film, (tmp_path / "film.mp4").read_bytes())
    with pytest.raises(NoPictureError) as caught:
        posters.bring(film, make_png(tmp_path / "bomb.png", 60_000, 60_000).read_bytes())
    assert isinstance(caught.value.__cause__, TooLargeError)
    assert not list(Path(settings.SCRATCH_PATH).glob("*"))


def test_what_breaks_while_it_is_stored_is_swept(
    film: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise ConnectionError("the database went away")

    monkeypatch.setattr(ledger, "give", broken)
    with pytest.raises(ConnectionError):
        posters.bring(film, picture(tmp_path))
    assert again(film).poster_variant == ""
    left = list(UnnamedBlob.objects.filter(key__contains="/poster/").values_list("key", flat=True))
    assert len(left) == 2
    UnnamedBlob.objects.update(due_at="2020-01-01T00:00Z")
    blobs.sweep()
    for key in left:
        with pytest.raises(BlobNotFoundError):
            get_store("files").stat(key)


def test_pictures_have_none_and_what_lies_in_the_trash_keeps_its_own(
    film: File, library: Library, tmp_path: Path
) -> None:
    still = take_in(library, make_image(tmp_path / "a.png"), "a.png").file
    with pytest.raises(NoPosterError):
        posters.require_poster(still)
    trash.trash(library, [film.pk])
    with pytest.raises(ConflictError, match="trash"):
        posters.choose(film, 1)
    with pytest.raises(ConflictError, match="trash"):
        posters.revert(film)


def test_a_recording_without_a_cover_may_get_a_picture(library: Library, tmp_path: Path) -> None:
    file = again(take_in(library, make_tone(tmp_path / "a.flac", seconds=0.3), "a.flac").file)
    run_queued()
    file = again(file)
    assert rows(file) == {}
    assert pictures.find_picture(file, ()) is None
    with pytest.raises(NoPosterError, match="Only videos"):
        posters.choose(file, 0.1)
    posters.bring(file, picture(tmp_path))
    assert shown(file).shape == (300, 400, 3)
    assert [prewarm.warm(one) for one in prewarm.claim()] == ["warm"]
    posters.revert(file)
    assert rows(file) == {}


def test_every_poster_that_is_shown_is_made_ahead(film: File, twin: File, tmp_path: Path) -> None:
    posters.bring(twin, picture(tmp_path))
    assert [prewarm.warm(one) for one in prewarm.claim()] == ["warm"]
    found = pictures.live_pictures(again(film).original)
    keys = {one.cache_key(recipe) for one in found for recipe in one.variants().values()}
    assert len(found) == 2
    assert set(CachedImage.objects.values_list("key", flat=True)) == keys
    assert all(get_store(CACHE).stat(key).size for key in keys)


def test_a_merge_of_originals_takes_the_choice_along(film: File, library: Library, tmp_path: Path) -> None:
    late = again(take_in(library, tmp_path / "film.mp4", "late.mp4", hashed=False).file)
    assert late.original_id != film.original_id
    posters.bring(late, picture(tmp_path))
    own = again(late).poster_variant
    run_queued()
    merged = again(late)
    assert merged.original_id == film.original_id
    assert merged.poster_variant == own
    assert np.abs(shown(merged).mean(axis=(0, 1)) - (20, 20, 220)).max() < 6
