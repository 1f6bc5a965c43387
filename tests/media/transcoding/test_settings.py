"""What is asked of ffmpeg, as lists: sizes, levels, key frames, colours, tracks."""

from typing import Any

import pytest

from media.errors import TooLargeError
from media.tools.encoders import Encoder
from media.transcoding import picture, recipe, sound, x264
from media.transcoding.ceilings import Ceilings
from tests.media.transcoding.facts import film, track

CEILINGS = Ceilings(20_000_000, 40)


@pytest.mark.parametrize(
    ("source", "proxy"),
    [
        ((1920, 1080), (1920, 1080)),
        ((1080, 1920), (1080, 1920)),
        ((3840, 2160), (1920, 1080)),
        ((2160, 3840), (1080, 1920)),
        ((1440, 1080), (1440, 1080)),
        ((2560, 1080), (2560, 1080)),
        ((2561, 1441), (1918, 1080)),
        ((321, 241), (320, 240)),
        ((320, 238), (320, 238)),
        ((8000, 1000), (4096, 512)),
        ((1, 1), (2, 2)),
        ((3, 5000), (2, 4096)),
    ],
)
def test_never_up_even_and_1080_on_the_short_side(source: tuple[int, int], proxy: tuple[int, int]) -> None:
    assert picture.proxy_size(*source) == proxy


@pytest.mark.parametrize(
    ("size", "rate", "level"),
    [
        ((320, 180), 25, "4.1"),
        ((1280, 720), 60, "4.1"),
        ((1920, 1080), 30, "4.1"),
        ((1920, 1080), 50, "4.2"),
        ((1080, 1920), 60, "4.2"),
        ((2560, 1080), 30, "5.0"),
        ((2560, 1080), 60, "5.1"),
        ((4096, 1080), 60, "5.2"),
    ],
)
def test_a_level_that_does_not_lie(size: tuple[int, int], rate: float, level: str) -> None:
    assert x264.level_for(*size, rate) == level


def pairs(words: tuple[str, ...]) -> dict[str, str]:
    return {words[at]: words[at + 1] for at in range(len(words) - 1) if words[at].startswith("-")}


def test_the_settings_of_the_reference() -> None:
    told = pairs(x264.arguments(film(), CEILINGS))
    assert (told["-c:v"], told["-crf"], told["-preset"]) == ("libx264", "23", "medium")
    assert (told["-profile:v"], told["-level:v"]) == ("high", "4.1")
    assert told["-maxrate"] == "20000000"
    spoken = pairs(recipe.of_film(film(), CEILINGS, zscale=True).sound)
    assert (spoken["-c:a"], spoken["-b:a"], spoken["-ac"]) == ("aac", "128k", "2")
    assert recipe.of_film(film(), CEILINGS, zscale=True).filters.endswith(",format=yuv420p")
    assert "+faststart" in recipe.of_film(film(), CEILINGS, zscale=True).container


def test_hardware_gets_its_own_quality_and_no_level() -> None:
    card = Encoder(
        "vaapi", "h264_vaapi", ("-init_hw_device", "vaapi=va:x"), "format=nv12,hwupload", ("-qp", "23")
    )
    plan = recipe.of_film(film(), CEILINGS, zscale=True, encoder=card)
    assert plan.first == ("-init_hw_device", "vaapi=va:x")
    assert plan.filters.endswith(f"{picture.TAGGED},format=nv12,hwupload")
    told = pairs(plan.encoder)
    assert (told["-c:v"], told["-qp"], told["-profile:v"]) == ("h264_vaapi", "23", "high")
    assert "-level:v" not in told
    assert "-crf" not in told
    assert "-forced-idr" in x264.arguments(film(), CEILINGS, Encoder("nvenc", "h264_nvenc"))


@pytest.mark.parametrize(("rate", "kept"), [(25.0, False), (60.0, False), (59.94, False), (120.0, True)])
def test_only_more_than_60_frames_a_second_are_thinned(rate: float, kept: bool) -> None:
    facts = film(fps=rate, fps_nominal=rate)
    assert picture.film(facts, zscale=True).startswith("select=") is kept
    assert x264.fastest_rate(facts["video"]) == min(rate, 60)


