"""Arguments of the picture's encoder: H.264 High, in software CRF 23 at preset medium and level 4.1 or what is true.

Key frames come every two seconds and close their group, so that scrubbing is quick and clips can be cut.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from media.tools.encoders import SOFTWARE, Encoder
from media.transcoding.ceilings import FASTEST, Ceilings
from media.transcoding.picture import frame_rate, proxy_size

KEY_SECONDS: Final = 2
TIMESCALE: Final = 90_000

LEVELS: Final = (
    ("4.1", 245_760, 8_192),
    ("4.2", 522_240, 8_704),
    ("5.0", 589_824, 22_080),
    ("5.1", 983_040, 36_864),
    ("5.2", 2_073_600, 36_864),
)
"""Level, macroblocks a second, macroblocks of a frame (H.264, table A-1). 4.1 is the reference's."""

HARDWARE: Final = {"nvenc": ("-forced-idr", "1"), "qsv": ("-forced_idr", "1")}
"""Key frames that are asked for shall be such that a player can begin at them."""


def level_for(width: int, height: int, rate: float) -> str:
    """4.1 where it holds, else the lowest that does: a level that lies breaks hardware decoders."""
    blocks = ceil(width / 16) * ceil(height / 16)
    for level, a_second, a_frame in LEVELS:
        if blocks <= a_frame and blocks * rate <= a_second:
            return level
    return LEVELS[-1][0]


def arguments(
    facts: Mapping[str, Any], ceilings: Ceilings, encoder: Encoder = SOFTWARE, *, begins: float = 0.0
) -> tuple[str, ...]:
    """The same for a whole film and for a piece of it, whose first time stamp is near `begins`.

    The chain of filters ends with those of the encoder.
    """
    if encoder.in_hardware:
        own = HARDWARE.get(encoder.family, ())
        return (*encoder.options, "-profile:v", "high", *own, *common(facts["video"], begins))
    size = proxy_size(int(facts["width"]), int(facts["height"]))
    return (
        *encoder.options,
        *("-maxrate", str(ceilings.bit_rate), "-bufsize", str(2 * ceilings.bit_rate)),
        *("-profile:v", "high", "-level:v", level_for(*size, fastest_rate(facts["video"]))),
        *common(facts["video"], begins),
    )


def common(video: Mapping[str, Any], begins: float) -> tuple[str, ...]:
    """What holds for every encoder: regular closed key frames, time stamps as they are."""
    first = ceil(begins / KEY_SECONDS) * KEY_SECONDS
    return (
        *(
            "-flags:v",
            "+cgop",
            "-g",
            str(round(fastest_rate(video) * 2 * KEY_SECONDS)),
        ),
        *("-force_key_frames", f"expr:gte(t,{first}+n_forced*{KEY_SECONDS})"),
        *("-fps_mode", "vfr", "-enc_time_base:v", f"1:{TIMESCALE}"),
    )


def fastest_rate(video: Mapping[str, Any]) -> float:
    """The highest rate that a part of the film may have: of a variable rate, more than its average."""
    nominal = float(video.get("fps_nominal") or 0)
    return min(FASTEST, max(frame_rate(video), nominal if video.get("vfr") else 0.0))
