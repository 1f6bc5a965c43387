"""The operators' pages over models: what is used, accepted, and on its way."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from alcoves.accounts.models import User
from media import dispatch
from ml.models import Acceptance, Choice, Download
from tests.conftest import make_user
from tests.ml.downloads.conftest import installation, mirror  # noqa: F401  Fixtures.

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("installation")]


@pytest.fixture
def root(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    return client


def page(model: str, name: str, *args: Any) -> str:
    return reverse(f"admin:ml_{model}_{name}", args=args)


def failed_download() -> Download:
    row: Download = Download.objects.create(
        pipeline="sounds",
        model="small",
        name="sounds.onnx",
        state="failed",
        error="<b>The mirror</b> answers 404.",
        bytes_done=500_000,
        bytes_total=2_000_000,
    )
    return row


def test_downloads_are_shown_with_their_progress(root: Client, django_assert_max_num_queries: Any) -> None:
    row = failed_download()
    Download.objects.create(pipeline="speech", model="small", name="vad.bin")
    with django_assert_max_num_queries(8):
        answer = root.get(page("download", "changelist"))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert '<progress max="100" value="25">' in text
    assert "&lt;b&gt;The mirror" in text
    assert root.get(page("download", "change", row.pk)).status_code == 200


def test_downloads_are_only_looked_at_and_begun_anew(root: Client) -> None:
    row = failed_download()
    assert root.post(page("download", "change", row.pk), {"state": "ready"}).status_code == 403
    assert root.get(page("download", "add")).status_code == 403
    answer = root.post(
        page("download", "changelist"),
        {"action": "fetch_again", "_selected_action": [str(row.pk)]},
        follow=True,
    )
    assert "is being downloaded, 25 percent" in answer.content.decode()
    assert set(Download.objects.values_list("state", flat=True)) == {"queued"}
    assert dispatch.redis_client().llen("maintenance") == 1


def test_an_action_says_why_not(root: Client) -> None:
    row = Download.objects.create(pipeline="faces", model="small", name="detector.onnx")
    gone = Download.objects.create(pipeline="faces", model="gone", name="gone.onnx")
    chosen = {"action": "fetch_again", "_selected_action": [str(row.pk), str(gone.pk)]}
    text = root.post(page("download", "changelist"), chosen, follow=True).content.decode()
    assert "InsightFace" in text
    assert "no model gone any more" in text


def test_who_may_only_look_begins_nothing(client: Client) -> None:
    user = make_user("looker@example.org", "looker-password", name="Looker")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_download"))
    client.force_login(User.objects.get(pk=user.pk))
    row = failed_download()
    chosen = {"action": "fetch_again", "_selected_action": [str(row.pk)]}
    client.post(page("download", "changelist"), chosen)
    row.refresh_from_db()
    assert row.state == "failed"


def test_choosing(root: Client) -> None:
    shown = root.get(page("choice", "add")).content.decode()
    assert "Open faces" in shown
    assert "Planned objects" not in shown
    root.post(page("choice", "add"), {"pipeline": "faces", "model": "open", "language": ""})
    row = Choice.objects.get()
    assert (row.pipeline, row.model, row.chosen_by.email) == ("faces", "open", "root@example.org")
    root.post(page("choice", "change", row.pk), {"model": "small", "language": ""})
    row.refresh_from_db()
    assert row.model == "small"
    assert root.get(page("choice", "changelist")).status_code == 200


@pytest.mark.parametrize(
    ("pipeline", "model", "language", "sentence"),
    [
        ("objects", "open", "", "cannot be chosen for objects"),
        ("speech", "english", "fr", "does not know the language"),
        ("smells", "open", "", "not one of the available choices"),
        ("faces", "nonsense", "", "not one of the available choices"),
    ],
)
def test_choosing_what_is_not_to_be_had(
    root: Client, pipeline: str, model: str, language: str, sentence: str
) -> None:
    answer = root.post(page("choice", "add"), {"pipeline": pipeline, "model": model, "language": language})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Choice.objects.exists()


def test_accepting_a_licence(root: Client) -> None:
    shown = root.get(page("acceptance", "add")).content.decode()
    assert "non-commercial" in shown
    assert "Small faces" in shown
    assert "MIT License" not in shown
    root.post(page("acceptance", "add"), {"licence": "InsightFace-NC"})
    row = Acceptance.objects.get()
    assert (row.licence, row.accepted_by.email) == ("InsightFace-NC", "root@example.org")
    assert Download.objects.filter(pipeline="faces").count() == 2
    assert "non-commercial" not in root.get(page("acceptance", "add")).content.decode()
    assert "non-commercial" in root.get(page("acceptance", "changelist")).content.decode()
    root.post(page("acceptance", "delete", row.pk), {"post": "yes"})
    assert not Acceptance.objects.exists()


def test_a_licence_that_is_not_asked_for(root: Client) -> None:
    assert root.post(page("acceptance", "add"), {"licence": "MIT"}).status_code == 200
    assert not Acceptance.objects.exists()
