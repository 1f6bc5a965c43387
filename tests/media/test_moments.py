"""Moments: which spans there are, when an export is stale, what becomes of clips when files come and go."""

import hashlib
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from alcoves.accounts.models import User
from media import ledger, moments, orphans, reprocess, runs, tags, trash
from media.derivers.registry import all_derivers
from media.errors import ConflictError, RequestError
from media.libraries import create_library
from media.models import Derivative, File, Library, Moment, Original, UnnamedBlob
from media.moments import SpanError
from media.pipeline import plan
from media.reprocess import Selection
from storage.registry import get_store
from tests.ingesting import take_in
from tests.media.api.conftest import PNG

FACTS: Mapping[str, Any] = {"kind": "video", "duration": 60.0336, "video": {"index": 0}}


def as_film(file: File, *, kind: str = "video", **changes: Any) -> File:
    """What the metadata would have said, had these bytes been a film of a minute."""
    values = {"kind": kind, "mime": f"{kind}/mp4", "duration": 60.0336, "probe": dict(FACTS), **changes}
    Original.objects.filter(pk=file.original_id).update(**values)
    file.refresh_from_db()
    return file


@pytest.fixture
def film(library: Library) -> File:
    return as_film(take_in(library, PNG, "film.mp4").file)


def mark(film: File, start: float = 1, end: float = 5, name: str = "Goal") -> Moment:
    return moments.create_moment(film, None, name=name, start=start, end=end)


def span(moment: Moment) -> tuple[str, str]:
    moment.refresh_from_db()
    return str(moment.start), str(moment.end)


def finished(moment: Moment, content: bytes = b"clip") -> Derivative:
    """What a worker leaves behind when it has exported what was asked for."""
    row = moments.request_export(moment)
    claim = ledger.claim(row.pk, owner="test", lease_seconds=60)
    assert claim is not None
    original = moment.file.original
    named = []
    for name, mime in (("moment.mp4", "video/mp4"), ("poster.webp", "image/webp")):
        key = f"{original.library_id}/{original.pk}/moment/{row.pk.hex}-{claim.fence}/{name}"
        get_store("files").put(key, [content])
        digest = hashlib.sha256(content).hexdigest()
        named.append({"name": name, "key": key, "size": len(content), "content_type": mime, "sha256": digest})
    version = claim.parameters["version"]
    runs.retire(ledger.finish_ready(claim, outputs=named, facts={"version": version}, made_by={}))
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [
        (0, 0.05, ("0.000", "0.050")),
        (1.0004, 5.0005, ("1.000", "5.001")),
        (1, 60.0336, ("1.000", "60.034")),
        (1, 60.1, ("1.000", "60.034")),
        (59.98, 60.13, ("59.980", "60.034")),
    ],
)
def test_spans_are_kept_in_milliseconds_and_end_with_the_file(
    film: File, start: float, end: float, kept: tuple[str, str]
) -> None:
    assert span(mark(film, start, end)) == kept


@pytest.mark.parametrize(
    ("start", "end"), [(5, 5), (5, 1), (1, 1.049), (0, 60.14), (60, 60.1), (61, 62), (-1, 5), (-0.001, 5)]
)
def test_spans_that_are_none(film: File, start: float, end: float) -> None:
    with pytest.raises(SpanError) as caught:
        mark(film, start, end)
    assert caught.value.http_status == 422
    assert not Moment.objects.exists()


def test_only_films_and_recordings_of_known_length_have_moments(film: File) -> None:
    with pytest.raises(SpanError):
        mark(as_film(film, kind="image"))
    with pytest.raises(ConflictError) as caught:
        mark(as_film(film, probe=None))
    assert caught.value.code == "not_probed"
    assert span(mark(as_film(film, kind="audio"))) == ("1.000", "5.000")
    assert span(mark(as_film(film, duration=None), 1, 99_999)) == ("1.000", "99999.000")


def test_nothing_is_marked_in_the_trash(library: Library, film: File) -> None:
    moment = mark(film)
    trash.trash(library, [film.pk])
    film.refresh_from_db()
    for change in (
        lambda: mark(film),
        lambda: moments.change_moment(moment, name="x"),
        lambda: moments.request_export(moment),
        lambda: moments.split_moment(moment, 2, None),
        lambda: moments.trash_moment(moment),
    ):
        with pytest.raises(ConflictError) as caught:
            change()
        assert caught.value.code == "in_trash"
    assert [one.pk for one in moments.moments_of(film)] == [moment.pk]


