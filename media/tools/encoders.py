"""Which H.264 encoder films are made with: one in hardware that has proven itself here, else libx264.

A build lists encoders for graphics cards that are not in the machine, so each is tried once for a process and binary:
it has to encode real frames. `choose` says what to put where:

    chosen = encoders.choose()
    film = graphs.open_input(source, demuxer).track(0).chain(f"{chain},{chosen.filters}")
    graphs.arguments(graphs.write(target, film, options=chosen.options), first=chosen.before)

Hardware may still fail in the middle of a film (too many at once, an odd size): then once more with `SOFTWARE`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from alcoves import env
from media.errors import MediaError, PermanentError, TransientError
from media.tools import ffmpeg, graphs
from media.tools.run import Limits

logger = logging.getLogger(__name__)
Made = TypeVar("Made")
CHOICES: Final = ("auto", "software", "nvenc", "vaapi", "qsv")
DEVICE: Final = "/dev/dri/renderD128"
QUALITY: Final = "23"
FRAMES: Final = "testsrc2=size=256x256:rate=25:duration=0.4"
TIMEOUT: Final = 20.0
START_CODE: Final = b"\0\0\0\1"
FEWEST_BYTES: Final = 500
"""Ten frames of a moving test picture take some thousand; an encoder that says nothing writes a header alone."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """How to speak to one encoder."""

    family: str
    """`software`, `nvenc`, `vaapi`, `qsv`."""
    name: str
    """Of ffmpeg: what stands after `-c:v`."""
    before: tuple[str, ...] = ()
    """Before all else: which device, then what it is for."""
    filters: str = "format=yuv420p"
    """The last links of the chain: how the encoder wants its frames. A `-pix_fmt` behind it would undo that."""
    quality: tuple[str, ...] = ()
    """Rate control for about the quality of CRF 23."""
    limits: Limits = ffmpeg.LIMITS

    @property
    def in_hardware(self) -> bool:
        return self.family != "software"

    @property
    def options(self) -> tuple[str, ...]:
        return ("-c:v", self.name, *self.quality)


SOFTWARE: Final = Encoder("software", "libx264", quality=("-preset", "medium", "-crf", QUALITY))
UNLIMITED: Final = Limits()
"""Drivers of graphics cards claim addresses by the hundred gigabytes, which costs nothing and no limit would allow."""


def nvenc(device: str) -> Encoder:
    quality = ("-preset", "p5", "-rc", "vbr", "-cq", QUALITY, "-b:v", "0", "-spatial-aq", "1")
    return Encoder("nvenc", "h264_nvenc", quality=quality, limits=UNLIMITED)


def qsv(device: str) -> Encoder:
    before = ("-init_hw_device", f"qsv=hw,child_device={device}")
    quality = ("-preset", "medium", "-global_quality", QUALITY)
    return Encoder("qsv", "h264_qsv", before, "format=nv12", quality, UNLIMITED)


def vaapi(device: str) -> Encoder:
    before = ("-init_hw_device", f"vaapi=va:{device}", "-filter_hw_device", "va")
    quality = ("-rc_mode", "CQP", "-qp", QUALITY)
    return Encoder("vaapi", "h264_vaapi", before, "format=nv12,hwupload", quality, UNLIMITED)


HARDWARE: Final[tuple[Callable[[str], Encoder], ...]] = (nvenc, qsv, vaapi)
"""In the order in which `auto` takes what works."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying one encoder."""

    encoder: Encoder
    works: bool
    problem: str = ""
    """The end of what ffmpeg said, for staff."""


def choose() -> Encoder:
    """By ALCOVES_VIDEO_ENCODER. What was asked for and does not work is software too: films are made in any case."""
    wanted = setting()
    if wanted == "software":
        return SOFTWARE
    working = [
        trial.encoder for trial in survey() if trial.works and wanted in {"auto", trial.encoder.family}
    ]
    return working[0] if working else SOFTWARE


def by_choice(make: Callable[..., Made], check: Callable[[], None]) -> Made:
    """`make(encoder)` with the chosen one, and once more in software where hardware fails: `instead_of` names it then.

    `check` ends a run that was given up meanwhile.
    """
    chosen = choose()
    try:
        return make(chosen)
    except (PermanentError, TransientError):
        if not chosen.in_hardware:
            raise
    check()
    return make(SOFTWARE, instead_of=chosen.name)


def setting() -> str:
    return env.choice("ALCOVES_VIDEO_ENCODER", CHOICES, "auto")


def survey() -> tuple[Trial, ...]:
    """Every encoder in hardware that the build lists, tried once a process. MediaError where no ffmpeg runs."""
    return survey_of(ffmpeg.binary(), env.text("ALCOVES_VAAPI_DEVICE", DEVICE))


@lru_cache(maxsize=4)
def survey_of(program: str, device: str) -> tuple[Trial, ...]:
    listed = ffmpeg.capabilities_of(program).encoders
    trials = tuple(tried(one) for one in (make(device) for make in HARDWARE) if one.name in listed)
    for trial in trials:
        logger.debug("%s: %s", trial.encoder.name, "works" if trial.works else trial.problem)
    return trials


def tried(encoder: Encoder) -> Trial:
    """Whether it encodes a real picture, here and now."""
    picture = graphs.generate(FRAMES).track("v").chain(encoder.filters)
    written = graphs.write(graphs.PIPE, picture, options=(*encoder.options, "-f", "h264"))
    words = graphs.arguments(written, first=encoder.before)
    try:
        done = ffmpeg.run(words, timeout=TIMEOUT, limits=encoder.limits)
    except MediaError as error:
        return Trial(encoder, works=False, problem=(error.detail or error.message)[-1000:])
    works = done.stdout.startswith(START_CODE) and len(done.stdout) >= FEWEST_BYTES
    return Trial(encoder, works, "" if works else "It said nothing and encoded nothing.")
