"""A PDF in a library: kept as a document, shown like a picture by its first page."""

from pathlib import Path

from django.test import Client

from media.models import Library
from tests.ingesting import derivative, run_queued, take_in
from tests.rare_makers import make_pdf


def shown(client: Client, library: Library) -> dict[str, object]:
    (row,) = client.get(f"/api/libraries/{library.pk}/files").json()["entries"]
    return dict(row)


def test_it_has_a_thumb_and_addresses_like_a_picture(
    library: Library, as_alice: Client, tmp_path: Path
) -> None:
    made = make_pdf(tmp_path / "a.pdf", size=(595, 842), title="Minutes")
    file = take_in(library, made, "minutes.pdf").file
    run_queued()
    row = shown(as_alice, library)
    assert (row["kind"], row["width"], row["height"]) == ("other", 2480, 3509)
    assert row["preview_status"] == "ready"
    assert row["metadata_status"] == "ready"
    assert row["thumbhash"]
    assert row["images"]
    thumb = as_alice.get(str(row["thumbUrl"]))
    assert (thumb.status_code, thumb["Content-Type"]) == (200, "image/webp")
    file.original.refresh_from_db()
    assert ((file.original.probe or {}).get("pages"), file.original.title) == (2, "Minutes")


def test_one_that_needs_a_password_says_so_and_stays(
    library: Library, as_alice: Client, tmp_path: Path
) -> None:
    lock = b"/Root 1 0 R /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]"
    plain = make_pdf(tmp_path / "a.pdf").read_bytes()
    file = take_in(library, plain.replace(b"/Root 1 0 R", lock % (b"11" * 32, b"22" * 32)), "a.pdf").file
    run_queued()
    preview = derivative(file.original_id, "preview")
    assert (preview.status, preview.error_code) == ("failed", "password_needed")
    assert "without one" in preview.error_message
    assert shown(as_alice, library)["preview_status"] == "failed"
