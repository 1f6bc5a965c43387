"""The OpenAPI document: generated without a warning, and every answer keeps to it."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from media.models import File, Library, Moment, Tag


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


def test_it_is_generated_without_a_warning() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert "/api/libraries/{library_id}/files/{file_id}/derivatives" in out.getvalue()


def test_it_is_served_with_its_pages(client: Client, db: None) -> None:
    assert client.get("/api/schema/").status_code == 200
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert b"<script>" not in page.content
    assert b"http" not in page.content.replace(b"http://testserver", b"")


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/libraries", "/api/libraries"),
        ("/api/libraries/{library_id}", "/api/libraries/{library_id}"),
        ("/api/libraries/{library_id}/users", "/api/libraries/{library_id}/users"),
        ("/api/libraries/{library_id}/folders", "/api/libraries/{library_id}/folders"),
        ("/api/libraries/{library_id}/files", "/api/libraries/{library_id}/files"),
        ("/api/libraries/{library_id}/files/{file_id}", "/api/libraries/{library_id}/files/{file_id}"),
        (
            "/api/libraries/{library_id}/files/{file_id}/derivatives",
            "/api/libraries/{library_id}/files/{file_id}/derivatives",
        ),
        (
            "/api/libraries/{library_id}/files/{file_id}/derivatives/preview",
            "/api/libraries/{library_id}/files/{file_id}/derivatives/{deriver}",
        ),
        ("/api/libraries/{library_id}/tags", "/api/libraries/{library_id}/tags"),
        (
            "/api/libraries/{library_id}/files/{file_id}/moments",
            "/api/libraries/{library_id}/files/{file_id}/moments",
        ),
        ("/api/uploads", "/api/uploads"),
        ("/api/uploads/{upload_id}", "/api/uploads/{upload_id}"),
        ("/api/capabilities", "/api/capabilities"),
        ("/api/auth/me", "/api/auth/me"),
        ("/api/auth/tokens", "/api/auth/tokens"),
        ("/api/_auth/session", "/api/_auth/session"),
    ],
)
def test_answers_are_what_the_document_says(
    path: str, template: str, schema: dict[str, Any], as_alice: Client, library: Library, finished: File
) -> None:
    as_alice.post(f"/api/libraries/{library.pk}/folders", {"name": "A"}, "application/json")
    moment = Moment.objects.create(file=finished, name="Goal", start=1, end=2)
    moment.tags.add(Tag.objects.create(library=library, name="sport", color="#EF4444"))
    asked = {"name": "a.png", "size": 10}
    upload = as_alice.post(f"/api/libraries/{library.pk}/uploads", asked, "application/json").json()
    ids = {"library_id": library.pk, "file_id": finished.pk, "upload_id": upload["id"]}
    answer = as_alice.get(path.format(**ids))
    assert answer.status_code == 200, answer.content
    told = schema["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(strict(told, schema["components"]))
    assert list(validator.iter_errors(answer.json())) == []


def strict(told: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """The schema with references resolved to our own place, and no key allowed that it does not name."""
    schemas = {name: closed(one) for name, one in components["schemas"].items()}
    return {
        **translated(told),
        "components": {"schemas": {name: translated(one) for name, one in schemas.items()}},
    }


def closed(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "additionalProperties": False} if one.get("properties") else one


def translated(part: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(part, list):
        return [translated(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: translated(value) for name, value in part.items() if name != "nullable"}
    return {"anyOf": [found, {"type": "null"}]} if part.get("nullable") is True else found
