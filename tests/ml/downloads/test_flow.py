"""Models are sent for once, fetched by turns, and who waited for them goes on."""

import itertools
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from alcoves import locks
from media import dispatch, ledger, runs
from media.errors import InfrastructureError
from media.models import Derivative, Library
from ml import downloads, selection, tasks
from ml.downloads import deciding, fetching, flow, following, ordering, progress, tending, turns, waking
from ml.downloads.errors import NotOnMirrorError, WrongContentError
from ml.downloads.flow import Outcome
from ml.downloads.progress import Progress
from ml.errors import LicenceError, ModelMissingError
from ml.models import Acceptance, Choice, Download
from ml.registry import places, table
from ml.registry.specs import ModelSpec
from tests.ingesting import derivative, take_in
from tests.ml.downloads.mirror import Mirror, answer, page, whole
from tests.ml.downloads.registries import CONTENT, DIGEST
from tests.workers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("installation")]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def model(pipeline: str, name: str = "small") -> ModelSpec:
    spec = table.find_model(pipeline, name)
    assert spec is not None
    return spec


def place(spec: ModelSpec) -> None:
    """As if it had been downloaded."""
    for file in spec.files:
        path = places.path_of(spec, file)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CONTENT)


def messages() -> int:
    return int(dispatch.redis_client().llen("maintenance"))


def test_a_model_that_is_here_costs_one_query(django_assert_num_queries: Any) -> None:
    place(model("sounds"))
    with django_assert_num_queries(1):
        ready = downloads.ready("sounds")
    assert ready.spec == model("sounds")
    assert set(ready.paths) == {"model", "labels"}
    assert all(path.exists() for path in ready.paths.values())
    assert not Download.objects.exists()


def test_a_model_that_is_missing_is_sent_for_once() -> None:
    for _ in range(3):
        with pytest.raises(ModelMissingError, match="is to be downloaded"):
            downloads.ready("sounds")
    assert messages() == 1
    assert set(Download.objects.values_list("name", "state")) == {
        ("sounds.onnx", "queued"),
        ("labels.csv", "queued"),
    }


def test_nothing_is_sent_for_without_its_licence() -> None:
    with pytest.raises(LicenceError, match="InsightFace"):
        downloads.ready("faces")
    assert messages() == 0
    assert not Download.objects.exists()


def test_a_licence_that_was_accepted_once_holds() -> None:
    Acceptance.objects.create(licence="InsightFace-NC")
    with pytest.raises(ModelMissingError):
        downloads.ready("faces")
    with pytest.raises(LicenceError):
        downloads.ready("objects")


def test_two_files_come_and_the_row_that_waited_goes_on(library: Library, installation: Mirror) -> None:
    file = take_in(library, PNG, "a.png").file
    row = derivative(file.original_id, "faces")
    runs.run(row.pk)
    row.refresh_from_db()
    assert (row.status, row.error_code, row.attempts) == ("queued", "licence_not_accepted", 0)
    deciding.accept("InsightFace-NC")
    runs.run(row.pk)
    row.refresh_from_db()
    assert (row.status, row.error_code, row.attempts, row.deferrals) == ("queued", "model_missing", 0, 2)
    assert row.not_before is not None
    assert row.not_before > timezone.now() + timedelta(minutes=50)
    tasks.fetch("faces", "small")
    assert Derivative.objects.filter(pk=row.pk, not_before=None).exists()
    runs.run(row.pk)
    row.refresh_from_db()
    assert row.status == "ready"
    assert row.facts == {"model": "small", "files": ["detector.onnx", "recogniser.onnx"]}


def test_progress_is_told_and_the_first_digest_remembered(installation: Mirror) -> None:
    spec = model("sounds")
    seen: list[str] = []
    assert flow.ensure(spec, shown=lambda name, done, total: seen.append(name)) is Outcome.HERE
    assert set(seen) == {"sounds.onnx", "labels.csv"}
    row = Download.objects.get(name="sounds.onnx")
    assert (row.state, row.sha256, row.bytes_done, row.bytes_total) == (
        "ready",
        DIGEST,
        len(CONTENT),
        len(CONTENT),
    )
    assert row.started_at is not None
    assert row.finished_at is not None
    assert row.error == ""


