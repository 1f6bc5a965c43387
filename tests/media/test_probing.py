import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media import exif, streams
from media.errors import DamagedFileError, MediaError, TooLargeError, UnsupportedTypeError
from media.exif import Location
from media.probing import Probe, probe
from media.sniffing import Sniffed, sniff_path
from media.tools import ffmpeg, ffprobe, magick
from tests.makers import corners, exif_of, make_image, make_png, make_tone, make_video, stored_for, turn_video
from tests.rare_makers import jpeg_of, make_dng, make_jxl, make_pdf


def probed(path: Path) -> Probe:
    return probe(path, sniff_path(path))


def test_a_video_with_sound(tmp_path: Path) -> None:
    options = ["-metadata", "title=A film", "-metadata", "creation_time=2023-06-15T10:20:30Z"]
    options += ["-metadata", "location=+47.3769+008.5417+408.5/"]
    found = probed(make_video(tmp_path / "a.mp4", seconds=2, size=(320, 180), options=options))
    assert (found.kind, found.mime, found.width, found.height) == ("video", "video/mp4", 320, 180)
    assert found.duration == pytest.approx(2.0, abs=0.05)
    assert found.video is not None
    assert (found.video.codec, found.video.pix_fmt, found.video.bit_depth) == ("h264", "yuv420p", 8)
    assert (found.video.fps, found.video.vfr, found.video.hdr) == (25.0, False, None)
    assert [(track.codec, track.channels, track.sample_rate) for track in found.audio] == [("aac", 1, 44100)]
    assert found.taken_at == datetime(2023, 6, 15, 10, 20, 30, tzinfo=UTC)
    assert found.location == Location(47.3769, 8.5417, 408.5)
    assert found.tags["title"] == "A film"


def test_the_answer_is_json_and_leaves_out_what_is_unknown(tmp_path: Path) -> None:
    facts = probed(make_video(tmp_path / "a.mp4", seconds=1)).as_json()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["video"]["codec"] == "h264"
    assert facts["audio"][0]["codec"] == "aac"
    assert "location" not in facts
    assert "subtitles" not in facts


@pytest.mark.parametrize(
    ("degrees", "rotation", "size"), [(90, 270, (180, 320)), (180, 180, (320, 180)), (270, 90, (180, 320))]
)
def test_a_turned_video_is_measured_as_displayed(
    tmp_path: Path, degrees: int, rotation: int, size: tuple[int, int]
) -> None:
    plain = make_video(tmp_path / "a.mp4", seconds=0.4, audio=False)
    found = probed(turn_video(plain, tmp_path / "b.mp4", degrees))
    assert (found.width, found.height) == size
    assert (found.stored_width, found.stored_height) == (320, 180)
    assert found.rotation == rotation


