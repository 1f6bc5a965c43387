"""What a file may make ffmpeg open: itself. Playlists, references and links in the clothes of a film lead nowhere.

Each attempt names a server of the test, which must see no request, or a file, whose content must not come out.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from media.errors import MediaError
from media.sniffing import sniff_path
from media.tools import ffmpeg, ffprobe
from media.tools.ranges import RangeServer
from media.tools.sources import Source
from tests.makers import make_video
from tests.media.tools.test_ranges import Far, Trap

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
    "hls file": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:{secret}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.mp4'\nfile {secret}\n",
    "dash": '<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>http://127.0.0.1:{port}/</BaseURL>'
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
    "asx": '<asx version="3.0"><entry><ref href="http://127.0.0.1:{port}/a"/></entry></asx>',
    "rtsp": "RTSPtextrtsp://127.0.0.1:{port}/a\r\n",
}


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("secret") / "secret.mp4", seconds=0.4, audio=False)


def decoded(source: Source, demuxer: str | None) -> bytes:
    """All pictures that come out; none where ffmpeg or ffprobe end with an error."""
    try:
        ffprobe.read(source, demuxer)
        shown = ["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
        return ffmpeg.run([*ffmpeg.input_arguments(source, demuxer), *shown], timeout=20).stdout
    except MediaError:
        return b""


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_is_opened_by_no_demuxer(tmp_path: Path, secret: Path, trap: Trap, name: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_text(PLAYLISTS[name].format(port=trap.port, secret=secret))
    assert sniff_path(path).demuxer is None
    for demuxer in sorted(ffmpeg.DEMUXERS):
        assert decoded(path, demuxer) == b""
    assert trap.seen == []


def test_a_playlist_over_the_loopback_is_not_followed(tmp_path: Path, trap: Trap) -> None:
    """There `http` is on the list of protocols, so the demuxer is what holds."""
    far = Far(PLAYLISTS["hls"].format(port=trap.port).encode())
    with RangeServer(far.open, len(far.data)) as server:
        for demuxer in sorted(ffmpeg.DEMUXERS):
            assert decoded(server.source, demuxer) == b""
    assert trap.seen == []


def test_the_playlist_of_the_shared_media(shared_media: Path) -> None:
    found = shared_media / "video" / "hls_ssrf_playlist.mp4"
    assert sniff_path(found).demuxer is None
    assert decoded(found, "mov") == b""


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), name) + body


CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"dinf"}


def with_reference(data: bytes, dref: bytes) -> bytes:
    """The same boxes, with another table of where the samples are."""
    out, position = [], 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + size]
        if name in CONTAINERS:
            body = with_reference(body, dref)
        out.append(dref if name == b"dref" else box(name, body))
        position += size
    return b"".join(out)


def alias(path: str) -> bytes:
    """A `dref` whose one entry is an alias of the Macintosh: ffmpeg looks for the name beside the film."""
    name = path.rpartition("/")[2]
    text = path.encode() + b"\0" * (len(path) % 2)
    record = (
        bytes(10)
        + b"\x01v".ljust(28, b"\0")
        + bytes(12)
        + bytes([len(name)])
        + name.encode().ljust(63, b"\0")
        + bytes(16)
        + struct.pack(">hh", 1, 1)
        + bytes(16)
        + struct.pack(">hh", 2, len(path))
        + text
        + struct.pack(">hh", -1, 0)
    )
    return box(b"dref", bytes(4), struct.pack(">I", 1), box(b"alis", bytes(4), record))


def test_a_film_whose_samples_lie_elsewhere_gives_nothing(tmp_path: Path, secret: Path) -> None:
    data = secret.read_bytes()
    place = data.index(b"mdat") - 4
    (size,) = struct.unpack_from(">I", data, place)
    blank = data[: place + 8] + bytes(size - 8) + data[place + size :]
    referring = tmp_path / "refers.mov"
    referring.write_bytes(with_reference(blank, alias(str(secret))))
    (tmp_path / secret.name).write_bytes(data)
    frames = ["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
    true = ffmpeg.run([*ffmpeg.input_arguments(secret, "mov"), *frames], timeout=20).stdout
    opened = ["-enable_drefs", "1", "-protocol_whitelist", "file", "-f", "mov", "-i", f"file:{referring}"]
    lured = ffmpeg.run([*opened, *frames], timeout=20).stdout
    assert lured == true, "the trick works where nothing is shut"
    assert sniff_path(referring).demuxer == "mov"
    assert decoded(referring, "mov") == b""


def test_an_address_as_the_place_of_samples_is_not_asked(tmp_path: Path, secret: Path, trap: Trap) -> None:
    address = f"http://127.0.0.1:{trap.port}/a.mov"
    for dref in (
        alias(address),
        box(b"dref", bytes(4), struct.pack(">I", 1), box(b"url ", bytes(4), address.encode() + b"\0")),
    ):
        path = tmp_path / "refers.mov"
        path.write_bytes(with_reference(secret.read_bytes(), dref))
        decoded(path, "mov")
        far = Far(path.read_bytes())
        with RangeServer(far.open, len(far.data)) as server:
            decoded(server.source, "mov")
    assert trap.seen == []


def chunk(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def avi_with_subtitles(text: bytes) -> bytes:
    """An AVI whose only stream is a subtitle file of the kind GAB2: ffmpeg looks what the text inside is."""
    description = "x".encode("utf-16-le") + b"\0\0"
    packet = b"GAB2\0" + struct.pack("<HI", 2, len(description)) + description
    packet += struct.pack("<HI", 4, len(text)) + text
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"txts", b"\0" * 4, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0
    )
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, 1, 0, 1, 0, 64, 64, 0, 0, 0, 0)
    header = chunk(
        b"LIST",
        b"hdrl",
        chunk(b"avih", main),
        chunk(b"LIST", b"strl", chunk(b"strh", stream), chunk(b"strf", b"")),
    )
    return chunk(b"RIFF", b"AVI ", header, chunk(b"LIST", b"movi", chunk(b"00tx", packet)))


@pytest.mark.parametrize("name", ["hls", "hls file", "concat"])
def test_a_playlist_as_the_subtitles_of_an_avi_is_not_followed(
    tmp_path: Path, secret: Path, trap: Trap, name: str
) -> None:
    text = PLAYLISTS[name].format(port=trap.port, secret=secret).encode()
    path = tmp_path / "film.avi"
    path.write_bytes(avi_with_subtitles(text))
    assert sniff_path(path).demuxer == "avi"
    far = Far(path.read_bytes())
    with RangeServer(far.open, len(far.data)) as server:
        for source in (path, server.source):
            decoded(source, "avi")
            copy = [*ffmpeg.input_arguments(source, "avi"), "-map", "0", "-c", "copy", "-f", "data", "pipe:1"]
            try:
                found = ffmpeg.run(copy, timeout=20).stdout
            except MediaError:
                found = b""
            assert secret.read_bytes()[-200:] not in found
    assert trap.seen == []


def test_the_subtitles_of_an_avi_are_read_where_they_are_subtitles(tmp_path: Path) -> None:
    """So that the attempts above come as far as the look inside."""
    path = tmp_path / "film.avi"
    path.write_bytes(avi_with_subtitles(b"1\n00:00:00,000 --> 00:00:01,000\nHello\n\n" * 3))
    (stream,) = ffprobe.read(path, "avi")["streams"]
    assert stream["codec_name"] == "subrip"
