"""Films inside pictures: copied out whole, refused when damaged, and never to the harm of the picture."""

from pathlib import Path
from typing import Any

import pytest

from media.derivers.base import Ready
from media.derivers.motion import MotionDeriver, place_of
from media.errors import DamagedFileError, RunAbandonedError
from media.models import Library
from media.subject import Subject
from storage.registry import get_store
from tests.ingesting import derivative, run_queued, take_in
from tests.makers import make_image, make_video
from tests.media.derivers.contexts import Run

MICRO_VIDEO = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MicroVideo="1" '
    'GCamera:MicroVideoVersion="1" GCamera:MicroVideoOffset="{length}"/></rdf:RDF></x:xmpmeta>'
)


@pytest.fixture
def motion_photo(tmp_path: Path) -> tuple[bytes, bytes]:
    """A picture with a film appended as Google's phones do; and the film alone."""
    film = make_video(tmp_path / "film.mp4", seconds=1, size=(160, 120)).read_bytes()
    still = make_image(tmp_path / "still.jpg", xmp=MICRO_VIDEO.format(length=len(film)).encode()).read_bytes()
    return still + film, film


def run_on(
    content: bytes, offset: Any, length: Any, folder: Path, *, size: int | None = None, stopped: bool = False
) -> Ready:
    path = folder / "picture.jpg"
    path.write_bytes(content)
    probe = {"kind": "image", "motion": {"offset": offset, "length": length, "mime": "video/mp4"}}
    scratch = folder / "run"
    scratch.mkdir()
    subject = Subject("image", "image/jpeg", size or len(content), probe)
    result = MotionDeriver().derive(Run(path, scratch, subject, stop=lambda: stopped))
    assert isinstance(result, Ready)
    return result


def test_the_film_is_copied_out_byte_for_byte(motion_photo: tuple[bytes, bytes], tmp_path: Path) -> None:
    whole, film = motion_photo
    result = run_on(whole, len(whole) - len(film), len(film), tmp_path)
    assert [(output.name, output.content_type) for output in result.outputs] == [("motion.mp4", "video/mp4")]
    assert result.outputs[0].path.read_bytes() == film
    assert (result.facts["width"], result.facts["height"]) == (160, 120)
    assert result.facts["duration"] == pytest.approx(1, abs=0.1)


def test_what_follows_the_film_stays_behind(motion_photo: tuple[bytes, bytes], tmp_path: Path) -> None:
    whole, film = motion_photo
    result = run_on(whole + b"trailer of the maker", len(whole) - len(film), len(film), tmp_path)
    assert result.outputs[0].path.read_bytes() == film


@pytest.mark.parametrize("kept", [20, 900, -4000])
def test_a_film_that_was_cut_short_is_told_as_damaged(
    kept: int, motion_photo: tuple[bytes, bytes], tmp_path: Path
) -> None:
    whole, film = motion_photo
    start = len(whole) - len(film)
    cut = film[:kept]
    with pytest.raises(DamagedFileError) as caught:
        run_on(whole[:start] + cut, start, len(cut), tmp_path)
    assert caught.value.code == "damaged"
    assert "picture itself is well" in caught.value.message


def test_something_else_in_its_place_is_no_film(motion_photo: tuple[bytes, bytes], tmp_path: Path) -> None:
    whole, _ = motion_photo
    script = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\nfile:///etc/passwd\n"
    with pytest.raises(DamagedFileError) as caught:
        run_on(whole + script, len(whole), len(script), tmp_path)
    assert caught.value.code == "damaged"


def test_fewer_bytes_than_promised(motion_photo: tuple[bytes, bytes], tmp_path: Path) -> None:
    whole, film = motion_photo
    start = len(whole) - len(film)
    with pytest.raises(DamagedFileError, match="damaged"):
        run_on(whole, start, len(film) + 50, tmp_path, size=len(whole) + 50)


def test_it_stops_when_it_is_told_to(motion_photo: tuple[bytes, bytes], tmp_path: Path) -> None:
    whole, film = motion_photo
    with pytest.raises(RunAbandonedError):
        run_on(whole, len(whole) - len(film), len(film), tmp_path, stopped=True)


@pytest.mark.parametrize(
    "told",
    [
        None,
        "yes",
        {},
        {"offset": 0, "length": 10},
        {"offset": -5, "length": 10},
        {"offset": 50, "length": 51},
        {"offset": 50, "length": 0},
        {"offset": "50", "length": 10},
    ],
)
def test_a_place_that_cannot_be_is_none(told: Any) -> None:
    subject = Subject("image", "image/jpeg", 100, {"motion": told})
    assert place_of(subject) is None
    assert not MotionDeriver().accepts(subject)
    assert MotionDeriver().accepts(
        Subject("image", "image/jpeg", 100, {"motion": {"offset": 50, "length": 50}})
    )


def test_from_upload_to_film(library: Library, motion_photo: tuple[bytes, bytes]) -> None:
    whole, film = motion_photo
    file = take_in(library, whole, "PXL_1.MP.jpg").file
    run_queued()
    row = derivative(file.original_id, "motion")
    assert (row.status, row.error_message) == ("ready", "")
    output = row.output("motion.mp4")
    assert output is not None
    with get_store("files").open(output["key"]) as blob:
        assert blob.read() == film


def test_a_picture_without_a_film_plans_none(library: Library, tmp_path: Path) -> None:
    file = take_in(library, make_image(tmp_path / "a.jpg"), "a.jpg").file
    run_queued()
    assert not file.original.derivatives.filter(deriver="motion").exists()


def test_the_shortened_film_of_a_pixel_does_not_fail_the_picture(
    library: Library, shared_media: Path
) -> None:
    file = take_in(library, shared_media / "formats" / "motionphoto_pixel.jpg", "PXL.jpg").file
    run_queued()
    found = dict(file.original.derivatives.values_list("deriver", "status"))
    assert found == {"metadata": "ready", "preview": "ready", "motion": "failed"}
    assert derivative(file.original_id, "motion").error_code == "damaged"
