"""One file from a mirror that has bad days. Every download ends with the right bytes at the name, or with nothing."""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from media.errors import InfrastructureError, MediaError, PermanentError, TransientError
from ml.downloads import fetching, onward, part, room
from ml.downloads.errors import (
    BusyError,
    MirrorAwayError,
    NoRoomError,
    NotOnMirrorError,
    PassingContentError,
    PausedError,
    WrongContentError,
)
from ml.downloads.fetching import Fetched, Wanted
from tests.ml.downloads.mirror import (
    PAGE,
    POINTER,
    Mirror,
    answer,
    endless,
    ignoring_if_range,
    page,
    redirect,
    running_mirror,
    whole,
    without_length,
)

Make: TypeAlias = Callable[..., Wanted]


def untold(done: int, total: int | None) -> None:
    """Progress nobody looks at."""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Waits(list[float]):
    """The pauses that were asked for, without their time."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetch(wanted: Wanted, told: Any = untold, waits: Waits | None = None) -> Fetched:
    return fetching.fetch(wanted, told, wait=waits if waits is not None else Waits())


def test_a_file_comes_whole_with_its_digest(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", whole(content)), size=len(content), sha256=digest(content))
    assert fetch(order) == Fetched(len(content), digest(content))
    assert order.target.read_bytes() == content
    assert list(order.target.parent.iterdir()) == [order.target]
    assert order.target.stat().st_mode & 0o777 == 0o644


def test_progress_is_told_and_ends_at_the_whole(mirror: Mirror, wanted: Make, content: bytes) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch(wanted(mirror.answer("/m", whole(content))), lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, len(content))
    assert seen[-1] == (len(content), len(content))


def test_what_broke_off_goes_on_from_there(mirror: Mirror, wanted: Make, content: bytes) -> None:
    address = mirror.answer(
        "/m", whole(content, after=700_000), whole(content, after=300_000), whole(content)
    )
    waits = Waits()
    order = wanted(address, sha256=digest(content))
    fetch(order, waits=waits)
    assert order.target.read_bytes() == content
    assert mirror.ranges() == [None, "bytes=700000-", "bytes=1000000-"]
    assert waits == [1.0, 2.0]


def test_a_slow_mirror_is_waited_for(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", whole(content, pause=0.02)))
    fetch(order)
    assert order.target.read_bytes() == content


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_passing_status_is_tried_again(mirror: Mirror, wanted: Make, content: bytes, status: int) -> None:
    order = wanted(mirror.answer("/m", answer(status), answer(status), whole(content)))
    waits = Waits()
    fetch(order, waits=waits)
    assert order.target.read_bytes() == content
    assert waits == [1.0, 2.0]


def test_six_attempts_and_no_more(mirror: Mirror, wanted: Make) -> None:
    waits, seen = Waits(), list[MediaError]()
    order = wanted(mirror.answer("/m", answer(503)))
    with pytest.raises(MirrorAwayError) as caught:
        fetching.fetch(order, untold, wait=waits, tried=seen.append)
    assert len(mirror.asked) == len(seen) == 6
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert caught.value.retry
    assert not order.target.exists()


def test_the_pauses_are_those_of_the_reference() -> None:
    error = TransientError("no")
    assert [fetching.pause_after(failed, error) for failed in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_mirror_may_ask_for_patience_but_not_for_hours(
    mirror: Mirror, wanted: Make, content: bytes
) -> None:
    patient = answer(503, Retry_After="7")
    order = wanted(mirror.answer("/m", patient, answer(503, Retry_After="99999"), whole(content)))
    waits = Waits()
    fetch(order, waits=waits)
    assert waits == [7.0, 60.0]


def test_a_line_that_breaks_often_still_arrives(
    mirror: Mirror, wanted: Make, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Ten breaks, each after some progress: attempts that come further are not counted against it."""
    monkeypatch.setattr(fetching, "PROGRESS", 100_000)
    order = wanted(mirror.answer("/m", *[whole(content, after=131_072) for _ in range(11)], whole(content)))
    fetch(order)
    assert order.target.read_bytes() == content
    assert len(mirror.asked) == 12


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_what_the_mirror_will_not_give_is_not_asked_for_again(
    mirror: Mirror, wanted: Make, status: int
) -> None:
    with pytest.raises(NotOnMirrorError, match=str(status)) as caught:
        fetch(wanted(mirror.answer("/m", answer(status))))
    assert len(mirror.asked) == 1
    assert isinstance(caught.value, PermanentError)