def test_rows_are_written_at_most_once_a_second(django_assert_max_num_queries: Any) -> None:
    spec = model("sounds")
    with turns.taken() as turn:
        assert turn is not None
        tell = Progress(spec, spec.file("model"), turn)
        with django_assert_max_num_queries(2):
            for done in range(1000):
                tell(done, 5000)
        tell(5000, 5000)
    assert Download.objects.get(name="sounds.onnx").bytes_done == 5000


def test_a_later_download_has_to_have_the_digest_of_the_first(installation: Mirror) -> None:
    spec = model("sounds")
    flow.ensure(spec)
    labels = places.path_of(spec, spec.file("labels"))
    labels.unlink()
    installation.answer("/labels.csv", whole(b"index,mid,display_name\n" + b"0,/m/1,Other\n" * 200))
    with pytest.raises(WrongContentError, match="SHA-256"):
        flow.ensure(spec)
    assert Download.objects.get(name="labels.csv").state == "failed"


def test_a_failure_stands_on_the_row_and_is_tried_again_after_an_hour(installation: Mirror) -> None:
    installation.answer("/mirrored/sounds.onnx", answer(404))
    with pytest.raises(ModelMissingError):
        downloads.ready("sounds")
    tasks.fetch("sounds", "small")
    row = Download.objects.get(name="sounds.onnx")
    assert row.state == "failed"
    assert "404" in row.error
    sent = messages()
    with pytest.raises(ModelMissingError, match="404"):
        downloads.ready("sounds")
    assert messages() == sent
    Download.objects.update(updated_at=timezone.now() - timedelta(minutes=61))
    with pytest.raises(ModelMissingError, match="is to be downloaded"):
        downloads.ready("sounds")
    assert messages() == sent + 1