def test_a_variable_rate_gets_the_level_of_its_fastest_part() -> None:
    facts = film(fps=24.0, fps_nominal=60.0, vfr=True)
    assert pairs(x264.arguments(facts, CEILINGS))["-level:v"] == "4.2"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"color_space": "bt709"}, "in_color_matrix=bt709:in_range=tv"),
        ({"color_space": "smpte170m"}, "in_color_matrix=bt601:in_range=tv"),
        ({"color_space": "bt470bg", "color_range": "pc"}, "in_color_matrix=bt601:in_range=pc"),
        ({"stored_width": 640, "stored_height": 480}, "in_color_matrix=bt601"),
        ({}, "in_color_matrix=bt709"),
        (
            {"color_primaries": "bt2020", "color_space": "bt2020nc"},
            "pin=2020:tin=709:min=2020_ncl:rin=limited",
        ),
        ({"color_primaries": "smpte432", "color_range": "pc"}, "pin=smpte432:tin=709:min=709:rin=full"),
        ({"hdr": "pq"}, "tin=smpte2084:pin=bt2020:min=bt2020nc"),
        ({"hdr": "hlg"}, "tin=arib-std-b67:pin=bt2020:min=bt2020nc"),
    ],
)
def test_colours_come_from_what_the_film_says(changes: dict[str, Any], wanted: str) -> None:
    chain = picture.film(film(**changes), zscale=True)
    assert wanted in chain
    assert chain.endswith("setsar=1," + picture.TAGGED)


def test_a_build_without_zscale_uses_the_scaler() -> None:
    assert "zscale" not in picture.film(film(hdr="pq"), zscale=False)
    assert "in_transfer=smpte2084" in picture.film(film(hdr="pq"), zscale=False)
    assert "zscale" not in picture.film(film(color_primaries="bt2020", color_space="bt2020nc"), zscale=False)


def test_odd_sizes_get_whole_colour_before_zscale() -> None:
    assert "format=yuv444p10le,zscale" in picture.film(
        film(hdr="pq", stored_width=321, stored_height=241), zscale=True
    )


@pytest.mark.parametrize(
    ("changes", "asked"),
    [({}, False), ({"interlaced": True}, True), ({"codec": "mpeg2video"}, True), ({"codec": "hevc"}, False)],
)
def test_interlaced_films_are_deinterlaced(changes: dict[str, Any], asked: bool) -> None:
    assert picture.film(film(**changes), zscale=True).startswith("bwdif") is asked


def test_the_default_track_comes_first_and_eight_are_kept() -> None:
    tracks = [track(index=number, default=number == 9) for number in range(1, 12)]
    kept = sound.tracks_of({"audio": tracks})
    assert [one["index"] for one in kept] == [9, 1, 2, 3, 4, 5, 6, 7]
    assert [one["index"] for one in sound.tracks_of({"audio": [track(index=4, default=False)]})] == [4]
    assert sound.tracks_of({"audio": [track(channels=0)]}) == []
    assert sound.tracks_of({}) == []


def test_tracks_keep_their_names() -> None:
    told = sound.arguments([track(language="jpn", title="Dog"), track(index=2, language="fre")])
    assert told[-10:] == (
        *("-metadata:s:a:0", "language=jpn", "-metadata:s:a:0", "title=Dog", "-disposition:a:0", "default"),
        *("-metadata:s:a:1", "language=fre", "-disposition:a:1", "0"),
    )
    assert sound.arguments([]) == ("-an",)
    assert sound.copied([]) == ("-an",)


def test_room_is_reckoned_from_size_rate_and_duration() -> None:
    hour = film() | {"duration": 3600.0}
    assert 3e9 < recipe.expected_bytes(hour) < 4.5e9
    assert recipe.expected_bytes(film(stored_width=640, stored_height=360) | {"duration": 3600.0}) < 6e8
    assert recipe.most_bytes(hour, CEILINGS) > recipe.expected_bytes(hour)
    assert recipe.most_bytes({"audio": [track()], "duration": 60.0}, CEILINGS) < 100e6


def test_frames_larger_than_allowed_are_refused_by_their_header() -> None:
    CEILINGS.check(film(stored_width=7680, stored_height=4320)["video"])
    with pytest.raises(TooLargeError, match="16000 x 9000"):
        CEILINGS.check(film(stored_width=16000, stored_height=9000)["video"])
