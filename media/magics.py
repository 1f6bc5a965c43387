"""Recognisers for `media.sniffing`: each looks at the first bytes of a file and names its type, or None.

Pure functions over bytes. Every length and offset read from the file is checked against what is there.
"""

import re
import struct
from typing import Final

PRINTABLE_BRAND: Final = re.compile(rb"[\x20-\x7e]{4}")
RAW_MAKES: Final = {
    b"NIKON": "image/x-nikon-nef",
    b"SONY": "image/x-sony-arw",
    b"PENTAX": "image/x-pentax-pef",
    b"RICOH": "image/x-pentax-pef",
    b"SAMSUNG": "image/x-samsung-srw",
    b"CANON": "image/x-canon-cr2",
    b"HASSELBLAD": "image/x-hasselblad-3fr",
}
RAW_COMPRESSIONS: Final = {32767, 32769, 32770, 34713, 65535}
HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
ANYMAP: Final = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+\d{1,9}(?:\s|#[^\n]*\n)+\d{1,9}\s")
PROLOGUE: Final = re.compile(
    r"^(\s|<\?xml.*?\?>|<!--.*?-->|<!doctype\s+(?!html)[^\[>]*(\[.*?\]\s*)?>)+", re.IGNORECASE | re.DOTALL
)
HTML_START: Final = re.compile(
    r"<(!doctype\s+html|html|head|title|body|script|iframe|table|style|div|h1|p|a|br|img)\b", re.IGNORECASE
)
BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def jpeg(head: bytes) -> str | None:
    return "image/jpeg" if head.startswith(b"\xff\xd8\xff") else None


def png(head: bytes) -> str | None:
    """APNG says so in an acTL chunk before the first IDAT."""
    if not head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    position = 8
    while position + 8 <= len(head):
        length, name = struct.unpack_from(">I4s", head, position)
        if name == b"acTL":
            return "image/apng"
        if name == b"IDAT":
            break
        position += 12 + length
    return "image/png"


def riff(head: bytes) -> str | None:
    if head[:4] not in {b"RIFF", b"RF64", b"BW64"}:
        return None
    return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])


def tiff(head: bytes) -> str | None:
    """TIFF, and the camera RAW families that wear its clothes."""
    for magic, mime in (
        (b"IIRO", "image/x-olympus-orf"),
        (b"IIRS", "image/x-olympus-orf"),
        (b"MMOR", "image/x-olympus-orf"),
        (b"IIU\x00", "image/x-panasonic-rw2"),
        (b"II+\x00", "image/tiff"),
        (b"MM\x00+", "image/tiff"),
    ):
        if head.startswith(magic):
            return mime
    if head[:4] not in {b"II*\x00", b"MM\x00*"}:
        return None
    if head[8:10] == b"CR":
        return "image/x-canon-cr2"
    return raw_family(head) or "image/tiff"


def raw_family(head: bytes) -> str | None:
    tags = first_directory(head)
    if 0xC612 in tags:
        return "image/x-adobe-dng"
    make = string_of(head, tags.get(0x010F)).upper()
    reduced = value_of(tags.get(0x00FE)) == 1
    if not (reduced or value_of(tags.get(0x0103)) in RAW_COMPRESSIONS):
        # A TIFF that a person exported from a RAW keeps the maker's name; its first picture is the full one.
        return None
    return next((mime for name, mime in RAW_MAKES.items() if make.startswith(name)), None)


def first_directory(head: bytes) -> dict[int, tuple[int, int, int]]:
    """Tag -> (type, count, value or offset) of IFD0, as far as it lies in `head`."""
    order = "<" if head.startswith(b"II") else ">"
    if len(head) < 8:
        return {}
    (start,) = struct.unpack_from(order + "I", head, 4)
    if start + 2 > len(head):
        return {}
    (entries,) = struct.unpack_from(order + "H", head, start)
    tags: dict[int, tuple[int, int, int]] = {}
    for number in range(min(entries, 200)):
        position = start + 2 + 12 * number
        if position + 12 > len(head):
            break
        tag, kind, count = struct.unpack_from(order + "HHI", head, position)
        (value,) = struct.unpack_from(order + ("H" if kind == 3 and count == 1 else "I"), head, position + 8)
        tags[tag] = (kind, count, value)
    return tags


def string_of(head: bytes, entry: tuple[int, int, int] | None) -> bytes:
    if entry is None or entry[0] != 2 or entry[1] <= 4:
        return b""
    _, count, offset = entry
    return head[offset : offset + min(count, 64)]


