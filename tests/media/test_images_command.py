"""manage.py images: warm, evict, usage, clear."""

import io
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.utils import timezone

from media import dispatch, prewarm
from media.images.variants import VARIANTS_VERSION
from media.management.commands import images
from media.models import CachedImage, File, Library, Original
from tests.ingesting import run_queued, take_in
from tests.makers import make_image


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("images", *arguments, stdout=out)
    return " ".join(out.getvalue().split())


@pytest.fixture
def file(library: Library, tmp_path: Path) -> File:
    made = take_in(library, make_image(tmp_path / "lake.jpg", size=(1000, 500)), "lake.jpg").file
    run_queued()
    return made


def free(file: File, size: int = 5000) -> None:
    CachedImage.objects.create(
        original=file.original, key=f"derived/{size}", size=size, used_at=timezone.now()
    )


def test_warming_here(file: File) -> None:
    assert "1 picture is still to be warmed." in say("usage")
    assert "1 picture made warm. That took" in say("warm")
    assert Original.objects.get().warmed_version == VARIANTS_VERSION
    assert say("warm").startswith("Nothing is to be warmed")
    assert "0 pictures are still to be warmed." in say("usage")


def test_what_cannot_be_warmed_is_told(library: Library, tmp_path: Path) -> None:
    take_in(library, make_image(tmp_path / "a.png", size=(400, 300)).read_bytes()[:60], "broken.png")
    run_queued()
    out = StringIO()
    with pytest.raises(CommandError, match="could not be made"):
        call_command("images", "warm", stdout=out)
    assert "the reason is on the original in the console" in " ".join(out.getvalue().split())


def test_leaving_it_to_the_workers(file: File, settings: Any) -> None:
    assert say("warm", "--send") == "1 picture is sent to the workers."
    assert dispatch.queue_lengths()["maintenance"] == 1
    assert say("warm", "--send") == "0 pictures are sent to the workers."


def test_no_more_than_a_pass_waits_before_other_upkeep(
    file: File, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sweeps and evictions are on the same queue and run out: behind all pictures of a large import none would run."""
    for number in range(3):
        take_in(library, make_image(tmp_path / f"{number}.jpg", size=(60 + number, 50)), f"{number}.jpg")
    run_queued()
    lengths: list[int] = []

    class Workers:
        """Take all that waits whenever the command pauses."""

        def wait(self, seconds: float) -> None:
            lengths.append(dispatch.queue_lengths()["maintenance"])
            dispatch.redis_client().delete("maintenance")

    claim = prewarm.claim
    monkeypatch.setattr(images, "PAUSE", Workers())
    monkeypatch.setattr(prewarm, "A_PASS", 2)
    monkeypatch.setattr(prewarm, "claim", lambda: claim(2))
    told = say("warm", "--send")
    assert told.startswith("2 pictures are sent. ")
    assert told.endswith(" 4 pictures are sent to the workers.")
    assert lengths == [2, 2]


def test_a_broker_that_goes_away_between_two_passes_is_told(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> bool:
        raise redis.ConnectionError

    monkeypatch.setattr(prewarm, "has_room", away)
    with pytest.raises(CommandError, match="1 picture is sent; then the broker was away"):
        say("warm", "--send")


def test_a_broker_that_is_away_is_told(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prewarm, "send", lambda claims: 0)
    with pytest.raises(CommandError, match="Start Redis"):
        say("warm", "--send")


def test_evicting_and_usage(file: File, settings: Any) -> None:
    say("warm")
    free(file)
    assert "free sizes │ 1 │ 5.0 kB" in say("usage")
    assert say("evict").startswith("Nothing had to go.")
    settings.IMAGE_CACHE_MAX_BYTES = 1
    told = say("evict")
    assert told.startswith("1 picture of 5.0 kB left the cache.")
    assert "registry variants │ 5 │" in told
    assert "Raise ALCOVES_IMAGE_CACHE_MAX_BYTES or empty the trash." in told


def test_clearing_asks(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    say("warm")
    free(file)
    for answer in ("no\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        with pytest.raises(CommandError, match="Nothing was cleared"):
            say("clear")
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert "1 picture of 5.0 kB left the cache." in say("clear")
    assert CachedImage.objects.count() == 5
    assert say("clear", "--yes") == "Nothing had to go."
    assert "5 pictures" in say("clear", "--variants", "--yes")
    assert Original.objects.get().warmed_version == 0
