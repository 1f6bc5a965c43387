"""What recordings say of themselves: the same tags, wherever a container keeps them."""

from pathlib import Path

import pytest

from media.probing import Probe, probe
from media.sniffing import sniff_path
from media.tools import ffmpeg
from tests.makers import make_tone

TAGS = {
    "title": "Nachtmusik",
    "artist": "A. Composer",
    "album": "Évenings",
    "genre": "Classical",
    "track": "3/12",
    "date": "1961",
}


def probed(path: Path) -> Probe:
    return probe(path, sniff_path(path))


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "opus", "m4a", "wav", "aiff", "wv"])
def test_tags_of_every_container(tmp_path: Path, suffix: str) -> None:
    told = [f"-metadata:g {name}={value}".split(" ", 1) for name, value in TAGS.items()]
    extra = ["-write_id3v2", "1"] if suffix == "aiff" else []
    plain, tagged = make_tone(tmp_path / "a.wav", seconds=0.5), tmp_path / f"b.{suffix}"
    ffmpeg.run(["-i", plain, *(part for pair in told for part in pair), *extra, tagged], timeout=30)
    found = probed(tagged)
    kept = {name: value for name, value in found.tags.items() if name in TAGS}
    # RIFF has one number for a track, and no total.
    expected = TAGS | ({"track": kept.get("track", "")} if suffix == "wav" else {})
    assert kept == expected
    assert kept["track"].startswith("3")
    assert found.title == "Nachtmusik"


@pytest.mark.shared
def test_tags_of_the_shared_speech(shared_media: Path) -> None:
    found = probed(shared_media / "audio/jfk.mp3")
    told = {name: found.tags[name] for name in ("title", "artist", "date", "genre")}
    assert told == {
        "title": "Inaugural address",
        "artist": "John F. Kennedy",
        "date": "1961",
        "genre": "Speech",
    }
    assert found.title == "Inaugural address"