def value_of(entry: tuple[int, int, int] | None) -> int:
    return entry[2] if entry else -1


def iso_media(head: bytes) -> str | None:
    """The MP4 family by the brands of its `ftyp` box: stills, films, sound."""
    if head[4:8] != b"ftyp":
        return old_quicktime(head)
    (size,) = struct.unpack_from(">I", head, 0)
    box = head[8 : max(16, min(size, 4096, len(head)))]
    major = box[:4]
    if not PRINTABLE_BRAND.fullmatch(major):
        return None
    compatible = {box[at : at + 4] for at in range(8, len(box) - 3, 4)}
    return still_brand(major, compatible) or moving_brand(major)


def still_brand(major: bytes, compatible: set[bytes]) -> str | None:
    if major in {b"avif", b"avis"}:
        return "image/avif"
    if major in HEIC_BRANDS:
        return "image/heic"
    if major == b"crx ":
        return "image/x-canon-cr3"
    if major in {b"mif1", b"msf1", b"mif2", b"miaf"}:
        if compatible & {b"avif", b"avis"}:
            return "image/avif"
        return "image/heic" if compatible & HEIC_BRANDS else "image/heif"
    return None


def moving_brand(major: bytes) -> str:
    if major == b"qt  ":
        return "video/quicktime"
    if major in {b"M4A ", b"M4B ", b"M4P "}:
        return "audio/mp4"
    if major.startswith(b"3g2"):
        return "video/3gpp2"
    if major.startswith(b"3g"):
        return "video/3gpp"
    return "video/mp4"


def old_quicktime(head: bytes) -> str | None:
    """QuickTime before `ftyp`: known boxes from the first byte on."""
    known = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
    if len(head) < 16 or head[4:8] not in known:
        return None
    (size,) = struct.unpack_from(">I", head, 0)
    if head[4:8] in {b"moov", b"mdat"}:
        return "video/quicktime" if size >= 8 or size == 1 else None
    following = head[size + 4 : size + 8]
    return "video/quicktime" if 8 <= size < len(head) and following in known else None


def matroska(head: bytes) -> str | None:
    """WebM and Matroska differ in the DocType element (0x4282) of the EBML header only."""
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    at = head.find(b"\x42\x82", 4, 256)
    if at < 0 or at + 3 > len(head) or not head[at + 2] & 0x80:
        return None
    name = head[at + 3 : at + 3 + (head[at + 2] & 0x7F)].rstrip(b"\x00")
    return {b"webm": "video/webm", b"matroska": "video/x-matroska"}.get(name)


