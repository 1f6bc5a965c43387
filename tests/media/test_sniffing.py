import os
import struct
from pathlib import Path

import pytest
from PIL import Image

from media import magics
from media.sniffing import HEAD, TYPES, sniff, sniff_path
from media.tools import ffmpeg
from tests.makers import corners, make_image, make_tone, make_video


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", major + b"\0\0\0\0" + b"".join(compatible)) + box(b"free", b"\0" * 32)


def ifd(*entries: tuple[int, int, int, bytes], order: str = "<", text: bytes = b"") -> bytes:
    """A TIFF whose first directory has these entries; `text` lies behind it."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    body = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack(order + "HHI", tag, kind, count) + value
    return head + body + b"\0\0\0\0" + text


def make_entry(make: bytes, number_of_entries: int) -> tuple[int, int, int, bytes]:
    return (0x010F, 2, len(make), struct.pack("<I", 8 + 2 + 12 * number_of_entries + 4))


REDUCED = (0x00FE, 4, 1, struct.pack("<I", 1))
NIKON = b"NIKON CORPORATION\0"
MP3_FRAME = b"\xff\xfb\x90\x00" + b"\0" * 413
ADTS_FRAME = bytes([0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC]) + b"\0" * 9
TS = (b"\x47" + b"\0" * 187) * 4

HEADS: list[tuple[bytes, str, str]] = [
    (b"\xff\xd8\xff\xe0" + b"\0" * 20, "image/jpeg", "image"),
    (b"GIF89a" + b"\0" * 20, "image/gif", "image"),
    (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp", "image"),
    (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav", "audio"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "audio/wav", "audio"),
    (b"RIFF\x10\0\0\0AVI LIST", "video/x-msvideo", "video"),
    (b"RIFF\x10\0\0\0ACON", "application/octet-stream", "other"),
    (ftyp(b"avif", b"mif1"), "image/avif", "image"),
    (ftyp(b"mif1", b"avif"), "image/avif", "image"),
    (ftyp(b"heic", b"mif1"), "image/heic", "image"),
    (ftyp(b"mif1", b"heic"), "image/heic", "image"),
    (ftyp(b"msf1", b"hevc"), "image/heic", "image"),
    (ftyp(b"mif1", b"miaf"), "image/heif", "image"),
    (ftyp(b"crx ", b"isom"), "image/x-canon-cr3", "image"),
    (ftyp(b"isom", b"avc1"), "video/mp4", "video"),
    (ftyp(b"mp42", b"heic"), "video/mp4", "video"),
    (ftyp(b"qt  "), "video/quicktime", "video"),
    (ftyp(b"M4A ", b"isom"), "audio/mp4", "audio"),
    (ftyp(b"3gp5"), "video/3gpp", "video"),
    (ftyp(b"3g2a"), "video/3gpp2", "video"),
    (box(b"wide", b"") + box(b"mdat", b"\0" * 40), "video/quicktime", "video"),
    (box(b"moov", box(b"mvhd", b"\0" * 100)), "video/quicktime", "video"),
    (box(b"free", b"") + b"nothing of the kind here", "application/octet-stream", "other"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm", "video"),
    (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "video/x-matroska", "video"),
    (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x84evil", "application/octet-stream", "other"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl", "image"),
    (b"\xff\x0a\x7a\x1f", "image/jxl", "image"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2", "image"),
    (b"8BPS\x00\x01" + b"\0" * 20, "image/vnd.adobe.photoshop", "image"),
    (b"8BPS\x00\x07" + b"\0" * 20, "application/octet-stream", "other"),
    (ifd((0x0100, 3, 1, b"\x10\0\0\0")), "image/tiff", "image"),
    (ifd((0xC612, 1, 4, b"\1\4\0\0")), "image/x-adobe-dng", "image"),
    (ifd(REDUCED, make_entry(NIKON, 2), text=NIKON), "image/x-nikon-nef", "image"),
    (ifd(make_entry(NIKON, 1), text=NIKON), "image/tiff", "image"),
    (b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 20, "image/x-canon-cr2", "image"),
    (b"IIRO\x08\0\0\0", "image/x-olympus-orf", "image"),
    (b"IIU\0\x18\0\0\0", "image/x-panasonic-rw2", "image"),
    (b"FUJIFILMCCD-RAW 0201", "image/x-fuji-raf", "image"),
    (b"MM\0+\0\x08\0\0", "image/tiff", "image"),
    (b"%PDF-1.7\n", "application/pdf", "other"),
    (b"\x76\x2f\x31\x01\x02\0\0\0", "image/x-exr", "image"),
    (b"#?RADIANCE\nSOFTWARE=x\n", "image/vnd.radiance", "image"),
    (b"#?RGBE\n\n-Y 2 +X 2\n", "image/vnd.radiance", "image"),
    (b"gimp xcf v011\0", "image/x-xcf", "image"),
    (b"qoif\0\0\0\x01\0\0\0\x01\x04\0", "image/qoi", "image"),
    (b"icns\0\0\0\x20ic07\0\0\0\x18" + b"\0" * 16, "image/x-icns", "image"),
    (b"icns and other short words", "text/plain", "other"),
    (b"P6\n# made by hand\n3 2\n255\n", "image/x-portable-anymap", "image"),
    (b"P1 3 2\n1 0 1 0 1 0\n", "image/x-portable-anymap", "image"),
    (b"P5 roads are wide\n", "text/plain", "other"),
    (b"P7\nWIDTH 3\n", "text/plain", "other"),
    (
        b"\n\x05\x01\x08" + bytes(4) + b"\x03\0\x02\0" + bytes(53) + b"\x03" + bytes(62),
        "image/x-pcx",
        "image",
    ),
    (b"\n\x05\x01\x08" + bytes(124), "application/octet-stream", "other"),
    (b"FORM\0\0\0\x10AIFFCOMM", "audio/aiff", "audio"),
    (b"FORM\0\0\0\x10AIFCFVER", "audio/aiff", "audio"),
    (b"fLaC\0\0\0\x22", "audio/flac", "audio"),
    (MP3_FRAME * 2, "audio/mpeg", "audio"),
    (MP3_FRAME, "application/octet-stream", "other"),
    (b"ID3\4\0\0\0\0\0\4" + b"\0\0\0\0" + MP3_FRAME * 2, "audio/mpeg", "audio"),
    (b"ID3\4\0\0\0\0\0\4" + b"\0\0\0\0" + b"fLaC\0\0\0\x22", "audio/flac", "audio"),
    (b"ID3\4\0\0\0\x7f\x7f\x7f" + b"x" * 60, "audio/mpeg", "audio"),
    (ADTS_FRAME * 2, "audio/aac", "audio"),
    (TS, "video/mp2t", "video"),
    (b"\0\0\0\0" + (b"\x47" + b"\0" * 191) * 4, "video/mp2t", "video"),
    (b"\x00\x00\x01\xba\x44" + b"\0" * 20, "video/mpeg", "video"),
    (b"FLV\x01\x05\0\0\0\x09", "video/x-flv", "video"),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + b"\0" * 20, "video/x-ms-asf", "video"),
    (b"caff\0\1\0\0desc", "audio/x-caf", "audio"),
    (b"#!AMR\n\x3c", "audio/amr", "audio"),
    (b"PK\3\4\x14\0", "application/zip", "other"),
    (b"<!DOCTYPE html><html>", "text/html", "other"),
    (b"  \n<script>alert(1)</script>", "text/html", "other"),
    (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "text/html", "other"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml", "other"),
    (
        b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x --><!DOCTYPE svg [<!ENTITY a "b">]><svg/>',
        "image/svg+xml",
        "other",
    ),
    (b'<?xml version="1.0"?><gpx/>', "application/xml", "other"),
    (b"#EXTM3U\n#EXTINF:1,\nx.ts\n", "application/vnd.apple.mpegurl", "other"),
    (b"ffconcat version 1.0\nfile x.mp4\n", "text/plain", "other"),
    (b"# Title\n\nwords\n", "text/markdown", "other"),
    ("just words, naïve ones\n".encode(), "text/plain", "other"),
    ("wide words".encode("utf-16"), "text/plain", "other"),
    (b"words\x00and zeros", "application/octet-stream", "other"),
    (b"\x7fELF\2\1\1", "application/octet-stream", "other"),
    (b"BM not a bitmap, only words in English", "text/plain", "other"),
]


@pytest.mark.parametrize(("head", "mime", "kind"), HEADS)
def test_heads(head: bytes, mime: str, kind: str) -> None:
    found = sniff(head, len(head))
    assert (found.mime, found.kind) == (mime, kind)


def test_nothing_is_empty() -> None:
    assert sniff(b"", 0).mime == "application/x-empty"


def test_a_character_cut_at_the_end_of_the_head_is_still_text() -> None:
    text = ("a" * (HEAD - 1) + "é" * 10).encode()
    assert sniff(text[:HEAD], len(text)).mime == "text/plain"


def test_targa_signs_at_its_end(tmp_path: Path) -> None:
    make_image(tmp_path / "a.tga")
    body = (tmp_path / "a.tga").read_bytes()
    (tmp_path / "a.tga").write_bytes(body[:-26] + b"\0" * 8 + b"TRUEVISION-XFILE.\0")
    assert sniff_path(tmp_path / "a.tga").mime == "image/x-tga"


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.gif", "image/gif"),
        ("a.tif", "image/tiff"),
        ("a.avif", "image/avif"),
        ("a.bmp", "image/bmp"),
        ("a.ico", "image/vnd.microsoft.icon"),
        ("a.jp2", "image/jp2"),
        ("a.pcx", "image/x-pcx"),
        ("a.qoi", "image/qoi"),
        ("a.ppm", "image/x-portable-anymap"),
    ],
)
def test_real_pictures_whatever_they_are_called(tmp_path: Path, name: str, mime: str) -> None:
    lying = make_image(tmp_path / name).rename(tmp_path / "film.mp4")
    assert sniff_path(lying).mime == mime


def test_an_animated_png_says_so(tmp_path: Path) -> None:
    first, second = Image.fromarray(corners()), Image.fromarray(corners()[::-1])
    first.save(tmp_path / "a.png", save_all=True, append_images=[second], duration=100)
    assert sniff_path(tmp_path / "a.png").mime == "image/apng"


@pytest.mark.parametrize(
    ("name", "options", "mime"),
    [
        ("a.mp4", [], "video/mp4"),
        ("a.mov", [], "video/quicktime"),
        ("a.mkv", [], "video/x-matroska"),
        ("a.avi", [], "video/x-msvideo"),
        ("a.flv", [], "video/x-flv"),
        ("a.ts", [], "video/mp2t"),
        ("a.mpg", ["-c:v", "mpeg2video", "-c:a", "mp2"], "video/mpeg"),
        ("a.wmv", ["-c:v", "wmv2", "-c:a", "wmav2"], "video/x-ms-asf"),
        ("a.webm", ["-c:v", "libvpx", "-c:a", "libopus"], "video/webm"),
        ("a.ogv", ["-c:v", "libtheora", "-c:a", "libvorbis"], "video/ogg"),
        ("a.3gp", ["-c:a", "aac"], "video/3gpp"),
    ],
)
def test_real_films_whatever_they_are_called(
    tmp_path: Path, name: str, options: list[str], mime: str
) -> None:
    lying = make_video(tmp_path / name, seconds=0.4, options=options).rename(tmp_path / "photo.jpg")
    found = sniff_path(lying)
    assert (found.mime, found.kind) == (mime, "video")
    assert found.demuxer in ffmpeg.DEMUXERS


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("a.wav", "audio/wav"),
        ("a.mp3", "audio/mpeg"),
        ("a.flac", "audio/flac"),
        ("a.m4a", "audio/mp4"),
        ("a.aac", "audio/aac"),
        ("a.ogg", "audio/ogg"),
        ("a.opus", "audio/ogg"),
        ("a.aiff", "audio/aiff"),
        ("a.caf", "audio/x-caf"),
        ("a.wv", "audio/x-wavpack"),
    ],
)
def test_real_sound_whatever_it_is_called(tmp_path: Path, name: str, mime: str) -> None:
    lying = make_tone(tmp_path / name).rename(tmp_path / "page.html")
    found = sniff_path(lying)
    assert (found.mime, found.kind) == (mime, "audio")


def test_every_answer_is_in_the_table() -> None:
    for head, mime, _ in HEADS:
        assert mime in TYPES, head[:20]


def test_noise_and_cut_heads_never_raise() -> None:
    noise = os.urandom(4000)
    for head, _, _ in HEADS:
        for length in (*range(1, min(len(head), 40)), len(head)):
            assert sniff(head[:length], 10_000).mime in TYPES
        assert sniff(head[:12] + noise, 10_000).mime in TYPES


def test_svg_and_playlists_have_no_decoder() -> None:
    for mime in ("image/svg+xml", "application/vnd.apple.mpegurl", "text/html"):
        assert TYPES[mime] == ("other", None)


def test_frame_lengths_of_known_headers() -> None:
    assert magics.mp3_frame(b"\xff\xfb\x90\x00") == 417
    assert magics.mp3_frame(b"\xff\xfb\x92\x00") == 418
    assert magics.adts_frame(ADTS_FRAME) == 16