def test_another_span_raises_the_version_once_and_another_name_does_not(film: File) -> None:
    moment = mark(film)
    moments.change_moment(moment, name="Save", description="In the last minute")
    assert moment.export_version == 1
    moments.change_moment(moment, start=1, end=5.0001)
    assert moment.export_version == 1
    moments.change_moment(moment, start=2, end=6)
    assert (moment.export_version, span(moment)) == (2, ("2.000", "6.000"))
    moments.change_moment(moment, end=7)
    assert (moment.export_version, span(moment)) == (3, ("2.000", "7.000"))
    with pytest.raises(SpanError):
        moments.change_moment(moment, start=7)
    assert (moment.export_version, span(moment)) == (3, ("2.000", "7.000"))


def test_an_export_is_asked_for_once(film: File) -> None:
    moment = mark(film, 1.5, 5)
    row = moments.request_export(moment)
    assert (row.deriver, row.queue, row.variant) == ("moment", "moment-export", moment.pk.hex)
    assert row.parameters == {"start": "1.500", "end": "5.000", "version": 1}
    assert moments.request_export(moment).requested_version == 1
    done = finished(moment)
    assert moments.is_current(done, moment)
    again = moments.request_export(moment)
    assert (again.status, again.requested_version) == ("ready", 1)


def test_the_old_clip_is_served_until_the_new_one_is_there(film: File) -> None:
    moment = mark(film)
    old = moments.find_clip(finished(moment, b"old"))
    moments.change_moment(moment, end=6)
    export = moments.find_export(moment)
    assert export is not None
    assert (export.status, moments.exported_version(export), moment.export_version) == ("ready", 1, 2)
    row = moments.request_export(moment)
    assert (row.status, row.requested_version, row.parameters["version"]) == ("queued", 2, 2)
    assert moments.find_clip(row) == old
    assert moments.exported_version(row) == 1
    new = finished(moment, b"new")
    assert moments.exported_version(new) == 2
    assert moments.find_clip(new) != old
    assert old is not None
    assert UnnamedBlob.objects.filter(key=old["key"]).exists()


def test_a_run_for_an_older_span_is_discarded(film: File) -> None:
    moment = mark(film)
    row = moments.request_export(moment)
    claim = ledger.claim(row.pk, owner="test", lease_seconds=60)
    assert claim is not None
    moments.change_moment(moment, end=9)
    row.refresh_from_db()
    assert (row.status, row.requested_version) == ("queued", 2)
    assert row.parameters == {"start": "1.000", "end": "9.000", "version": 2}
    assert not ledger.renew(claim, lease_seconds=60, progress=50, eta_seconds=1)
    with pytest.raises(Exception, match="taken this over"):
        ledger.finish_ready(claim, outputs=[], facts={"version": 1}, made_by={})
    assert moments.exported_version(finished(moment)) == 2


def test_a_change_leaves_a_failed_export_alone_until_it_is_asked_for(film: File) -> None:
    moment = mark(film)
    row = moments.request_export(moment)
    ledger.cancel(Derivative.objects.filter(pk=row.pk))
    moments.change_moment(moment, end=9)
    row.refresh_from_db()
    assert (row.status, row.parameters["version"]) == ("failed", 1)
    assert moments.request_export(moment).parameters["version"] == 2


def test_splitting_makes_the_right_half_and_shortens_the_left(
    film: File, library: Library, alice: User
) -> None:
    moment = mark(film, 10, 20, "Goal")
    tag = tags.create_tag(library, "sport")
    tags.put_on(moment, library, [tag.pk])
    moments.change_moment(moment, description="both halves")
    right = moments.split_moment(moment, 14.5, alice)
    assert (span(moment), span(right)) == (("10.000", "14.500"), ("14.500", "20.000"))
    assert (right.name, right.description, right.created_by) == ("Goal (2)", "both halves", alice)
    assert (moment.name, moment.export_version, right.export_version) == ("Goal", 2, 1)
    assert list(right.tags.all()) == list(moment.tags.all()) == [tag]
    assert moments.split_moment(moment, 12, alice).name == "Goal (3)"
    assert moments.split_moment(right, 16, alice).name == "Goal (4)"


@pytest.mark.parametrize("at", [10, 9, 10.049, 19.951, 20, 21])
def test_places_where_nothing_is_split(film: File, at: float) -> None:
    moment = mark(film, 10, 20)
    with pytest.raises(SpanError):
        moments.split_moment(moment, at, None)
    assert span(moment) == ("10.000", "20.000")
    assert Moment.objects.count() == 1


def test_long_and_numbered_names(film: File) -> None:
    long = mark(film, 10, 20, "x" * 200)
    right = moments.split_moment(long, 15, None)
    assert (len(right.name), right.name[-5:]) == (200, "x (2)")
    numbered = mark(film, 10, 20, "Part (7)")
    assert moments.split_moment(numbered, 15, None).name == "Part (8)"
    assert moments.split_moment(mark(film, 10, 20, "(2)"), 15, None).name == "(2) (2)"


