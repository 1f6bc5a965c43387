import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from media.models import Derivative, File, Library
from media.peaks import HEADER, WINDOW, Peaks
from tests.ingesting import run_queued, take_in
from tests.makers import make_tone, make_video
from tests.media.api.conftest import finish
from tests.media.api.test_bytes import body

BYTES = {"accept": "application/octet-stream"}


@pytest.fixture
def sound(library: Library, tmp_path: Path) -> File:
    return take_in(library, make_tone(tmp_path / "a.wav", seconds=0.2), "talk.wav").file


@pytest.fixture
def drawn(sound: File, tmp_path: Path) -> File:
    """With a waveform of three levels: 9,000, 2,250 and 563 peaks."""
    folder = tmp_path / "levels"
    folder.mkdir()
    peaks = Peaks(folder)
    peaks.feed(np.full(WINDOW * 9_000, 0.5, dtype=np.float32))
    levels = peaks.end()
    outputs = {
        path.name: (path.read_bytes(), content_type)
        for level in levels
        for path, content_type in (
            (level.json, "application/json"),
            (level.binary, "application/octet-stream"),
        )
    }
    told = [
        {"level": one.level, "samples_per_peak": one.samples_per_peak, "peaks": one.peaks} for one in levels
    ]
    finish(sound, "waveform", outputs, {"peaks": 9_000, "peaks_per_second": 50, "levels": told})
    return sound


def address(file: File) -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}/waveform"


def count(answer: Any) -> int:
    return len(json.loads(body(answer))["peaks"])


def test_json_is_what_comes_unasked(drawn: File, as_bob: Client) -> None:
    answer = as_bob.get(address(drawn))
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    told = json.loads(body(answer))
    assert (told["peaksPerSecond"], told["sampleRate"], told["duration"]) == (50, 16_000, 180.0)
    assert told["peaks"] == [0.5] * 9_000
    assert answer["Vary"].split(", ")[0] == "Accept"


def test_the_compact_form(drawn: File, as_bob: Client) -> None:
    answer = as_bob.get(address(drawn) + "?level=1", headers=BYTES)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/octet-stream")
    content = body(answer)
    assert HEADER.unpack_from(content) == (b"ALWF", 1, 24, 16_000, 1_280, 2_250, 180_000)
    assert content[24:] == bytes([64]) * 2_250
    assert answer["Vary"].split(", ")[0] == "Accept"


@pytest.mark.parametrize(
    ("query", "peaks"),
    [
        ("level=0", 9_000),
        ("level=2", 563),
        ("points=1", 563),
        ("points=563", 563),
        ("points=564", 2_250),
        ("points=2251", 9_000),
        ("points=100000", 9_000),
    ],
)
def test_the_level_that_is_asked_for_or_fits(drawn: File, as_bob: Client, query: str, peaks: int) -> None:
    assert count(as_bob.get(f"{address(drawn)}?{query}")) == peaks


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json;q=0.1, application/octet-stream", "application/octet-stream"),
        ("text/html, application/octet-stream;q=0.2, */*;q=0.1", "application/octet-stream"),
    ],
)
def test_what_is_accepted_most_is_sent(drawn: File, as_bob: Client, accept: str, content_type: str) -> None:
    assert as_bob.get(address(drawn), headers={"accept": accept})["Content-Type"] == content_type


def test_conditions_and_ranges(drawn: File, as_bob: Client) -> None:
    whole = as_bob.get(address(drawn), headers=BYTES)
    same = {**BYTES, "if-none-match": whole["ETag"]}
    assert as_bob.get(address(drawn), headers=same).status_code == 304
    other = {"accept": "application/json", "if-none-match": whole["ETag"]}
    assert as_bob.get(address(drawn), headers=other).status_code == 200
    part = as_bob.get(address(drawn), headers={**BYTES, "range": "bytes=0-23"})
    assert (part.status_code, body(part)) == (206, body(whole)[:24])


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("level=3", "no_such_level"),
        ("level=-1", "invalid"),
        ("level=x", "invalid"),
        ("points=0", "invalid"),
        ("points=1e3", "invalid"),
        ("level=1&points=10", "invalid"),
    ],
)
def test_bad_questions_are_refused_with_a_sentence(
    drawn: File, as_bob: Client, query: str, code: str
) -> None:
    answer = as_bob.get(f"{address(drawn)}?{query}", headers=BYTES)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["message"]


def test_what_cannot_be_accepted_is_said(drawn: File, as_bob: Client) -> None:
    answer = as_bob.get(address(drawn), headers={"accept": "text/html"})
    assert answer.status_code == 406
    assert "application/octet-stream" in answer.json()["message"]


