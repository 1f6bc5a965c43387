from typing import Any

import pytest

from media.transcoding.browsers import judged, playable
from media.transcoding.ceilings import Ceilings
from tests.media.transcoding.facts import film, recording, track

MP4 = "video/mp4"


@pytest.mark.parametrize("profile", ["Constrained Baseline", "Baseline", "Main", "High"])
@pytest.mark.parametrize("mime", [MP4, "video/quicktime"])
def test_eight_bit_h264_with_aac_is_played_everywhere(profile: str, mime: str) -> None:
    assert playable(film(profile=profile), mime) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"codec": "hevc", "profile": "Main"}, "video_codec"),
        ({"codec": "mpeg4", "profile": "Advanced Simple Profile"}, "video_codec"),
        ({"codec": "prores"}, "video_codec"),
        ({"codec": "vp9", "profile": "Profile 0"}, "video_codec"),
        ({"profile": "High 10", "pix_fmt": "yuv420p10le", "bit_depth": 10}, "profile"),
        ({"profile": "High 4:4:4 Predictive", "pix_fmt": "yuv444p"}, "profile"),
        ({"profile": "High 4:2:2"}, "profile"),
        ({"profile": None}, "profile"),
        ({"pix_fmt": "yuv422p"}, "pixel_format"),
        ({"pix_fmt": "gray"}, "pixel_format"),
        ({"hdr": "hlg"}, "hdr"),
        ({"interlaced": True}, "interlaced"),
        ({"mirrored": True}, "mirrored"),
        ({"stored_width": 3840, "stored_height": 2160}, "size"),
        ({"stored_width": 1440, "stored_height": 2560}, "size"),
        ({"stored_width": 5000, "stored_height": 1000}, "size"),
        ({"codec": "av1", "profile": "Main", "pix_fmt": "yuv420p10le", "bit_depth": 10}, "pixel_format"),
    ],
)
def test_what_stands_against_a_picture_in_mp4(changes: dict[str, Any], reason: str) -> None:
    assert playable(film(**changes), MP4) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"pix_fmt": "yuvj420p"},
        {"stored_width": 1080, "stored_height": 1920},
        {"rotation": 90},
        {"vfr": True, "fps": 12.0},
        {"codec": "av1", "profile": "Main"},
    ],
)
def test_what_browsers_take_as_it_is(changes: dict[str, Any]) -> None:
    assert playable(film(**changes), MP4) is None


def test_turned_films_are_measured_as_they_are_shown() -> None:
    facts = film(stored_width=1080, stored_height=1920) | {"width": 1920, "height": 1080}
    assert playable(facts, MP4) is None


@pytest.mark.parametrize(
    ("codec", "profile", "sound"),
    [("vp8", None, "vorbis"), ("vp9", "Profile 0", "opus"), ("av1", "Main", "opus")],
)
def test_webm(codec: str, profile: str | None, sound: str) -> None:
    facts = film(codec=codec, profile=profile) | {"audio": [track(codec=sound, profile=None)]}
    assert playable(facts, "video/webm") is None
    assert playable(facts, "video/x-matroska") is not None
    assert playable({**facts, "audio": [track()]}, "video/webm") == "audio_codec"
    assert playable({**facts, "audio": []}, "video/webm") is None


@pytest.mark.parametrize(
    "mime",
    [
        "video/x-matroska",
        "video/x-msvideo",
        "video/x-flv",
        "video/mp2t",
        "video/3gpp",
        "video/x-ms-asf",
        "video/ogg",
    ],
)
def test_of_other_containers_only_the_container_is_wrong(mime: str) -> None:
    verdict = judged(film(), mime)
    assert (verdict.container, verdict.picture, verdict.sound) == ("container", None, None)
    assert verdict.reason == "container"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"codec": "mp3", "profile": None}, None),
        ({"channels": 6}, None),
        ({"profile": "HE-AAC"}, None),
        ({"profile": "Main"}, "audio_profile"),
        ({"codec": "pcm_s16le"}, "audio_codec"),
        ({"codec": "ac3"}, "audio_codec"),
        ({"codec": "eac3"}, "audio_codec"),
        ({"codec": "alac"}, "audio_codec"),
        ({"codec": "opus"}, "audio_codec"),
        ({"codec": "unknown", "channels": 0}, "audio_codec"),
    ],
)
def test_sound_of_a_film_in_mp4(changes: dict[str, Any], reason: str | None) -> None:
    facts = film() | {"audio": [track(**changes)]}
    verdict = judged(facts, MP4)
    assert (verdict.picture, verdict.sound) == (None, reason)


def test_every_track_counts_because_every_track_is_kept() -> None:
    facts = film() | {"audio": [track(), track(index=2, codec="ac3")]}
    assert playable(facts, MP4) == "audio_codec"
    assert playable(film() | {"audio": []}, MP4) is None


def test_the_picture_is_the_reason_that_is_told_first() -> None:
    facts = film(codec="hevc") | {"audio": [track(codec="ac3")]}
    verdict = judged(facts, "video/x-matroska")
    assert (verdict.container, verdict.picture, verdict.sound) == ("container", "video_codec", "audio_codec")
    assert verdict.reason == "video_codec"


def test_more_bits_than_the_operator_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = film() | {"bit_rate": 50_000_000}
    assert playable(facts, MP4) == "bit_rate"
    assert playable(facts, MP4, Ceilings(60_000_000, 40)) is None
    monkeypatch.setenv("ALCOVES_PROXY_MAX_BITRATE", "4000000")
    assert playable(film(), MP4) == "bit_rate"


@pytest.mark.parametrize(
    ("mime", "codec", "reason"),
    [
        ("audio/mpeg", "mp3", None),
        ("audio/mp4", "aac", None),
        ("audio/mp4", "alac", "audio_codec"),
        ("audio/aac", "aac", None),
        ("audio/ogg", "vorbis", None),
        ("audio/ogg", "opus", None),
        ("audio/ogg", "flac", "audio_codec"),
        ("audio/ogg", "speex", "audio_codec"),
        ("audio/flac", "flac", None),
        ("audio/wav", "pcm_s16le", None),
        ("audio/wav", "pcm_s24le", None),
        ("audio/wav", "pcm_mulaw", None),
        ("audio/wav", "adpcm_ms", "audio_codec"),
        ("audio/aiff", "pcm_s16be", "audio_codec"),
        ("audio/amr", "amr_nb", "audio_codec"),
        ("audio/x-wavpack", "wavpack", "audio_codec"),
        ("audio/x-caf", "aac", "container"),
        ("video/x-ms-asf", "wmav2", "audio_codec"),
        ("video/mp4", "aac", None),
        ("video/mp4", "ac3", "audio_codec"),
        ("video/webm", "opus", None),
    ],
)
def test_recordings(mime: str, codec: str, reason: str | None) -> None:
    facts = recording(codec=codec, profile="LC" if codec == "aac" else None)
    assert playable(facts, mime) == reason


def test_recordings_of_more_than_two_channels_are_mixed_down() -> None:
    assert playable(recording(codec="flac", profile=None, channels=6), "audio/flac") == "channels"
    assert playable(recording(codec="flac", profile=None, sample_rate=192_000), "audio/flac") == "sample_rate"


def test_a_wave_file_that_was_never_finished_is_opened_by_no_browser() -> None:
    facts = recording(codec="pcm_s16le", profile=None)
    assert playable({**facts, "container": "wav"}, "audio/wav") is None
    assert judged({**facts, "container": "s16le"}, "audio/wav").container == "container"
