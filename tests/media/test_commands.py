"""manage.py reprocess and demo."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alcoves.accounts.models import User
from media.management import progress, scenes
from media.models import Derivative, File, Library
from tests.ingesting import take_in
from tests.media.api.conftest import PNG, finish
from tests.workers import running_worker


def say(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


@pytest.fixture
def file(library: Library) -> File:
    file = take_in(library, PNG, "a.png").file
    finish(file, "preview", {})
    return file


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--deriver", "preview"], 1),
        (["--deriver", "poster"], 0),
        (["--status", "ready"], 1),
        (["--status", "failed"], 0),
        (["--deriver", "preview", "--older-than", "5"], 1),
        (["--deriver", "preview", "--older-than", "1"], 0),
        (["--library", "Family"], 2),
        (["--error-code", "damaged_file"], 0),
        (["--all"], 2),
    ],
)
def test_reprocess_counts(arguments: list[str], count: int, file: File) -> None:
    Derivative.objects.filter(deriver="preview").update(made_by={"version": 1})
    assert say("reprocess", *arguments) == f"{count} are queued again."
    assert Derivative.objects.filter(requested_version=2).count() == count


def test_reprocess_one_file_and_what_is_missing(file: File, library: Library) -> None:
    assert say("reprocess", "--file", str(file.pk)) == "2 are queued again."
    Derivative.objects.all().delete()
    assert say("reprocess", "--missing", "--library", str(library.pk)) == "2 that were missing are planned."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say which"),
        (["--deriver", "nothing"], "no deriver named nothing. Known are: "),
        (["--library", "Nowhere"], "no library named Nowhere"),
        (["--file", "x"], "no file with the id x"),
    ],
)
def test_reprocess_refuses_in_a_sentence(arguments: list[str], sentence: str, file: File) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("reprocess", *arguments)


def test_a_name_that_two_libraries_have(library: Library) -> None:
    Library.objects.create(name="Family")
    with pytest.raises(CommandError, match="Give the id instead"):
        call_command("reprocess", "--library", "Family")


def test_the_demo_needs_an_administrator(db: None) -> None:
    with pytest.raises(CommandError, match="ensure_admin"):
        call_command("demo")


@pytest.mark.django_db(transaction=True)
def test_the_demo_is_made_once_and_everything_in_it_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    User.objects.create_superuser("root@example.org")
    small = {
        "Dusk.jpg": scenes.picture(
            scenes.Scene(**{**facts(scenes.DUSK), "size": (300, 200)}), "2024:08:17 20:41:09"
        ),
        "Pan.mp4": scenes.film(
            scenes.Scene(**{**facts(scenes.NIGHT), "size": (320, 200)}), (160, 90), 1, sound="0.5*sin(440*t)"
        ),
        "Silent.mov": scenes.film(scenes.Scene(**{**facts(scenes.NIGHT), "size": (320, 200)}), (90, 160), 1),
        "Sketch.flac": scenes.sound(scenes.plucked(220, 330), 1),
    }
    monkeypatch.setattr("media.management.commands.demo.PIECES", small)
    with running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="1"):
        said = say("demo")
    assert said.startswith(
        "4 files made in the library Demo.\nWaiting until everything is made of them, 180 s at most."
    )
    assert re.search(r"preview +│ 1 +│ 0 +│ 0 +│ 0 +│ \d+\.\d", said), said
    assert re.search(r"metadata +│ 4 +│ 0 +│ 0 +│ 0 ", said), said
    assert "Everything that was planned is done after" in said
    assert say("demo") == "The demo is there already."
    assert set(Derivative.objects.values_list("original__files__name", flat=True)) == set(small)
    ended = set(Derivative.objects.exclude(status="ready").values_list("deriver", "status"))
    assert ended == {("loudness", "not_needed"), ("proxy", "not_needed"), ("subtitles", "not_needed")}
    assert sorted(File.objects.values_list("original__kind", flat=True)) == [
        "audio",
        "image",
        "video",
        "video",
    ]


def test_the_demo_without_a_worker_says_to_start_one(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_superuser("root@example.org")
    monkeypatch.setattr(
        "media.management.commands.demo.PIECES", {"Sketch.flac": scenes.sound(scenes.plucked(220, 330), 1)}
    )
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0)
    said = say("demo")
    assert re.search(r"metadata +│ 0 +│ 0 +│ 0 +│ 1 ", said), said
    assert "Start one with script/up" in said


def facts(scene: scenes.Scene) -> dict[str, Any]:
    return {name: getattr(scene, name) for name in scene.__slots__}


def test_a_scene_is_the_same_every_time(tmp_path: Path) -> None:
    small = scenes.Scene(**{**facts(scenes.AURORA), "size": (120, 120)})
    assert scenes.draw(small).tobytes() == scenes.draw(small).tobytes()