def test_pixels_that_are_not_square_are_counted_as_displayed(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", seconds=0.4, size=(180, 144), options=["-vf", "setsar=16/11"])
    assert (probed(source).width, probed(source).height) == (262, 144)


def test_sound_only_in_an_mp4_is_audio(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.m4a").rename(tmp_path / "b.mp4")
    ffmpeg.run(["-i", source, "-c", "copy", "-f", "mp4", "-brand", "isom", tmp_path / "c.mp4"], timeout=20)
    assert sniff_path(tmp_path / "c.mp4").kind == "video"
    found = probed(tmp_path / "c.mp4")
    assert (found.kind, found.video, found.width) == ("audio", None, None)
    assert found.duration == pytest.approx(2.0, abs=0.1)


def test_a_cover_is_not_a_film(tmp_path: Path) -> None:
    cover, sound = make_image(tmp_path / "c.jpg"), make_tone(tmp_path / "a.flac")
    out = tmp_path / "b.mp3"
    tags = ["-metadata", "title=Song", "-metadata", "artist=Somebody"]
    ffmpeg.run(["-i", sound, "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", *tags, out], timeout=20)
    found = probed(out)
    assert (found.kind, found.video, found.cover) == ("audio", None, 1)
    assert (found.tags["title"], found.tags["artist"]) == ("Song", "Somebody")


def test_tracks_languages_chapters_and_subtitles(tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    (tmp_path / "c.txt").write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=First\n"
    )
    source = make_video(tmp_path / "a.mkv", seconds=2)
    maps = ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "1", "-map_metadata", "2"]
    named = [
        "-metadata:s:a:0",
        "language=eng",
        "-metadata:s:a:1",
        "language=jpn",
        "-metadata:s:s:0",
        "language=fre",
    ]
    disposed = ["-disposition:a:0", "0", "-disposition:a:1", "default", "-disposition:s:0", "forced"]
    inputs: list[str | Path] = ["-i", source, "-i", tmp_path / "s.srt", "-i", tmp_path / "c.txt"]
    ffmpeg.run([*inputs, *maps, "-c", "copy", *named, *disposed, tmp_path / "b.mkv"], timeout=20)
    found = probed(tmp_path / "b.mkv")
    assert [(track.language, track.default) for track in found.audio] == [("eng", False), ("jpn", True)]
    assert [(track.codec, track.language, track.forced) for track in found.subtitles] == [
        ("subrip", "fre", True)
    ]
    assert [(chapter.start, chapter.end, chapter.title) for chapter in found.chapters] == [
        (0.0, 1.0, "First")
    ]


@pytest.mark.parametrize(("transfer", "hdr"), [("smpte2084", "pq"), ("arib-std-b67", "hlg"), ("bt709", None)])
def test_hdr_by_its_transfer(tmp_path: Path, transfer: str, hdr: str | None) -> None:
    tagged = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc"
    source = make_video(
        tmp_path / "a.mp4",
        seconds=0.3,
        audio=False,
        codec="libx265",
        options=["-pix_fmt", "yuv420p10le", "-vf", tagged],
    )
    found = probed(source)
    assert found.video is not None
    assert (found.video.hdr, found.video.bit_depth, found.bit_depth) == (hdr, 10, 10)
    assert found.video.color_primaries == "bt2020"


def test_variable_frame_rate_is_marked(tmp_path: Path) -> None:
    options = ["-vf", "select='lt(n,25)+not(mod(n,5))'", "-fps_mode", "vfr"]
    found = probed(make_video(tmp_path / "a.mp4", seconds=4, audio=False, options=options))
    assert found.video is not None
    assert found.video.vfr
    assert found.video.fps is not None
    assert found.video.fps < 20


def test_a_film_of_years_has_no_duration_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=1, audio=False)
    monkeypatch.setattr(streams, "duration_of", lambda answer: 3.6e14)
    monkeypatch.setattr(ffprobe, "end_of_packets", lambda *_, **__: 3.6e14)
    found = probed(path)
    assert (found.duration, found.bit_rate) == (None, None)


def test_a_recording_without_a_duration_is_measured_by_its_packets(tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "a.webm", seconds=1, audio=False, codec="libvpx", options=["-f", "webm", "-live", "1"]
    )
    found = probed(source)
    assert found.duration == pytest.approx(1.0, abs=0.1)


def test_an_impossible_duration_is_measured_by_its_packets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "duration_of", lambda answer: 143_165.0)
    found = probed(make_video(tmp_path / "a.mp4", seconds=1, audio=False))
    assert found.duration == pytest.approx(1.0, abs=0.1)


def test_a_film_cut_before_its_index_is_told_so(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedFileError, match="no index") as caught:
        probed(tmp_path / "b.mp4")
    assert caught.value.code == "moov_missing"
    assert not caught.value.retry


@pytest.mark.parametrize("data", [b"", b"only words", b"#EXTM3U\n/etc/passwd\n", b"<svg xmlns='x'/>"])
def test_what_is_no_media_is_not_probed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(UnsupportedTypeError):
        probed(tmp_path / "a.mp4")


@pytest.mark.parametrize("size", [100, 3000, 20_000])
def test_cut_files_end_in_one_of_our_errors_or_an_answer(tmp_path: Path, size: int) -> None:
    makers = [
        make_video(tmp_path / "a.mkv", seconds=1),
        make_tone(tmp_path / "a.mp3"),
        make_image(tmp_path / "a.jpg"),
    ]
    for whole in [*makers, make_image(tmp_path / "a.png"), make_tone(tmp_path / "a.ogg")]:
        cut = tmp_path / "cut"
        cut.write_bytes(whole.read_bytes()[:size])
        try:
            assert probed(cut).kind in {"image", "video", "audio"}
        except MediaError as error:
            assert isinstance(error, DamagedFileError | UnsupportedTypeError | TooLargeError), error  # noqa: PT017 - Either way is right.


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_measured_as_displayed(tmp_path: Path, orientation: int) -> None:
    import numpy as np

    stored = stored_for(orientation, np.zeros((80, 120, 3), dtype=np.uint8))
    found = probed(make_image(tmp_path / "a.jpg", stored, exif=exif_of(main={0x0112: orientation})))
    assert (found.width, found.height, found.orientation) == (120, 80, orientation)


