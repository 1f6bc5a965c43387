"""Where a picture was taken is for members of its library: not for operators, not for strangers."""

import logging
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from alcoves.accounts.models import User
from media.models import Derivative, File, Library, Original
from tests.conftest import client_of
from tests.ingesting import derivative, run_queued, take_in
from tests.makers import exif_of, make_image, make_video

ZURICH = {1: "N", 2: (47.0, 22.0, 36.84), 3: "E", 4: (8.0, 32.0, 30.12), 5: b"\0", 6: 408.5}
NUMBERS = ("47.37", "8.5417", "408.5", "+008.54", "Zurich")


@pytest.fixture(params=["photo", "film"])
def placed(request: pytest.FixtureRequest, library: Library, tmp_path: Path) -> File:
    """A file whose headers tell a place, read by the worker's own steps."""
    if request.param == "photo":
        tags = exif_of(main={0x010F: "TestCam"}, exif={0x9003: "2021:07:14 18:30:05"}, gps=ZURICH)
        source = make_image(tmp_path / "a.jpg", exif=tags)
    else:
        options = ["-metadata", "location=+47.3769+008.5417+408.5/"]
        source = make_video(tmp_path / "a.mp4", seconds=0.3, size=(64, 64), audio=False, options=options)
    file = take_in(library, source, source.name).file
    run_queued()
    return file


def pages_of(file: File) -> list[str]:
    """Every page of the console about the original, the file, and what was made of it."""
    rows: list[Any] = [file.original, file, *Derivative.objects.filter(original=file.original_id)]
    found = [reverse(f"admin:media_{type(row)._meta.model_name}_change", args=[row.pk]) for row in rows]
    found += [reverse(f"admin:media_{name}_history", args=[file.original_id]) for name in ("original",)]
    models = [model for model in admin.site._registry if model._meta.app_label == "media"]
    return found + [reverse(f"admin:media_{model._meta.model_name}_changelist") for model in models]


def told(content: bytes) -> list[str]:
    text = content.decode(errors="replace")
    return [number for number in NUMBERS if number in text]


def test_no_page_of_the_console_tells_the_place(placed: File, client: Client, alice: User) -> None:
    original = Original.objects.get(pk=placed.original_id)
    assert original.latitude == pytest.approx(47.3769, abs=1e-4)
    assert original.captured_zone in {"Europe/Zurich", ""}
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    for page in pages_of(placed):
        answer = client.get(page, follow=True)
        assert answer.status_code == 200, page
        assert told(answer.content) == [], page


def test_results_of_older_versions_tell_no_place_either(placed: File, client: Client) -> None:
    row = derivative(placed.original_id, "metadata")
    row.facts = placed.original.probe or Original.objects.get(pk=placed.original_id).probe
    assert "location" in row.facts
    row.save()
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    answer = client.get(reverse("admin:media_derivative_change", args=[row.pk]))
    assert answer.status_code == 200
    assert told(answer.content) == []


def test_members_are_told_and_strangers_learn_nothing(
    placed: File, bob: User, charlie: User, library: Library
) -> None:
    list_path = f"/api/libraries/{library.pk}/files"
    for address in (f"{list_path}/{placed.pk}", list_path):
        answer = client_of(bob).get(address).json()
        entry = answer["entries"][0] if "entries" in answer else answer
        assert entry["location"] == {
            "latitude": pytest.approx(47.3769, abs=1e-4),
            "longitude": pytest.approx(8.5417, abs=1e-4),
            "altitude": pytest.approx(408.5),
        }
        refused = client_of(charlie).get(address)
        assert refused.status_code == 404
        assert told(refused.content) == []


def test_the_log_tells_no_place(library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = make_image(tmp_path / "a.jpg", exif=exif_of(gps=ZURICH))
    with caplog.at_level(logging.DEBUG, logger="media"):
        take_in(library, source, "a.jpg")
        assert run_queued() > 0
    assert told(caplog.text.encode()) == []