def test_splitting_begins_a_running_export_of_the_left_anew(film: File) -> None:
    moment = mark(film, 10, 20)
    row = moments.request_export(moment)
    moments.split_moment(moment, 15, None)
    row.refresh_from_db()
    assert row.parameters == {"start": "10.000", "end": "15.000", "version": 2}
    assert row.requested_version == 2


def test_the_trash_keeps_the_clip_and_stops_a_run(film: File) -> None:
    moment = mark(film)
    clip = moments.find_clip(finished(moment))
    moments.change_moment(moment, end=8)
    moments.request_export(moment)
    moments.trash_moment(moment)
    assert list(moments.moments_of(film)) == []
    assert [one.pk for one in moments.moments_of(film, trashed=True)] == [moment.pk]
    with pytest.raises(moments.MomentMissingError):
        moments.trash_moment(moment)
    export = moments.find_export(moment)
    assert export is not None
    assert (export.status, export.error_code) == ("failed", "cancelled")
    moments.restore_moment(moment)
    assert moments.find_clip(moments.find_export(moment)) == clip
    with pytest.raises(moments.MomentMissingError):
        moments.restore_moment(moment)


def test_a_moment_that_is_purged_right_after_its_change_is_not_there(library: Library, film: File) -> None:
    moment = mark(film)
    with pytest.raises(moments.MomentMissingError), moments.locked(moment):
        trash.purge(library, [film.pk])


def test_moments_come_by_start(film: File) -> None:
    for start in (30, 10, 20):
        mark(film, start, start + 1, f"at {start}")
    assert [one.name for one in moments.moments_of(film)] == ["at 10", "at 20", "at 30"]


@pytest.mark.parametrize("nothing", ["", " ", "\u200b", "\n"])
def test_a_name_can_be_seen(film: File, nothing: str) -> None:
    with pytest.raises(RequestError) as caught:
        mark(film, name=nothing)
    assert caught.value.code == "no_name"


def test_purging_one_of_two_files_takes_its_clips_and_leaves_those_of_the_other(
    library: Library, film: File
) -> None:
    twin = as_film(take_in(library, PNG, "copy.mp4").file)
    assert twin.original_id == film.original_id
    mine, theirs = mark(film), mark(twin)
    gone, kept = finished(mine), finished(theirs)
    running = mark(film, 2, 3)
    claim = ledger.claim(moments.request_export(running).pk, owner="test", lease_seconds=60)
    assert claim is not None
    poster = chosen_poster(film, "at-1000")
    both = chosen_poster(film, "at-2000")
    File.objects.filter(pk=twin.pk).update(poster_variant="at-2000")
    File.objects.filter(pk=film.pk).update(poster_variant="at-1000")
    trash.purge(library, [film.pk])
    assert set(Derivative.objects.exclude(variant="").values_list("pk", flat=True)) == {kept.pk, both.pk}
    for row in (gone, poster):
        keys = [output["key"] for output in row.outputs]
        assert UnnamedBlob.objects.filter(key__in=keys).count() == len(keys)
    assert list(Moment.objects.all()) == [theirs]
    with pytest.raises(Exception, match="taken this over"):
        ledger.finish_ready(claim, outputs=[], facts={}, made_by={})


def chosen_poster(file: File, variant: str) -> Derivative:
    output = {
        "name": "poster.webp",
        "key": f"{file.library_id}/{file.original_id}/poster/{uuid4().hex}/poster.webp",
        "size": 1,
        "content_type": "image/webp",
    }
    row: Derivative = Derivative.objects.create(
        original_id=file.original_id,
        deriver="poster",
        variant=variant,
        queue="thumbnail",
        status="ready",
        outputs=[output],
        queued_at=timezone.now(),
    )
    return row


def test_purging_the_last_file_takes_everything(library: Library, film: File) -> None:
    keys = [output["key"] for output in finished(mark(film)).outputs]
    trash.purge(library, [film.pk])
    assert not Moment.objects.exists()
    assert not Derivative.objects.exists()
    assert UnnamedBlob.objects.filter(key__in=keys).count() == 2