PLACE = {1: "S", 2: (33.0, 51.0, 24.42), 3: "E", 4: (151.0, 12.0, 55.07), 5: b"\x01", 6: 12.5}
CAMERA = {0x829A: 0.005, 0x829D: 2.8, 0x8827: 200, 0x920A: 50.0, 0xA434: "TC 50mm"}
DATES = {0x9003: "2021:07:14 18:30:05", 0x9291: "123", 0x9011: "+02:00"}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
def test_exif_of_a_photo(tmp_path: Path, suffix: str) -> None:
    tags = exif_of(main={0x010F: "TestCam", 0x0110: "TC-1"}, exif=DATES | CAMERA, gps=PLACE)
    found = probed(make_image(tmp_path / f"a.{suffix}", exif=tags))
    assert found.taken_at == datetime.fromisoformat("2021-07-14T18:30:05.123+02:00")
    assert found.taken_offset == "+02:00"
    assert found.location == Location(-33.8567833, 151.2152972, -12.5)
    assert found.camera is not None
    assert (found.camera.make, found.camera.model, found.camera.lens) == ("TestCam", "TC-1", "TC 50mm")
    assert (found.camera.iso, found.camera.f_number) == (200, 2.8)
    assert (found.camera.exposure_seconds, found.camera.focal_length_mm) == (0.005, 50.0)


def test_exif_of_a_tiff(tmp_path: Path) -> None:
    found = probed(make_image(tmp_path / "a.tif", exif=exif_of(main={0x010F: "TestCam", 0x0112: 6})))
    assert found.camera is not None
    assert found.camera.make == "TestCam"
    assert (found.width, found.height) == (80, 120)


@pytest.mark.parametrize(
    "value",
    [
        "2021:13:45 99:00:00",
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "",
        "yesterday",
        "2021:02:30 10:00:00",
    ],
)
def test_impossible_dates_are_no_dates(value: str) -> None:
    assert exif.clocks_of({0x9003: value}) == []


def test_the_date_of_digitising_is_second_best() -> None:
    found = exif.clocks_of({0x9003: "bad", 0x9004: "2015:05:05 05:05:05"})
    assert [clock.wall.year for clock in found] == [2015]


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (200.0, 0.0, 0.0), 3: "E", 4: (999.0, 0.0, 0.0)},
        {1: "N", 2: (float("nan"), 0, 0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 2: "north", 3: "E", 4: None},
        {1: "N", 2: (), 3: "E", 4: (1, 2, 3, 4)},
    ],
)
def test_impossible_places_are_no_places(gps: dict[int, Any]) -> None:
    assert exif.location_of(gps) is None


def test_a_place_without_references_is_north_and_east() -> None:
    assert exif.location_of({2: (48.0, 12.0, 0.0), 4: (16.0, 22.2, 0.0)}) == Location(48.2, 16.37)


def test_broken_exif_costs_nothing(tmp_path: Path) -> None:
    broken = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x69\x87\x04\0\x01\0\0\0\xff\xff\xff\x7f" + b"\xff" * 50
    found = probed(make_image(tmp_path / "a.jpg", exif=broken))
    assert (found.width, found.height, found.taken_at) == (120, 80, None)


@pytest.mark.parametrize(
    ("mode", "suffix", "alpha", "bits"),
    [("RGBA", "png", True, 8), ("CMYK", "jpg", False, 8), ("1", "png", False, 1), ("L", "jpg", False, 8)],
)
def test_alpha_and_depth(tmp_path: Path, mode: str, suffix: str, alpha: bool, bits: int) -> None:
    found = probed(make_image(tmp_path / f"a.{suffix}", mode=mode))
    assert (found.has_alpha, found.bit_depth) == (alpha, bits)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_frames_of_an_animation_are_counted(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], duration=100)
    found = probed(tmp_path / f"a.{suffix}")
    assert (found.frames, found.width, found.height) == (3, 40, 30)


@pytest.mark.parametrize("suffix", ["bmp", "ico", "jp2", "tga"])
def test_types_that_only_the_second_reader_knows(tmp_path: Path, suffix: str) -> None:
    path = make_image(tmp_path / f"a.{suffix}", size=(64, 64))
    sniffed = sniff_path(path) if suffix != "tga" else Sniffed("image/x-tga", "image", None)
    found = probe(path, sniffed)
    assert (found.kind, found.width, found.height) == ("image", 64, 64)


def test_a_bomb_is_measured_and_not_decoded(tmp_path: Path) -> None:
    found = probed(make_png(tmp_path / "a.png", 30_000, 30_000))
    assert (found.width, found.height) == (30_000, 30_000)


