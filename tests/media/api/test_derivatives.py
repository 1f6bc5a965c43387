from typing import Any
from uuid import UUID

from django.test import Client

from alcoves.accounts.models import User
from media import trash
from media.images import variants
from media.libraries import set_member
from media.models import Derivative, File, Library
from tests.ingesting import take_in
from tests.media.api.conftest import PNG, finish

JSON = "application/json"


def test_derivatives_with_their_outputs_and_no_secrets(
    library: Library, finished: File, as_bob: Client
) -> None:
    Derivative.objects.filter(deriver="preview").update(error_detail="/srv/secret/path")
    answer = as_bob.get(f"/api/libraries/{library.pk}/files/{finished.pk}/derivatives")
    found = {one["deriver"]: one for one in answer.json()}
    assert set(found) == {"metadata", "preview"}
    assert {output["name"] for output in found["preview"]["outputs"]} == {"preview.webp", "thumb.webp"}
    assert b"secret" not in answer.content
    assert b'"key"' not in answer.content
    assert as_bob.get(found["preview"]["outputs"][0]["url"]).status_code == 200


def test_hashing_is_a_step_of_the_house(library: Library, file: File, as_bob: Client) -> None:
    finish(file, "hash", {})
    base = f"/api/libraries/{library.pk}/files/{file.pk}/derivatives"
    assert "hash" not in [one["deriver"] for one in as_bob.get(base).json()]
    assert as_bob.get(f"{base}/hash").status_code == 404
    assert as_bob.get(f"{base}/poster").status_code == 404


def test_reprocess_keeps_the_old_picture(library: Library, finished: File, as_alice: Client) -> None:
    base = f"/api/libraries/{library.pk}/files/{finished.pk}"
    answer = as_alice.post(f"{base}/reprocess", {"deriver": "preview"}, JSON)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["preview_status"], told["preview_version"], told["previewed_version"]) == ("queued", 2, 1)
    assert as_alice.get(told["previewUrl"]).status_code == 200


def test_reprocess_refuses_with_a_sentence(library: Library, file: File, as_alice: Client) -> None:
    base = f"/api/libraries/{library.pk}/files/{file.pk}/reprocess"
    for body, status, code in (
        ({"deriver": "nothing"}, 400, "deriver_unknown"),
        ({"deriver": "hash"}, 400, "deriver_unknown"),
        ({"deriver": "poster"}, 409, "not_accepted"),
        ({}, 400, "invalid"),
    ):
        answer = as_alice.post(base, body, JSON)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    File.objects.filter(pk=file.pk).update(trashed_at="2025-01-01T00:00Z")
    assert as_alice.post(base, {"deriver": "preview"}, JSON).json()["code"] == "in_trash"


def test_cancel(library: Library, file: File, as_alice: Client) -> None:
    path = f"/api/libraries/{library.pk}/files/{file.pk}/derivatives/preview/cancel"
    answer = as_alice.post(path)
    assert answer.status_code == 202
    assert answer.json()["preview_status"] == "failed"
    assert "Cancelled" in answer.json()["preview_error"]
    again = as_alice.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "not_running")