def test_attempts_are_counted_on_the_row(installation: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSES", (0.0,))
    installation.answer("/mirrored/sounds.onnx", answer(500), page(), answer(500), whole(CONTENT))
    flow.ensure(model("sounds"))
    assert Download.objects.get(name="sounds.onnx").attempts == 3


def test_a_turn_that_is_over_is_gone_on_with(installation: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on a little with each look at it: the turn is over after some blocks."""
    ticks = itertools.count(1_000_000)
    clock = SimpleNamespace(monotonic=lambda: next(ticks) * 0.05)
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(flow, "time", clock)
    spec = model("sounds")
    with pytest.raises(ModelMissingError):
        downloads.ready("sounds")
    dispatch.redis_client().flushdb()
    assert flow.ensure(spec, seconds=0.3) is Outcome.PAUSED
    row = Download.objects.get(name="sounds.onnx")
    assert row.state == "queued"
    with pytest.raises(ModelMissingError, match="percent"):
        downloads.ready("sounds")
    assert flow.ensure(spec) is Outcome.HERE
    assert installation.ranges()[-2] is not None


def test_the_task_sends_for_the_next_that_waits(installation: Mirror) -> None:
    deciding.fetch(model("sounds"))
    deciding.fetch(model("speech"))
    dispatch.redis_client().flushdb()
    tasks.fetch("sounds", "small")
    assert messages() == 1
    tasks.fetch("speech", "small")
    assert messages() == 1
    assert set(Download.objects.values_list("state", flat=True)) == {"ready"}


def test_one_download_at_a_time(installation: Mirror) -> None:
    with turns.taken() as turn:
        assert turn is not None
        assert flow.ensure(model("sounds")) is Outcome.TAKEN
        tasks.fetch("sounds", "small")
        assert messages() == 0
    assert installation.asked == []
    assert flow.ensure(model("sounds")) is Outcome.HERE
    assert dispatch.redis_client().get(locks.PREFIX + turns.NAME) is None


def test_of_two_threads_one_downloads(installation: Mirror) -> None:
    installation.answer("/mirrored/ggml-small.bin", whole(CONTENT, pause=0.02))
    outcomes: list[Outcome] = []
    spec = model("speech")

    def download() -> None:
        outcomes.append(flow.ensure(spec))
        connection.close()

    first = threading.Thread(target=download)
    first.start()
    wait_until(lambda: installation.asked, what="the first download")
    outcomes.append(flow.ensure(spec))
    first.join()
    assert sorted(outcomes) == [Outcome.HERE, Outcome.TAKEN]
    assert [path for path, _ in installation.asked] == ["/mirrored/ggml-small.bin", "/mirrored/vad.bin"]


def test_a_turn_is_kept_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "RENEWED_EVERY", 0.05)
    client, key = dispatch.redis_client(), locks.PREFIX + turns.NAME
    with turns.taken() as turn:
        assert turn is not None
        client.pexpire(key, 1000)
        wait_until(lambda: client.pttl(key) > 20_000, what="renewed")
        monkeypatch.setattr(turns, "SECONDS", 0.1)
        client.set(key, "another")
        wait_until(turn.lost.is_set, what="lost")
        tell = Progress(model("sounds"), model("sounds").file("model"), turn)
        with pytest.raises(InfrastructureError, match="Another process"):
            tell(1, 2)
    assert client.get(key) == b"another"


def test_without_redis_nothing_is_downloaded(settings: Any) -> None:
    dispatch.redis_client.cache_clear()
    address, settings.REDIS_URL = settings.REDIS_URL, "unix:///nowhere/redis.sock"
    try:
        with pytest.raises(InfrastructureError, match="Redis"):
            flow.ensure(model("sounds"))
    finally:
        settings.REDIS_URL = address
        dispatch.redis_client.cache_clear()


def test_a_broker_that_is_away_is_no_error_of_the_row(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(current_app, "send_task", away)
    with pytest.raises(ModelMissingError):
        downloads.ready("sounds")
    monkeypatch.undo()
    Download.objects.update(updated_at=timezone.now() - timedelta(minutes=4))
    assert ordering.send_lost() == 2
    assert messages() == 1


def test_rows_of_a_model_that_the_registry_has_not_any_more_go() -> None:
    Download.objects.create(pipeline="sounds", model="gone", name="gone.onnx")
    ordering.send_next()
    assert not Download.objects.exists()
    tasks.fetch("sounds", "gone")
    assert messages() == 0


def test_a_file_that_models_share_comes_once(installation: Mirror) -> None:
    flow.ensure(model("speech"))
    flow.ensure(model("speech", "english"))
    paths = [path for path, _ in installation.asked]
    assert paths.count("/mirrored/vad.bin") == 1
    assert len(paths) == 3


def test_the_voice_detector_may_be_left_out(settings: Any, installation: Mirror) -> None:
    settings.SPEECH_VAD_MODEL = "off"
    flow.ensure(model("speech"))
    assert set(downloads.ready("speech").paths) == {"model"}
    assert len(installation.asked) == 1


def test_speech_may_have_a_folder_of_its_own(settings: Any, tmp_path: Path) -> None:
    settings.SPEECH_MODELS_PATH = str(tmp_path / "whisper")
    flow.ensure(model("speech"))
    assert (tmp_path / "whisper" / "ggml-small.bin").read_bytes() == CONTENT


def test_a_mirror_of_the_pipeline_goes_before_that_of_all(settings: Any, installation: Mirror) -> None:
    settings.MODEL_BASE_URLS = {**settings.MODEL_BASE_URLS, "sounds": installation.url + "/sounds/"}
    with pytest.raises(NotOnMirrorError):
        flow.ensure(model("sounds"))
    assert installation.asked[0][0] == "/sounds/mirrored/sounds.onnx"


def test_the_labels_may_lie_elsewhere(settings: Any, installation: Mirror) -> None:
    settings.SOUND_LABELS_URL = installation.answer("/elsewhere.csv", whole(b"index,mid,display_name\n" * 99))
    flow.ensure(model("sounds"))
    assert installation.asked[-1][0] == "/elsewhere.csv"


def test_a_file_that_is_published_nowhere_says_which_variable(settings: Any) -> None:
    settings.MODEL_BASE_URL = ""
    with pytest.raises(NotOnMirrorError, match="ALCOVES_SOUNDS_MODEL_BASE_URL"):
        flow.ensure(model("sounds"))
    assert Download.objects.get(name="sounds.onnx").state == "failed"


class TestNobodyGoesInCircles:
    """A message that sends the next must come nearer to the end with each."""

    def test_a_file_that_was_copied_there_by_hand(self) -> None:
        deciding.fetch(model("sounds"))
        place(model("sounds"))
        dispatch.redis_client().flushdb()
        tasks.fetch("sounds", "small")
        assert messages() == 0
        row = Download.objects.get(name="sounds.onnx")
        assert (row.state, row.bytes_done) == ("ready", len(CONTENT))

    def test_a_file_that_is_not_needed_any_more(self, settings: Any) -> None:
        deciding.fetch(model("speech"))
        dispatch.redis_client().flushdb()
        settings.SPEECH_VAD_MODEL = "off"
        tasks.fetch("speech", "small")
        assert messages() == 0
        assert Download.objects.get().name == "ggml-small.bin"

    def test_a_licence_that_was_taken_back(self, installation: Mirror) -> None:
        Acceptance.objects.create(licence="AGPL-3.0")
        deciding.fetch(model("objects"))
        dispatch.redis_client().flushdb()
        Acceptance.objects.all().delete()
        tasks.fetch("objects", "small")
        assert messages() == 0
        assert Download.objects.get().state == "failed"
        assert "has to be accepted" in Download.objects.get().error
        assert installation.asked == []

    def test_a_mirror_that_has_nothing(self, installation: Mirror) -> None:
        installation.steps.clear()
        deciding.fetch(model("sounds"))
        deciding.fetch(model("search"))
        dispatch.redis_client().flushdb()
        tasks.fetch("sounds", "small")
        tasks.fetch("search", "small")
        dispatch.redis_client().flushdb()
        ordering.send_next()
        assert messages() == 0
        assert set(Download.objects.values_list("state", flat=True)) == {"failed"}


class TestFollowing:
    """Where workers have no way out."""

    @pytest.fixture(autouse=True)
    def followed(self, settings: Any) -> None:
        settings.MODEL_FETCHER = "follower"

    def test_no_message_is_sent_and_the_follower_downloads(self, library: Library) -> None:
        row = derivative(take_in(library, PNG, "a.png").file.original_id, "faces")
        deciding.accept("InsightFace-NC")
        runs.run(row.pk)
        assert messages() == 0
        touched: list[int] = []
        assert following.take_turn(lambda: touched.append(1))
        assert touched
        assert not following.take_turn(lambda: None)
        assert Download.objects.filter(state="ready").count() == 2
        assert waking.waiting("faces").count() == 0

    def test_it_rests_where_it_can_do_nothing(self, installation: Mirror) -> None:
        installation.steps.clear()
        deciding.fetch(model("sounds"))
        assert not following.take_turn(lambda: None)
        with turns.taken():
            deciding.fetch(model("search"))
            assert not following.take_turn(lambda: None)


class TestAhead:
    """Faces and objects are fetched after a start."""

    def test_nothing_without_licences(self) -> None:
        tasks.prefetch()
        assert not Download.objects.exists()

    def test_with_licences(self) -> None:
        deciding.accept("AGPL-3.0")
        assert set(Download.objects.values_list("pipeline", flat=True)) == {"objects"}
        Acceptance.objects.create(licence="InsightFace-NC")
        assert tending.prefetch() == ["small", "small"]
        assert set(Download.objects.values_list("pipeline", flat=True)) == {"faces", "objects"}
        assert messages() == 2

    def test_not_where_the_operator_does_not_want_it(self, settings: Any, library: Library) -> None:
        settings.MODEL_PREFETCH = False
        Library.objects.update(faces=False, objects_on=False)
        for licence in ("InsightFace-NC", "AGPL-3.0"):
            Acceptance.objects.create(licence=licence)
        assert tending.prefetch() == []
        Library.objects.update(faces=True)
        assert tending.prefetch() == ["small"]
        assert set(Download.objects.values_list("pipeline", flat=True)) == {"faces"}

    def test_not_what_is_here(self) -> None:
        deciding.accept("AGPL-3.0")
        Download.objects.all().delete()
        place(model("objects"))
        assert tending.prefetch() == []


class TestTending:
    """What nobody has told of is found within a minute."""

    def test_a_row_parked_in_the_moment_in_which_its_model_came(self, library: Library) -> None:
        row = derivative(take_in(library, PNG, "a.png").file.original_id, "faces")
        deciding.accept("InsightFace-NC")
        runs.run(row.pk)
        place(model("faces"))
        assert waking.waiting("faces").count() == 1
        assert tasks.tend() == 1
        assert waking.waiting("faces").count() == 0

    def test_a_licence_accepted_past_the_flow(self, library: Library) -> None:
        row = derivative(take_in(library, PNG, "a.png").file.original_id, "faces")
        runs.run(row.pk)
        tasks.tend()
        assert not Download.objects.exists()
        Acceptance.objects.create(licence="InsightFace-NC")
        tasks.tend()
        assert Download.objects.filter(pipeline="faces", state="queued").count() == 2

    def test_a_worker_that_died(self) -> None:
        deciding.fetch(model("sounds"))
        dispatch.redis_client().flushdb()
        assert tasks.tend() == 0
        assert messages() == 0
        Download.objects.update(state="running", updated_at=timezone.now() - timedelta(minutes=4))
        tasks.tend()
        assert messages() == 1
        assert set(Download.objects.values_list("state", flat=True)) == {"queued"}


class TestChoosing:
    """What operators decide."""

    def test_a_stored_model_that_is_gone_falls_back(self) -> None:
        Choice.objects.create(pipeline="faces", model="gone")
        assert selection.chosen("faces") == model("faces")

    def test_a_stored_model_that_is_not_available_falls_back(self) -> None:
        Choice.objects.create(pipeline="objects", model="planned")
        assert selection.chosen("objects") == model("objects")

    def test_an_unavailable_model_that_was_brought_can_be_used(self) -> None:
        place(model("objects", "planned"))
        deciding.choose("objects", "planned")
        assert downloads.ready("objects").spec == model("objects", "planned")

    def test_the_environment_names_a_model_until_one_is_chosen(self, settings: Any) -> None:
        settings.SPEECH_MODEL = "english"
        assert selection.chosen("speech") == model("speech", "english")
        assert selection.chosen("faces") == model("faces")
        deciding.choose("speech", "small")
        assert selection.chosen("speech") == model("speech")
        settings.SPEECH_MODEL = "gone"
        Choice.objects.all().delete()
        assert selection.chosen("speech") == model("speech")

    def test_the_language(self, settings: Any) -> None:
        assert selection.language() == "auto"
        settings.SPEECH_LANGUAGE = "fr"
        assert selection.language() == "fr"
        deciding.choose("speech", "small", language="de")
        deciding.choose("speech", "small")
        assert selection.language() == "de"

    def test_another_model_wakes_who_waits_for_the_first(self, library: Library) -> None:
        row = derivative(take_in(library, PNG, "a.png").file.original_id, "faces")
        runs.run(row.pk)
        place(model("faces", "open"))
        deciding.choose("faces", "open")
        runs.run(row.pk)
        row.refresh_from_db()
        assert row.facts["model"] == "open"

    def test_what_a_library_wants_is_sent_for_at_once(self, library: Library) -> None:
        Library.objects.update(faces=False)
        deciding.choose("faces", "open")
        assert not Download.objects.exists()
        Library.objects.update(faces=True)
        deciding.choose("faces", "open")
        assert Download.objects.count() == 2

    def test_accepting_wakes_only_who_waits_for_it(self, library: Library) -> None:
        row = derivative(take_in(library, PNG, "a.png").file.original_id, "faces")
        runs.run(row.pk)
        deciding.accept("AGPL-3.0")
        assert waking.waiting("faces").count() == 1
        deciding.accept("InsightFace-NC")
        assert waking.waiting("faces").count() == 0
        assert ledger.waiting().filter(pk=row.pk).exists()


def test_waking_touches_no_other_row(library: Library) -> None:
    row = derivative(take_in(library, PNG, "a.png").file.original_id, "faces")
    runs.run(row.pk)
    Derivative.objects.update(error_code="scratch_full")
    assert waking.wake("faces") == 0
    Derivative.objects.update(error_code="model_missing", deriver="objects")
    assert waking.wake("faces") == 0
    assert waking.wake("objects") == 1