def test_a_text_bomb_in_a_png_costs_nothing(tmp_path: Path) -> None:
    from PIL import PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_text("bomb", "x" * 30_000_000, zip=True)
    found = probed(make_image(tmp_path / "a.png", pnginfo=text))
    assert (found.width, found.taken_at) == (120, None)


def test_display_matrices() -> None:
    def matrix(*numbers: int) -> dict[str, Any]:
        a, b, c, d = numbers
        rows = f"\n00000000: {a} {b} 0\n00000001: {c} {d} 0\n00000002: 0 0 1073741824\n"
        return {"side_data_list": [{"displaymatrix": rows}]}

    one = 65536
    assert streams.turn_of(matrix(one, 0, 0, one)) == (0, False)
    assert streams.turn_of(matrix(0, one, -one, 0)) == (90, False)
    assert streams.turn_of(matrix(-one, 0, 0, -one)) == (180, False)
    assert streams.turn_of(matrix(0, -one, one, 0)) == (270, False)
    assert streams.turn_of(matrix(-one, 0, 0, one)) == (180, True)
    assert streams.turn_of(matrix(0, one, one, 0)) == (90, True)
    assert streams.turn_of({"tags": {"rotate": "90"}}) == (90, False)
    assert streams.turn_of({}) == (0, False)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("+47.3769+008.5417/", Location(47.3769, 8.5417)),
        ("+40.680-074.500+012.5/", Location(40.68, -74.5, 12.5)),
        ("-33.86+151.21-3/", Location(-33.86, 151.21, -3.0)),
        ("+00.000+000.000/", None),
        ("+95.0+008.0/", None),
        ("somewhere", None),
    ],
)
def test_iso_6709(value: str, place: Location | None) -> None:
    assert streams.location_of({"format": {"tags": {"location": value}}}) == place


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("1904-01-01T00:00:00.000000Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("nonsense", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2200-01-01T00:00:00Z", None),
        ("2199-12-31T23:59:59Z", datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2018-03-07T15:21:21.000000Z", datetime(2018, 3, 7, 15, 21, 21, tzinfo=UTC)),
    ],
)
def test_creation_times(value: str, moment: datetime | None) -> None:
    assert streams.created_of({"format": {"tags": {"creation_time": value}}}) == moment


def test_apples_local_time_beats_the_containers() -> None:
    tags = {
        "creation_time": "2023-06-15T08:20:30Z",
        "com.apple.quicktime.creationdate": "2023-06-15T10:20:30+0200",
    }
    found = streams.created_of({"format": {"tags": tags}})
    assert found is not None
    assert found.isoformat() == "2023-06-15T10:20:30+02:00"


def test_an_empty_video_track_is_passed_over() -> None:
    real = {
        "index": 1,
        "codec_type": "video",
        "codec_name": "h264",
        "width": 8,
        "height": 8,
        "avg_frame_rate": "25/1",
    }
    empty = {
        "index": 0,
        "codec_type": "video",
        "codec_name": "h264",
        "width": 80,
        "height": 80,
        "avg_frame_rate": "0/0",
    }
    found = streams.video_of({"streams": [empty, real]})
    assert found is not None
    assert found.index == 1


def test_a_document_has_the_size_its_first_page_is_drawn_at(tmp_path: Path) -> None:
    found = probed(make_pdf(tmp_path / "a.pdf", size=(595, 842), title="Minutes"))
    assert (found.kind, found.mime, found.pages, found.title) == ("other", "application/pdf", 2, "Minutes")
    assert (found.width, found.height) == (2480, 3509)
    poster = probed(make_pdf(tmp_path / "b.pdf", size=(14_400, 7200)))
    assert (poster.width, poster.height) == (8192, 4096)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_raw_has_the_size_of_its_sensor_as_displayed(tmp_path: Path, orientation: int) -> None:
    preview = jpeg_of(stored_for(orientation, corners(60, 40)))
    found = probed(make_dng(tmp_path / "a.dng", corners(240, 160), orientation=orientation, preview=preview))
    assert (found.width, found.height, found.orientation) == (240, 160, orientation)


def test_jpeg_xl_has_a_size(tmp_path: Path) -> None:
    found = probed(make_jxl(tmp_path / "a.jxl", make_image(tmp_path / "a.png", size=(61, 43))))
    assert (found.width, found.height) == (61, 43)


def test_what_only_imagemagick_reads_is_no_failure_without_it(tmp_path: Path) -> None:
    (tmp_path / "a.exr").write_bytes(b"\x76\x2f\x31\x01" + b"\0" * 60)
    if not magick.is_here():
        assert probed(tmp_path / "a.exr").width is None