def test_reprocess_many(
    library: Library, finished: File, as_alice: Client, bob: User, as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/libraries/{library.pk}/reprocess"
    assert as_charlie.post(path, {"deriver": "preview"}, JSON).status_code == 404
    assert as_bob.post(path, {"deriver": "preview"}, JSON).status_code == 403
    set_member(library, bob, "admin")
    failed = as_bob.post(path, {"deriver": "preview", "status": "failed"}, JSON)
    assert failed.json() == {"count": 0}
    answer = as_bob.post(path, {"deriver": "preview", "status": "ready"}, JSON)
    assert (answer.status_code, answer.json()) == (202, {"count": 1})
    for body in ({"deriver": "poster"}, {}):
        assert as_bob.post(path, body, JSON).status_code == 403
        assert as_alice.post(path, body, JSON).status_code == 202
    for bad in ({"status": "x"}, {"olderThan": 0}, {"deriver": "hash"}, {"deriver": "nothing"}):
        assert as_alice.post(path, bad, JSON).status_code == 400


def test_older_than_counts_versions_of_the_deriver(
    library: Library, finished: File, as_alice: Client
) -> None:
    Derivative.objects.filter(deriver="preview").update(made_by={"deriver": "preview", "version": 3})
    path = f"/api/libraries/{library.pk}/reprocess"
    assert as_alice.post(path, {"deriver": "preview", "olderThan": 3}, JSON).json()["count"] == 0
    assert as_alice.post(path, {"deriver": "preview", "olderThan": 4}, JSON).json()["count"] == 1


def test_what_is_missing_is_planned(
    library: Library, finished: File, as_alice: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(3):
        take_in(library, PNG + bytes([number]), f"{number}.png")
    path = f"/api/libraries/{library.pk}/reprocess"
    rows = Derivative.objects.filter(deriver="metadata")
    rows.filter(original__in=[finished.original_id]).delete()
    with django_assert_max_num_queries(16):
        answer = as_alice.post(path, {"deriver": "metadata", "missing": True}, JSON)
    assert (answer.status_code, answer.json()["count"]) == (202, 1)
    assert rows.count() == 4
    rows.all().delete()
    with django_assert_max_num_queries(16):
        assert as_alice.post(path, {"deriver": "metadata", "missing": True}, JSON).json()["count"] == 4
    assert as_alice.post(path, {"deriver": "metadata", "missing": True}, JSON).json()["count"] == 0
    for bad in ({"status": "failed"}, {"olderThan": 2}, {"fileIds": [str(finished.pk)]}, {"missing": "x"}):
        body = {"deriver": "metadata", "missing": True, **bad}
        assert as_alice.post(path, body, JSON).status_code == 400, bad


def test_one_deriver_of_many_files_and_why_some_are_passed_over(
    library: Library, finished: File, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    trashed = take_in(library, PNG + b"trash", "trash.png").file
    trash.trash(library, [trashed.pk])
    gone = UUID(int=7)
    path = f"/api/libraries/{library.pk}/reprocess"
    body = {
        "deriver": "preview",
        "fileIds": [str(key) for key in (finished.pk, trashed.pk, gone, finished.pk)],
    }
    assert as_charlie.post(path, body, JSON).status_code == 404
    assert as_bob.post(path, body, JSON).status_code == 403
    answer = as_alice.post(path, body, JSON)
    assert answer.status_code == 202
    assert answer.json()["count"] == 1
    assert [(one["fileId"], one["reason"]) for one in answer.json()["skipped"]] == [
        (str(trashed.pk), "in_trash"),
        (str(gone), "not_found"),
    ]
    assert Derivative.objects.get(original=finished.original_id, deriver="preview").status == "queued"
    faces = as_alice.post(path, {**body, "deriver": "faces"}, JSON).json()
    assert (faces["count"], faces["skipped"][0]["reason"]) == (0, "not_accepted")
    refused: tuple[dict[str, Any], ...] = (
        {"deriver": ""},
        {"fileIds": []},
        {"fileIds": ["x"]},
        {"status": "failed"},
        {"fileIds": [str(gone)] * 201},
    )
    for bad in refused:
        assert as_alice.post(path, {**body, **bad}, JSON).status_code == 400, bad


def test_capabilities(as_charlie: Client, db: None) -> None:
    found = as_charlie.get("/api/capabilities").json()
    assert found["ffmpeg"]["available"] is True
    assert found["ffmpeg"]["encoder"] in {"libx264", "h264_nvenc", "h264_qsv", "h264_vaapi"}
    tried = {one["name"]: one["works"] for one in found["ffmpeg"]["hardwareEncoders"]}
    assert set(tried) <= {"h264_nvenc", "h264_qsv", "h264_vaapi"}
    assert any(tried.values()) == (found["ffmpeg"]["encoder"] != "libx264")
    assert "preview" in found["derivers"]
    assert "hash" not in found["derivers"]


def test_capabilities_tell_which_formats_work_here(as_charlie: Client, client: Client, db: None) -> None:
    rows = {row["type"]: row for row in as_charlie.get("/api/capabilities").json()["formats"]}
    assert rows["image/jpeg"] == {
        "type": "image/jpeg",
        "label": "JPEG",
        "extensions": ["jpg", "jpeg", "jpe", "jfif"],
        "works": True,
        "decoder": "libvips",
        "reason": None,
    }
    assert rows["image/heic"]["works"]
    assert "kept and never drawn" in rows["image/svg+xml"]["reason"]
    client.logout()
    assert client.get("/api/capabilities").status_code == 401


def test_capabilities_tell_the_registry_of_variants(as_charlie: Client, db: None) -> None:
    assert as_charlie.get("/api/capabilities").json()["imageVariants"] == variants.as_json()