def test_a_merge_keeps_what_people_had_made(library: Library) -> None:
    known = take_in(library, PNG, "known.mp4").file
    late = as_film(take_in(library, PNG, "late.mp4", hashed=False).file)
    moment = mark(late)
    export, waiting = finished(moment), moments.request_export(mark(late, 2, 3))
    poster, doubled = chosen_poster(late, "at-1000"), chosen_poster(late, "at-2000")
    theirs = chosen_poster(known, "at-2000")
    digest = known.original.sha256
    assert Original.objects.get(pk=late.original_id).adopt_digest(str(digest)).pk == known.original_id
    moment = Moment.objects.get(pk=moment.pk)
    found = moments.find_export(moment)
    assert found is not None
    assert (found.pk, moments.find_clip(found)) == (export.pk, moments.find_clip(export))
    kept = Derivative.objects.filter(original=known.original_id).exclude(variant="")
    assert set(kept.values_list("pk", flat=True)) == {export.pk, waiting.pk, poster.pk, theirs.pk}
    keys = [output["key"] for output in (*export.outputs, *poster.outputs)]
    assert not UnnamedBlob.objects.filter(key__in=keys).exists()
    assert UnnamedBlob.objects.filter(key=doubled.outputs[0]["key"]).exists()
    assert orphans.find_unnamed(keys) == set()
    assert get_store("files").stat(export.outputs[0]["key"]).size == 4


def test_an_export_under_way_begins_anew_with_the_bytes_that_a_merge_keeps(library: Library) -> None:
    """The bytes that its run reads are swept before a long one ends."""
    known = take_in(library, PNG, "known.mp4").file
    late = as_film(take_in(library, PNG, "late.mp4", hashed=False).file)
    row = moments.request_export(mark(late))
    old = ledger.claim(row.pk, owner="test", lease_seconds=60)
    assert old is not None
    runs.run(Derivative.objects.get(original=late.original_id, deriver="hash").pk)
    row.refresh_from_db()
    assert (row.original_id, row.status, row.lost_claims) == (known.original_id, "queued", 0)
    assert not ledger.renew(old, lease_seconds=60, progress=1, eta_seconds=None)
    new = ledger.claim(row.pk, owner="test", lease_seconds=60)
    assert new is not None
    assert (new.original_id, new.key) == (known.original_id, known.original.key)


def test_nobody_plans_a_clip_and_bulk_work_keeps_its_span(library: Library, film: File) -> None:
    subject = film.original.subject()
    assert "moment" not in [one.deriver for one in plan(subject, all_derivers())]
    row = finished(mark(film))
    assert reprocess.reprocess(Selection(deriver="moment", library=library.pk)) == 1
    row.refresh_from_db()
    assert (row.status, row.parameters) == ("queued", {"start": "1.000", "end": "5.000", "version": 1})
    with pytest.raises(ConflictError):
        reprocess.reprocess_file(film, "moment")


def test_bytes_that_come_again_do_not_bring_old_moments(library: Library, film: File) -> None:
    mark(film)
    again = take_in(library, PNG, "again.mp4").file
    assert list(moments.moments_of(again)) == []


def test_thousandths_of_a_long_recording_survive(film: File) -> None:
    moment = mark(as_film(film, duration=999_999.5), 123_456.789, 123_457.123)
    row = moments.request_export(moment)
    assert (row.parameters["start"], row.parameters["end"]) == ("123456.789", "123457.123")
    assert Decimal(row.parameters["end"]) - Decimal(row.parameters["start"]) == Decimal("0.334")


@pytest.mark.django_db(transaction=True)
def test_changes_exports_and_purges_at_once_end_in_order() -> None:
    """Nobody waits for ever, nothing is asked for twice, and what is left answers the moment as it is."""
    library = create_library(User.objects.create_user("owner@example.org"), "Busy")
    for number in range(6):
        film = as_film(take_in(library, PNG + bytes([number]), "film.mp4").file)
        moment = mark(film, 1, 50)
        outcomes = together(
            lambda key=moment: moments.request_export(key),
            lambda key=moment: moments.request_export(key),
            lambda key=moment: moments.change_moment(key, end=40),
            lambda key=moment: moments.split_moment(key, 20, None),
            *([lambda one=film: trash.purge_one(library, one.pk)] if number % 2 else []),
        )
        assert set(outcomes) <= {"ok", "MomentMissingError"}
        if number % 2:
            assert not Derivative.objects.filter(deriver="moment", original=film.original_id).exists()
            continue
        assert outcomes == ["ok"] * 4
        row, left = moments.find_export(moment), Moment.objects.get(pk=moment.pk)
        assert row is not None
        assert row.parameters == moments.parameters_of(left)
        assert left.end in {20, 40}


def together(*works: Any) -> list[str]:
    barrier = threading.Barrier(len(works))
    outcomes: list[str] = []

    def run(work: Any) -> None:
        try:
            barrier.wait()
            work()
            outcomes.append("ok")
        except Exception as error:  # noqa: BLE001  Told to the test.
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
