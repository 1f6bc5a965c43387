"""Arguments of the picture's encoder: CRF 23, preset medium, High, level 4.1 or the lowest that is true.

Key frames come every two seconds and close their group, so that scrubbing is quick and clips can be cut.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from media.transcoding.ceilings import FASTEST, Ceilings
from media.transcoding.picture import frame_rate, proxy_size

CRF: Final = 23
PRESET: Final = "medium"
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


def level_for(width: int, height: int, rate: float) -> str:
    """4.1 where it holds, else the lowest that does: a level that lies breaks hardware decoders."""
    blocks = ceil(width / 16) * ceil(height / 16)
    for level, a_second, a_frame in LEVELS:
        if blocks <= a_frame and blocks * rate <= a_second:
            return level
    return LEVELS[-1][0]


def arguments(facts: Mapping[str, Any], ceilings: Ceilings) -> tuple[str, ...]:
    """For libx264. The same for a whole film and for a piece of it."""
    size = proxy_size(int(facts["width"]), int(facts["height"]))
    return (
        *("-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF)),
        *("-maxrate", str(ceilings.bit_rate), "-bufsize", str(2 * ceilings.bit_rate)),
        *("-profile:v", "high", "-level:v", level_for(*size, fastest_rate(facts["video"]))),
        *common(facts["video"]),
    )


def common(video: Mapping[str, Any]) -> tuple[str, ...]:
    """What holds for every encoder: pixel format, regular closed key frames, time stamps as they are."""
    return (
        *(
            "-pix_fmt",
            "yuv420p",
            "-flags:v",
            "+cgop",
            "-g",
            str(round(fastest_rate(video) * 2 * KEY_SECONDS)),
        ),
        *("-force_key_frames", f"expr:gte(t,n_forced*{KEY_SECONDS})"),
        *("-fps_mode", "vfr", "-enc_time_base:v", f"1:{TIMESCALE}", "-video_track_timescale", str(TIMESCALE)),
    )


def fastest_rate(video: Mapping[str, Any]) -> float:
    """The highest rate that a part of the film may have: of a variable rate, more than its average."""
    nominal = float(video.get("fps_nominal") or 0)
    return min(FASTEST, max(frame_rate(video), nominal if video.get("vfr") else 0.0))