def ogg(head: bytes) -> str | None:
    """The first pages of an Ogg file name the codec of each of its streams."""
    sound = False
    position = 0
    while head[position : position + 4] == b"OggS" and position + 27 < len(head):
        segments = head[position + 26]
        begin = position + 27 + segments
        if not head[position + 5] & 2:
            break
        payload = head[begin : begin + 8]
        if payload[:7] in {b"\x80theora", b"BBCD\x00\x00\x00"} or payload.startswith(b"OVP80"):
            return "video/ogg"
        sound = sound or payload.startswith((b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   "))
        position = begin + sum(head[position + 27 : begin])
    return "audio/ogg" if sound else None


def mpeg_stream(head: bytes) -> str | None:
    """Transport streams (188 bytes a packet, 192 with time codes) and program streams."""
    if head.startswith(b"\x00\x00\x01\xba"):
        return "video/mpeg"
    for first, stride in ((0, 188), (4, 192)):
        marks = range(first, min(len(head), first + 5 * stride), stride)
        if len(marks) >= 3 and all(head[at] == 0x47 for at in marks):
            return "video/mp2t"
    return None


def mpeg_audio(head: bytes) -> str | None:
    """MP3 and AAC in ADTS: a frame, and a second one where the first says it ends. ID3 tags go before."""
    start = 0
    if head.startswith(b"ID3") and len(head) >= 10:
        start = 10 + (
            (head[6] & 0x7F) << 21 | (head[7] & 0x7F) << 14 | (head[8] & 0x7F) << 7 | head[9] & 0x7F
        )
        if start + 4 > len(head):
            # The tag (a cover, most often) is longer than what we look at.
            return "audio/mpeg"
        # Some writers pad between the tag and the first frame.
        start += len(head[start:]) - len(head[start:].lstrip(b"\x00"))
    rest = head[start:]
    if rest.startswith(b"fLaC"):
        return "audio/flac"
    for length_of, mime in ((mp3_frame, "audio/mpeg"), (adts_frame, "audio/aac")):
        length = length_of(rest)
        if length and length_of(rest[length:]):
            return mime
    return None


MP3_BITRATES: Final = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MP3_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def mp3_frame(data: bytes) -> int:
    """The length of the MPEG audio frame at the start of `data`, or 0. ISO/IEC 11172-3 and 13818-3."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return 0
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    bitrate_index, rate_index, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version == 1 or layer == 4 or rate_index == 3 or not 0 < bitrate_index < 15:
        return 0
    generation = 1 if version == 3 else 2
    bitrate = MP3_BITRATES[generation, layer][bitrate_index] * 1000
    rate = MP3_RATES[version][rate_index]
    if layer == 1:
        return (12 * bitrate // rate + padding) * 4
    samples = 72 if layer == 3 and generation == 2 else 144
    return samples * bitrate // rate + padding


def adts_frame(data: bytes) -> int:
    """The length of the ADTS frame at the start of `data`, or 0. ISO/IEC 13818-7."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0 or data[2] >> 2 & 15 > 12:
        return 0
    length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    return length if length >= 7 else 0


def aiff(head: bytes) -> str | None:
    return "audio/aiff" if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"} else None


def bmp(head: bytes) -> str | None:
    if not head.startswith(b"BM") or len(head) < 18:
        return None
    return "image/bmp" if struct.unpack_from("<I", head, 14)[0] in BMP_HEADERS else None


def icon(head: bytes) -> str | None:
    if not head.startswith(b"\x00\x00\x01\x00") or len(head) < 22:
        return None
    count, length, offset = struct.unpack_from("<H8xII", head, 4)
    return (
        "image/vnd.microsoft.icon" if 0 < count <= 256 and length > 0 and offset >= 6 + 16 * count else None
    )


def apple_icon(head: bytes) -> str | None:
    """ICNS: its length, then the name and length of a first part."""
    if not head.startswith(b"icns") or len(head) < 16:
        return None
    whole, first = struct.unpack_from(">I4xI", head, 4)
    return "image/x-icns" if 8 <= first <= whole - 8 else None


def anymap(head: bytes) -> str | None:
    """PBM, PGM and PPM: a letter, a digit, width and height in words."""
    found = ANYMAP.match(head[:1024])
    return "image/x-portable-anymap" if found else None


def paintbrush(head: bytes) -> str | None:
    """PCX has a magic of one byte, so its version, packing, depth and corners must be possible too."""
    if len(head) < 128 or head[0] != 0x0A or head[1] not in {0, 2, 3, 4, 5} or head[2] != 1:
        return None
    left, top, right, bottom = struct.unpack_from("<4H", head, 4)
    possible = head[3] in {1, 2, 4, 8} and left <= right and top <= bottom and head[65] in {1, 3, 4}
    return "image/x-pcx" if possible else None


def photoshop(head: bytes) -> str | None:
    return "image/vnd.adobe.photoshop" if head[:6] in {b"8BPS\x00\x01", b"8BPS\x00\x02"} else None


def markup(text: str) -> str | None:
    """SVG, HTML and other XML, behind declarations and comments."""
    start = PROLOGUE.sub("", text)
    if re.match(r"<(\w+:)?svg[\s>/]", start, re.IGNORECASE):
        return "image/svg+xml"
    if HTML_START.match(start):
        return "text/html"
    return "application/xml" if text.lstrip().startswith(("<?xml", "<!DOCTYPE", "<x:xmpmeta")) else None


def text(head: bytes) -> str | None:
    """Plain words and their dialects. Control characters mean that it is something else."""
    decoded = decode(head)
    if decoded is None or re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", decoded):
        return None
    if found := markup(decoded):
        return found
    if decoded.lstrip().startswith("#EXTM3U"):
        return "application/vnd.apple.mpegurl"
    marked = re.search(
        r"^(#{1,6} \S|```|[-*+] \S.*\n[-*+] \S|> \S)|\[[^\]\n]+\]\([^)\n]+\)", decoded, re.MULTILINE
    )
    return "text/markdown" if marked else "text/plain"


def decode(head: bytes) -> str | None:
    encoding = "utf-16" if head[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    # The cut at the end of the head may go through the middle of a character.
    for cut in range(4):
        try:
            return head[: len(head) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
