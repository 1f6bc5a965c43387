"""The page of models: what is shown, what each button does, who may press it, and what is written down."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alcoves.accounts.models import AccessToken
from media.models import AuditEntry
from ml import selection
from ml.models import Acceptance, Choice, Download
from ml.registry import places, table
from tests.ml.downloads.conftest import installation, mirror  # noqa: F401  Fixtures.
from tests.ml.downloads.registries import CONTENT
from tests.staffing import client_of_role, member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("installation")]


@pytest.fixture
def operator(db: None) -> Client:
    return client_of_role("operator")


def post(client: Client, **given: str) -> str:
    return client.post(reverse("admin:models"), given, follow=True).content.decode()


def bring(pipeline: Any, model: str) -> Any:
    """Its files, as if they had been downloaded."""
    spec: Any = table.find_model(pipeline, model)
    for file in spec.files:
        path = places.folder(pipeline) / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    return spec


def acts() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "actor_name"))


def test_all_of_the_registry_is_shown(operator: Client, django_assert_max_num_queries: Any) -> None:
    operator.get(reverse("admin:models"))
    with django_assert_max_num_queries(10):
        text = operator.get(reverse("admin:models")).content.decode()
    for spec in table.all_models():
        assert f'id="{spec.pipeline}-{spec.id}"' in text
    assert "Open faces" in text
    assert "InsightFace" in text
    assert "not yet" in text


def test_the_next_work_uses_what_is_chosen(operator: Client) -> None:
    assert "Open faces is used from now on" in post(operator, act="choose", pipeline="faces", model="open")
    assert selection.chosen("faces").id == "open"
    assert acts() == [("models.choose", "operator@example.org")]


def test_a_language_is_chosen(operator: Client) -> None:
    model = selection.chosen("speech").id
    post(operator, act="choose", pipeline="speech", model=model, language="auto")
    assert Choice.objects.get().language == "auto"
    assert "does not know the language" in post(
        operator, act="choose", pipeline="speech", model=model, language="xx"
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"act": "choose", "pipeline": "objects", "model": "open"}, "cannot be chosen"),
        ({"act": "choose", "pipeline": "smells", "model": "open"}, "no pipeline"),
        ({"act": "download", "pipeline": "faces", "model": "nonsense"}, "no model"),
        ({"act": "download", "pipeline": "faces", "model": "small"}, "InsightFace"),
        ({"act": "delete", "pipeline": "faces", "model": "", "sure": "yes"}, "no model"),
        ({"act": "accept", "licence": "mine"}, "No model has this licence"),
        ({"act": "eat"}, "no such act"),
    ],
)
def test_what_is_not_to_be_had_is_said(operator: Client, given: dict[str, str], sentence: str) -> None:
    assert sentence in post(operator, **given)
    assert acts() == []
    assert not Choice.objects.exists()


def test_a_licence_is_read_and_accepted(operator: Client) -> None:
    licence = str(table.find_model("faces", "small").licence)  # type: ignore[union-attr]
    assert "Read the licence" in post(operator, act="accept", licence=licence)
    assert not Acceptance.objects.exists()
    post(operator, act="accept", licence=licence, sure="yes")
    assert Acceptance.objects.get().licence == licence
    assert acts() == [("models.accept", "operator@example.org")]


def test_a_model_is_sent_for_with_its_progress(operator: Client) -> None:
    post(operator, act="download", pipeline="faces", model="open")
    row = Download.objects.filter(model="open").first()
    assert row is not None
    Download.objects.filter(model="open").update(state="running", bytes_done=1, bytes_total=2)
    page = operator.get(reverse("admin:models")).content.decode()
    assert '<progress max="100"' in page
    assert 'http-equiv="refresh"' not in page, "it would throw away what somebody is choosing"
    assert f'data-live="{reverse("admin:models-live")}"' in page
    live = operator.get(reverse("admin:models-live")).json()["html"]
    assert '<progress max="100"' in live
    assert "Download" in live
    assert acts() == [("models.download", "operator@example.org")]


def test_files_are_deleted_when_one_is_sure(operator: Client) -> None:
    used = selection.chosen("faces")
    spec = bring("faces", next(one.id for one in table.models_of("faces") if one != used and one.available))
    assert "Delete the files" in post(operator, act="delete", pipeline="faces", model=spec.id)
    assert not places.missing(spec)
    assert "1 file of Open faces is deleted" in post(
        operator, act="delete", pipeline="faces", model=spec.id, sure="yes"
    )
    assert places.missing(spec)
    assert acts() == [("models.delete", "operator@example.org")]
    bring("faces", used.id)
    assert "is the model that is used" in post(
        operator, act="delete", pipeline="faces", model=used.id, sure="yes"
    )
    assert not places.missing(used)


@pytest.mark.parametrize("role", ["librarian", "auditor"])
def test_others_look(role: str, db: None) -> None:
    client = Client()
    client.force_login(member(role))
    text = client.get(reverse("admin:models")).content.decode()
    assert "Use it" not in text
    given = {"act": "choose", "pipeline": "faces", "model": "open"}
    assert client.post(reverse("admin:models"), given).status_code == 403
    assert not Choice.objects.exists()


def test_the_api_asks_for_the_same_and_writes_it_down(db: None) -> None:
    for role, status in (("auditor", 403), ("operator", 200)):
        _, secret = AccessToken.issue(member(role), "phone")
        client = Client(headers={"authorization": f"Bearer {secret}"})
        assert client.get("/api/models").status_code == 200
        answer = client.put("/api/models/faces", {"model": "open"}, content_type="application/json")
        assert answer.status_code == status, answer.content
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.via, entry.actor_name) == ("models.choose", "api", "operator@example.org")
