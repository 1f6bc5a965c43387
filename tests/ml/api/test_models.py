"""The registry over the API: for staff alone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from alcoves.accounts.models import User
from media import dispatch
from ml.models import Acceptance, Choice, Download
from ml.registry import places, table
from ml.registry.specs import ModelFile, ModelSpec
from tests.conftest import client_of, make_user
from tests.ml.downloads.conftest import installation, mirror  # noqa: F401  Fixtures.
from tests.ml.downloads.registries import CONTENT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("installation")]


@pytest.fixture
def staff(db: None) -> Client:
    user = make_user("root@example.org", "root-password", name="Root")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=("see_operations", "choose_models")))
    return client_of(user)


def place(pipeline: str, name: str) -> None:
    spec = table.find_model(pipeline, name)
    assert spec is not None
    for file in spec.files:
        path = places.path_of(spec, file)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CONTENT)


def pipeline_of(answer: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in answer.json() if one["pipeline"] == name)
    return found


def test_staff_sees_all_models(staff: Client, django_assert_num_queries: Any) -> None:
    place("objects", "planned")
    Acceptance.objects.create(licence="InsightFace-NC")
    Download.objects.create(
        pipeline="faces",
        model="small",
        name="detector.onnx",
        state="running",
        bytes_done=750_000,
        bytes_total=1_500_000,
    )
    Download.objects.create(pipeline="sounds", model="small", name="sounds.onnx", state="failed", error="No.")
    staff.get("/api/models")
    with django_assert_num_queries(7):  # The token, permissions twice, four for everything.
        answer = staff.get("/api/models")
    assert answer.status_code == 200
    faces = pipeline_of(answer, "faces")
    assert (faces["model"], faces["language"]) == ("small", None)
    small, free = faces["models"]
    assert small["chosen"] is small["default"] is True
    assert small["state"] == "running"
    assert small["progress"] == 25
    assert small["diskBytes"] == 3_000_000
    assert small["memoryBytes"] == 9_000_000
    assert small["accuracy"] == "good"
    assert small["licence"]["mustAccept"] is small["licence"]["accepted"] is True
    assert "non-commercial" in small["licence"]["terms"]
    assert free["licence"]["accepted"] is True
    assert [file["here"] for file in small["files"]] == [False, False]
    planned = pipeline_of(answer, "objects")["models"][1]
    assert (planned["available"], planned["usable"], planned["state"]) == (False, True, "ready")
    assert planned["progress"] == 100
    sounds = pipeline_of(answer, "sounds")["models"][0]
    assert (sounds["state"], sounds["error"], sounds["progress"]) == ("failed", "No.", 0)
    speech = pipeline_of(answer, "speech")
    assert speech["language"] == "auto"
    assert speech["models"][0]["languages"] == ["en", "de", "fr"]
    assert pipeline_of(answer, "search")["models"][0]["state"] == "missing"


ASKED: list[Callable[[Client], Any]] = [
    lambda client: client.get("/api/models"),
    lambda client: client.put("/api/models/faces", {"model": "open"}, content_type="application/json"),
    lambda client: client.post("/api/models/sounds/small/download"),
    lambda client: client.delete("/api/models/faces/open"),
    lambda client: client.post("/api/licences/AGPL-3.0/accept"),
]


@pytest.mark.parametrize("ask", ASKED)
def test_nobody_else_may(ask: Callable[[Client], Any], alice: User, charlie: User) -> None:
    """Owners of libraries neither: models are of the whole installation."""
    assert ask(client_of(alice)).status_code == 403
    assert ask(client_of(charlie)).status_code == 403
    assert ask(Client()).status_code in {401, 403}
    assert not Choice.objects.exists()
    assert not Acceptance.objects.exists()
    assert not Download.objects.exists()


def test_choosing(staff: Client) -> None:
    answer = staff.put("/api/models/faces", {"model": "open"}, content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["model"] == "open"
    row = Choice.objects.get()
    assert (row.pipeline, row.model, row.chosen_by.email) == ("faces", "open", "root@example.org")


def test_choosing_speech_and_its_language(staff: Client) -> None:
    put = "/api/models/speech"
    answer = staff.put(put, {"model": "small", "language": "de"}, content_type="application/json")
    assert answer.json()["language"] == "de"
    answer = staff.put(put, {"model": "small"}, content_type="application/json")
    assert (answer.json()["model"], answer.json()["language"]) == ("small", "de")
    answer = staff.put(put, {"model": "english"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "language_unavailable")
    answer = staff.put(put, {"model": "english", "language": "auto"}, content_type="application/json")
    assert answer.json()["language"] == "auto"


@pytest.mark.parametrize(
    ("pipeline", "body", "code"),
    [
        ("objects", {"model": "planned"}, "model_unavailable"),
        ("objects", {"model": "nonsense"}, "model_unavailable"),
        ("speech", {"model": "english", "language": "fr"}, "language_unavailable"),
        ("speech", {"model": "small", "language": "xx"}, "language_unavailable"),
        ("speech", {}, "invalid"),
        ("speech", {"model": ["small"]}, "invalid"),
    ],
)
def test_what_is_not_to_be_had_is_refused(
    staff: Client, pipeline: str, body: dict[str, Any], code: str
) -> None:
    answer = staff.put(f"/api/models/{pipeline}", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert not Choice.objects.exists()


def test_addresses_of_nothing(staff: Client) -> None:
    put = staff.put("/api/models/smells", {"model": "small"}, content_type="application/json")
    assert put.status_code == 404
    assert staff.post("/api/models/faces/nonsense/download").status_code == 404
    assert staff.delete("/api/models/smells/small").status_code == 404
    assert staff.post("/api/licences/none/accept").status_code == 404


def test_downloading(staff: Client) -> None:
    answer = staff.post("/api/models/sounds/small/download")
    assert answer.status_code == 202
    assert "is to be downloaded" in answer.json()["message"]
    assert Download.objects.count() == 2
    assert dispatch.redis_client().llen("maintenance") == 1
    Download.objects.update(state="failed", error="No.")
    assert staff.post("/api/models/sounds/small/download").status_code == 202
    assert dispatch.redis_client().llen("maintenance") == 2
    place("sounds", "small")
    assert staff.post("/api/models/sounds/small/download").json()["message"] == "Small sounds is here."


def test_nothing_is_downloaded_without_its_licence(staff: Client) -> None:
    answer = staff.post("/api/models/faces/small/download")
    assert answer.status_code == 409
    assert answer.json()["code"] == "licence_not_accepted"
    assert staff.post("/api/models/objects/planned/download").status_code == 400
    assert not Download.objects.exists()


def test_accepting(staff: Client) -> None:
    for _ in range(2):
        answer = staff.post("/api/licences/InsightFace-NC/accept")
        assert answer.status_code == 200
        assert answer.json()["accepted"] is True
    assert Acceptance.objects.get().accepted_by.email == "root@example.org"
    assert Download.objects.filter(pipeline="faces").count() == 2


def test_throwing_away(staff: Client) -> None:
    place("speech", "english")
    place("speech", "small")
    Download.objects.create(pipeline="speech", model="english", name="ggml-english.bin", state="ready")
    assert staff.delete("/api/models/speech/english").status_code == 204
    assert not Download.objects.exists()
    spec = table.find_model("speech", "small")
    assert spec is not None
    assert places.missing(spec) == ()
    assert staff.delete("/api/models/speech/english").status_code == 204


def test_what_is_used_stays(staff: Client) -> None:
    place("speech", "small")
    assert staff.delete("/api/models/speech/small").status_code == 409
    Download.objects.create(pipeline="speech", model="english", name="ggml-english.bin", state="running")
    assert staff.delete("/api/models/speech/english").status_code == 409


ALONE = (
    ModelSpec(
        "alone",
        "speech",
        "Alone",
        (ModelFile("model", "ggml-alone.bin", "ggml-alone.bin"),),
        "MIT",
        "whisper",
        default=True,
    ),
)


def test_a_file_that_is_on_its_way_for_another_model_is_not_thrown_away(staff: Client, settings: Any) -> None:
    """Two models share it, and neither is the one that is used."""
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.api.test_models.ALONE"]
    Download.objects.create(pipeline="speech", model="english", name="vad.bin", state="running")
    assert staff.delete("/api/models/speech/small").status_code == 409
    assert Download.objects.get().name == "vad.bin"