def test_before_it_is_made_and_for_what_has_no_sound(sound: File, file: File, as_bob: Client) -> None:
    row = finish(sound, "waveform", {})
    Derivative.objects.filter(pk=row.pk).update(status="queued")
    early = as_bob.get(address(sound))
    assert early.status_code == 404
    assert "waveform_status" in early.json()["message"]
    assert as_bob.get(address(file)).status_code == 404


def test_a_waveform_of_an_older_version_has_no_compact_form(sound: File, as_bob: Client) -> None:
    content = b'{"peaks": [0.5], "peaksPerSecond": 50, "sampleRate": 16000, "duration": 0.02}'
    finish(sound, "waveform", {"waveform.json": (content, "application/json")}, {"peaks": 1})
    assert count(as_bob.get(address(sound) + "?points=500")) == 1
    answer = as_bob.get(address(sound), headers=BYTES)
    assert answer.status_code == 404
    assert "anew" in answer.json()["message"]


def test_strangers_find_nothing(drawn: File, as_charlie: Client, client: Client) -> None:
    assert as_charlie.get(address(drawn)).status_code == 404
    assert as_charlie.post(address(drawn)).status_code == 404
    assert client.get(address(drawn)).status_code == 401


def test_members_who_may_write_have_it_made_anew(drawn: File, as_alice: Client, as_bob: Client) -> None:
    assert as_bob.post(address(drawn)).status_code == 403
    answer = as_alice.post(address(drawn))
    assert answer.status_code == 202
    told = answer.json()
    assert (told["waveform_status"], told["waveform_version"], told["waveformed_version"]) == ("queued", 2, 1)
    assert count(as_bob.get(address(drawn))) == 9_000
    File.objects.filter(pk=drawn.pk).update(trashed_at="2025-01-01T00:00Z")
    refused = as_alice.post(address(drawn))
    assert (refused.status_code, refused.json()["code"]) == (409, "in_trash")


def test_a_picture_has_none(file: File, as_alice: Client) -> None:
    answer = as_alice.post(address(file))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_accepted")


def test_a_file_tells_its_levels_loudness_and_sprites(drawn: File, as_bob: Client) -> None:
    path = address(drawn).removesuffix("/waveform")
    before = as_bob.get(path).json()
    assert [level["peaks"] for level in before["waveform_levels"]] == [9_000, 2_250, 563]
    assert before["waveform_levels"][2] == {"level": 2, "samplesPerPeak": 5_120, "peaks": 563}
    assert (before["loudness"], before["spritesUrl"]) == (None, None)
    heard = {"integrated": -14.2, "range": 4.0, "true_peak": -1.0, "threshold": -24.5}
    finish(drawn, "loudness", {}, heard)
    finish(drawn, "sprites", {"sprites.vtt": (b"WEBVTT\n", "text/vtt")})
    after = as_bob.get(path).json()
    assert after["loudness"] == {"integrated": -14.2, "range": 4.0, "truePeak": -1.0, "threshold": -24.5}
    assert "/derivatives/sprites/sprites.vtt?v=" in after["spritesUrl"]
    assert as_bob.get(after["spritesUrl"])["Content-Type"] == "text/vtt"


def test_from_the_upload_to_the_pictures_on_the_timeline(
    library: Library, tmp_path: Path, as_bob: Client, settings: Any
) -> None:
    """The map leads to its sheets, relative to its own address, and they may be kept for ever."""
    settings.DERIVERS = {
        name: f"media.derivers.{name}.{name.title()}Deriver"
        for name in ("metadata", "sprites", "waveform", "loudness")
    }
    film = make_video(tmp_path / "a.mp4", seconds=2, options=["-g", "5"])
    file = take_in(library, film, "a.mp4").file
    run_queued()
    told = as_bob.get(address(file).removesuffix("/waveform")).json()
    assert [told[f"{job}_status"] for job in ("sprites", "waveform", "loudness")] == ["ready"] * 3
    assert told["loudness"]["integrated"] == pytest.approx(-21, abs=1)
    cues = body(as_bob.get(told["spritesUrl"])).decode().split("\n\n")[1:]
    assert len(cues) == 10
    sheet = cues[0].splitlines()[1].partition("#")[0]
    answer = as_bob.get(told["spritesUrl"].rpartition("/")[0] + "/" + sheet)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert "immutable" in answer["Cache-Control"]
    assert body(answer).startswith(b"\xff\xd8\xff")