def test_a_page_with_200_is_no_model_whatever_type_it_declares(mirror: Mirror, wanted: Make) -> None:
    order = wanted(mirror.answer("/m", page()))
    with pytest.raises(PassingContentError, match="web page"):
        fetch(order)
    assert not order.target.exists()
    assert part.part_of(order.target).stat().st_size == 0


@pytest.mark.parametrize(
    "beginning", [b"\xef\xbb\xbf\r\n <HTML>", b"<?xml version='1.0'?><Error>", b"\n\n<!-- x"]
)
def test_pages_are_known_by_their_beginning(mirror: Mirror, wanted: Make, beginning: bytes) -> None:
    order = wanted(mirror.answer("/m", answer(200, beginning + b"x" * 2_000_000)))
    with pytest.raises(PassingContentError):
        fetch(order)


def test_a_page_of_a_cache_may_pass(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", page(), whole(content)))
    fetch(order)
    assert order.target.read_bytes() == content


def test_a_page_is_refused_with_its_first_block(mirror: Mirror, wanted: Make) -> None:
    seen: list[int] = []
    with pytest.raises(PassingContentError):
        fetch(wanted(mirror.answer("/m", page())), lambda done, _: seen.append(done))
    assert max(seen) < len(PAGE) / 2


def test_a_pointer_of_git_lfs_is_no_model(mirror: Mirror, wanted: Make) -> None:
    order = wanted(mirror.answer("/m", answer(200, POINTER)))
    with pytest.raises(WrongContentError, match="git lfs pull"):
        fetch(order)
    assert len(mirror.asked) == 1
    assert not order.target.exists()


@pytest.mark.parametrize("known", [{}, {"size": 104_857_600}])
def test_a_pointer_of_its_usual_size_is_told_as_one(
    mirror: Mirror, wanted: Make, known: dict[str, int]
) -> None:
    with pytest.raises(WrongContentError, match="git lfs pull"):
        fetch(wanted(mirror.answer("/m", answer(200, POINTER[:130])), **known))
    assert len(mirror.asked) == 1


def test_a_short_page_is_told_as_one(mirror: Mirror, wanted: Make) -> None:
    with pytest.raises(PassingContentError, match="web page"):
        fetch(wanted(mirror.answer("/m", answer(200, b"<html>Not now</html>")), size=104_857_600))
    assert len(mirror.asked) == 6


def test_a_stump_is_no_model(mirror: Mirror, wanted: Make) -> None:
    with pytest.raises(PassingContentError, match="bytes"):
        fetch(wanted(mirror.answer("/m", answer(200, b"not found"))))


def test_the_smallest_size_is_of_the_file(mirror: Mirror, wanted: Make) -> None:
    labels = b"index,mid,display_name\n" + b"0,/m/09x0r,Speech\n" * 80
    order = wanted(mirror.answer("/labels", answer(200, labels)), minimum_size=1024)
    fetch(order)
    assert order.target.read_bytes() == labels
    with pytest.raises(PassingContentError):
        fetch(wanted(mirror.answer("/short", answer(200, labels[:1023])), minimum_size=1024))


def test_too_small_without_a_length_is_seen_at_the_end(mirror: Mirror, wanted: Make) -> None:
    order = wanted(mirror.answer("/m", without_length(b"\x08" * 999)))
    with pytest.raises(PassingContentError):
        fetch(order)
    assert not order.target.exists()


def test_without_a_length_a_whole_file_is_taken(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", without_length(content)), sha256=digest(content))
    assert fetch(order).size == len(content)


def test_a_wrong_digest_is_not_asked_for_again(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", whole(content)), sha256=digest(b"another"))
    with pytest.raises(WrongContentError, match="SHA-256"):
        fetch(order)
    assert len(mirror.asked) == 1
    assert not order.target.exists()
    assert part.part_of(order.target).stat().st_size == 0


def test_an_older_file_stays_when_the_new_one_is_wrong(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", whole(content)), sha256=digest(b"another"))
    order.target.parent.mkdir()
    order.target.write_bytes(b"old and good")
    with pytest.raises(WrongContentError):
        fetch(order)
    assert order.target.read_bytes() == b"old and good"


def test_a_wrong_size_is_seen_before_the_first_byte(mirror: Mirror, wanted: Make, content: bytes) -> None:
    seen: list[int] = []
    order = wanted(mirror.answer("/m", whole(content)), size=len(content) + 1)
    with pytest.raises(WrongContentError, match="another file"):
        fetch(order, lambda done, _: seen.append(done))
    assert seen == []


def test_a_file_that_is_too_large_is_not_taken(mirror: Mirror, wanted: Make, content: bytes) -> None:
    with pytest.raises(WrongContentError, match="larger"):
        fetch(wanted(mirror.answer("/m", whole(content)), limit=1_000_000))
    order = wanted(mirror.answer("/endless", endless(content[:65536])), limit=3_000_000)
    with pytest.raises(WrongContentError, match="larger"):
        fetch(order)
    assert part.part_of(order.target).stat().st_size == 0


def test_a_new_version_begins_anew(mirror: Mirror, wanted: Make, content: bytes) -> None:
    """The entity tag has changed: If-Range makes the server send the whole new file."""
    new = content[::-1]
    new = b"\x08" + new[1:]
    order = wanted(mirror.answer("/m", whole(content, after=700_000), whole(new, etag='"two"')))
    fetch(order)
    assert order.target.read_bytes() == new
    assert mirror.asked[1][1]["If-Range"] == '"one"'


def test_a_careless_server_makes_no_mixture(mirror: Mirror, wanted: Make, content: bytes) -> None:
    new = b"\x08" + content[::-1][1:]
    order = wanted(
        mirror.answer(
            "/m", whole(content, after=700_000), ignoring_if_range(new, '"two"'), whole(new, etag='"two"')
        )
    )
    fetch(order)
    assert order.target.read_bytes() == new


def test_without_a_version_nothing_is_resumed(mirror: Mirror, wanted: Make, content: bytes) -> None:
    """A weak entity tag does not say that bytes are the same."""
    order = wanted(
        mirror.answer("/m", whole(content, etag='W/"one"', after=700_000), whole(content, etag='W/"one"'))
    )
    fetch(order)
    assert order.target.read_bytes() == content
    assert mirror.ranges() == [None, None]


def test_what_was_resumed_and_does_not_fit_begins_anew(mirror: Mirror, wanted: Make, content: bytes) -> None:
    """The same tag for other bytes: the digest finds it, and the whole file is asked for once more."""
    other = b"\x08\x08" + b"x" * (len(content) - 2)
    order = wanted(
        mirror.answer("/m", whole(other, after=700_000), whole(content), whole(content)),
        sha256=digest(content),
    )
    fetch(order)
    assert order.target.read_bytes() == content
    assert mirror.ranges() == [None, "bytes=700000-", None]


def test_a_part_of_another_address_is_not_taken_up(mirror: Mirror, wanted: Make, content: bytes) -> None:
    first = wanted(mirror.answer("/old", whole(content, after=700_000)))
    with pytest.raises(PausedError):
        fetch(first, stop_at(700_000))
    mirror.asked.clear()
    fetch(wanted(mirror.answer("/new", whole(content))))
    assert mirror.ranges() == [None]


def test_a_part_from_before_the_machine_went_down_is_not_trusted(
    mirror: Mirror, wanted: Make, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = wanted(mirror.answer("/m", whole(content, after=700_000)))
    with pytest.raises(PausedError):
        fetch(order, stop_at(700_000))
    monkeypatch.setattr(part, "boot", lambda: "another")
    mirror.answer("/m", whole(content))
    mirror.asked.clear()
    fetch(order)
    assert mirror.ranges() == [None]


def stop_at(most: int) -> Callable[[int, int | None], None]:
    def told(done: int, total: int | None) -> None:
        if done >= most:
            raise PausedError("enough for now")

    return told


def test_who_stops_it_finds_the_part_again(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", whole(content, after=700_000), whole(content)))
    with pytest.raises(PausedError):
        fetch(order, stop_at(700_000))
    assert not order.target.exists()
    fetch(order)
    assert order.target.read_bytes() == content
    assert mirror.ranges() == [None, "bytes=700000-"]


def test_a_file_that_was_whole_and_not_named_needs_no_request(
    mirror: Mirror, wanted: Make, content: bytes
) -> None:
    order = wanted(mirror.answer("/m", whole(content)))
    with pytest.raises(PausedError):
        fetch(order, stop_at(len(content)))
    assert not order.target.exists()
    fetch(order)
    assert order.target.read_bytes() == content
    assert len(mirror.asked) == 1


def test_redirects_are_followed_to_another_host(mirror: Mirror, wanted: Make, content: bytes) -> None:
    with running_mirror() as elsewhere:
        real = elsewhere.answer("/bucket/m", whole(content, after=700_000), whole(content))
        fetch(order := wanted(mirror.answer("/m", redirect(real))))
        assert elsewhere.ranges() == [None, "bytes=700000-"]
    assert order.target.read_bytes() == content


def test_a_redirect_in_a_circle_ends(mirror: Mirror, wanted: Make) -> None:
    with pytest.raises(NotOnMirrorError, match="without end"):
        fetch(wanted(mirror.answer("/m", redirect("/m", 301))))
    assert len(mirror.asked) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/m"])
def test_redirects_to_anything_else_are_not_followed(mirror: Mirror, wanted: Make, target: str) -> None:
    with pytest.raises(NotOnMirrorError):
        fetch(wanted(mirror.answer("/m", redirect(target))))
    assert len(mirror.asked) == 1


def test_a_redirect_never_leaves_tls() -> None:
    with pytest.raises(NotOnMirrorError, match="http://"):
        onward.followed(httpx.URL("https://example.org/m"), "http://example.org/m")
    assert onward.followed(httpx.URL("https://a.example/m"), "https://b.example/m").host == "b.example"


@pytest.mark.parametrize(
    "target",
    [
        *("http://127.0.0.1:9/m", "http://[::1]:9/m", "http://[::ffff:10.0.0.1]/m", "http://192.168.1.1/m"),
        *(
            "http://169.254.169.254/latest/meta-data",
            "http://localhost/m",
            "http://0.0.0.0/m",
            "http://[fe80::1]/m",
        ),
    ],
)
def test_a_redirect_never_leads_from_the_world_into_this_network(target: str) -> None:
    """8.8.8.8 stands for a mirror out there: an address is looked up nowhere."""
    with pytest.raises(NotOnMirrorError, match="inside this network"):
        onward.followed(httpx.URL("http://8.8.8.8/m"), target)


def test_a_mirror_inside_may_send_on_inside_and_out() -> None:
    inside = httpx.URL("http://192.168.1.1/m")
    assert onward.followed(inside, "http://10.0.0.1/m").host == "10.0.0.1"
    assert onward.followed(inside, "http://8.8.8.8/m").host == "8.8.8.8"
    assert onward.followed(httpx.URL("http://8.8.8.8/m"), "/n").path == "/n"


@pytest.mark.parametrize("target", ["http://[::1", "https://\x00/m", "http://127.0.0.1:99999999/m"])
def test_a_redirect_to_no_address_is_told(mirror: Mirror, wanted: Make, target: str) -> None:
    with pytest.raises((NotOnMirrorError, MirrorAwayError)):
        fetch(wanted(mirror.answer("/m", redirect(target))))


def test_compressed_answers_are_refused(mirror: Mirror, wanted: Make, content: bytes) -> None:
    with pytest.raises(NotOnMirrorError, match="compressed"):
        fetch(wanted(mirror.answer("/m", answer(200, content, Content_Encoding="gzip"))))
    assert mirror.asked[0][1]["Accept-Encoding"] == "identity"


def test_nobody_listens(wanted: Make) -> None:
    with running_mirror() as gone:
        address = gone.url + "/m"
    with pytest.raises(MirrorAwayError, match=r"127\.0\.0\.1"):
        fetch(wanted(address))


def test_a_disk_without_room_is_told_before_the_first_byte(
    mirror: Mirror, wanted: Make, content: bytes
) -> None:
    order = wanted(mirror.answer("/m", whole(content)), reserve=1 << 60)
    with pytest.raises(NoRoomError, match="ALCOVES_MODELS_PATH") as caught:
        fetch(order)
    assert isinstance(caught.value, InfrastructureError)
    assert part.part_of(order.target).stat().st_size == 0


def test_a_disk_that_others_fill_meanwhile_is_left_its_reserve(
    mirror: Mirror, wanted: Make, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came stays, and is gone on with when there is room again."""
    order = wanted(mirror.answer("/m", whole(content)), sha256=digest(content), reserve=1)
    begun = part.part_of(order.target)
    monkeypatch.setattr(fetching, "ROOM_EVERY", 200_000)
    checked = room.check

    def filling(folder: Path, needed: int, reserve: int) -> None:
        full = begun.stat().st_size > 600_000
        checked(folder, needed, 1 << 60 if full else reserve)

    monkeypatch.setattr(room, "check", filling)
    with pytest.raises(NoRoomError):
        fetch(order)
    assert 600_000 < begun.stat().st_size < 900_000
    monkeypatch.setattr(room, "check", checked)
    fetch(order)
    assert order.target.read_bytes() == content
    assert mirror.ranges()[1] is not None


def test_a_disk_that_is_full_in_the_middle_is_told(
    mirror: Mirror, wanted: Make, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = wanted(mirror.answer("/m", whole(content)))
    write = part.Part.write

    def full(begun: part.Part, block: bytes) -> None:
        if begun.position > 500_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(begun, block)

    monkeypatch.setattr(part.Part, "write", full)
    with pytest.raises(NoRoomError, match="full"):
        fetch(order)
    monkeypatch.setattr(part.Part, "write", write)
    assert not order.target.exists()
    fetch(order)
    assert order.target.read_bytes() == content


def test_a_folder_that_cannot_be_written_to_is_told(mirror: Mirror, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    order = Wanted(mirror.answer("/m", whole(content)), tmp_path / "file" / "model.onnx", limit=9_000_000)
    with pytest.raises(InfrastructureError, match="folder of the models"):
        fetch(order)


def test_of_two_at_once_one_is_told_to_wait(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", whole(content)))
    with part.opened(order.target), pytest.raises(BusyError, match=r"model\.onnx"):
        fetch(order)
    fetch(order)
    assert order.target.read_bytes() == content


def test_a_broken_note_only_costs_a_new_beginning(mirror: Mirror, wanted: Make, content: bytes) -> None:
    order = wanted(mirror.answer("/m", whole(content)))
    order.target.parent.mkdir()
    part.part_of(order.target).write_bytes(b"\x08junk")
    part.note_of(order.target).write_text("[1, 2", encoding="utf-8")
    fetch(order)
    assert order.target.read_bytes() == content
