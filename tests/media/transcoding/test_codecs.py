from typing import Any

import pytest

from media.transcoding.codecs import of_picture, of_sound, type_of, vp9_level
from tests.media.transcoding.facts import film, recording, track


@pytest.mark.parametrize(
    ("profile", "level", "name"),
    [
        ("High", 40, "avc1.640028"),
        ("High", 52, "avc1.640034"),
        ("Main", 31, "avc1.4D401F"),
        ("Constrained Baseline", 30, "avc1.42E01E"),
        ("Baseline", 13, "avc1.42000D"),
        ("High 10", 41, "avc1.6E0029"),
        ("High 4:4:4 Predictive", 12, "avc1.F4000C"),
    ],
)
def test_h264(profile: str, level: int, name: str) -> None:
    assert of_picture(film(profile=profile, level=level)["video"]) == name


def test_h264_without_a_level_has_no_name() -> None:
    assert of_picture(film(level=None)["video"]) is None
    assert of_picture(film(profile="Stereo High")["video"]) is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"codec": "hevc", "profile": "Main", "level": 93}, "hvc1.1.6.L93.B0"),
        ({"codec": "hevc", "profile": "Main 10", "level": 153, "bit_depth": 10}, "hvc1.2.4.L153.B0"),
        ({"codec": "av1", "profile": "Main", "level": 8}, "av01.0.08M.08"),
        ({"codec": "av1", "profile": "Main", "level": 9, "bit_depth": 10}, "av01.0.09M.10"),
        ({"codec": "vp9", "profile": "Profile 0"}, "vp09.00.40.08"),
        ({"codec": "vp9", "profile": "Profile 2", "bit_depth": 10}, "vp09.02.40.10"),
        ({"codec": "vp8", "profile": None}, "vp8"),
        ({"codec": "mpeg4", "profile": None}, None),
    ],
)
def test_other_pictures(changes: dict[str, Any], name: str | None) -> None:
    assert of_picture(film(**changes)["video"]) == name


@pytest.mark.parametrize(
    ("width", "height", "rate", "level"),
    [(320, 180, 30, 11), (640, 360, 30, 21), (1280, 720, 30, 31), (1920, 1080, 60, 41), (3840, 2160, 60, 51)],
)
def test_levels_of_vp9(width: int, height: int, rate: float, level: int) -> None:
    assert vp9_level({"stored_width": width, "stored_height": height, "fps": rate}) == level


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "mp4a.40.2"),
        ({"profile": "HE-AAC"}, "mp4a.40.5"),
        ({"profile": "HE-AACv2"}, "mp4a.40.29"),
        ({"codec": "mp3"}, "mp4a.6B"),
        ({"codec": "opus"}, "opus"),
        ({"codec": "ac3"}, "ac-3"),
        ({"codec": "dts"}, None),
    ],
)
def test_sound(changes: dict[str, Any], name: str | None) -> None:
    assert of_sound(track(**changes)) == name


def test_whole_types() -> None:
    assert type_of("video/mp4", film()) == 'video/mp4; codecs="avc1.640028, mp4a.40.2"'
    assert type_of("video/quicktime", film()) == 'video/mp4; codecs="avc1.640028, mp4a.40.2"'
    assert type_of("video/mp4", recording()) == 'audio/mp4; codecs="mp4a.40.2"'
    assert type_of("audio/mpeg", recording(codec="mp3")) == "audio/mpeg"
    assert type_of("audio/wav", recording(codec="pcm_s16le")) == 'audio/wav; codecs="1"'
    assert type_of("audio/wav", recording(codec="adpcm_ms")) == "audio/wav"
    assert type_of("audio/ogg", recording(codec="opus")) == 'audio/ogg; codecs="opus"'


def test_two_tracks_of_one_codec_are_named_once() -> None:
    facts = film() | {"audio": [track(), track(index=2), track(index=3, codec="mp3")]}
    assert type_of("video/mp4", facts) == 'video/mp4; codecs="avc1.640028, mp4a.40.2, mp4a.6B"'


def test_a_codec_without_a_name_leaves_the_bare_type() -> None:
    assert type_of("video/x-msvideo", film(codec="mpeg4")) == "video/x-msvideo"
    assert type_of("video/mp4", film() | {"audio": [track(codec="dts")]}) == "video/mp4"
