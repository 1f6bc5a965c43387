"""Filter chains for the picture: upright, square pixels, even sizes, and colours that are BT.709 in the end.

ffmpeg turns and mirrors by the display matrix before any chain of ours. HDR is tone-mapped: the proxy goes
through `film`, the frames of posters through `strategies_for`, and both through the same few links:

    hdr           linear light, Hable tone mapping, BT.709. For PQ and HLG only: it would darken SDR.
    hdr_declared  the same for HDR whose tags are incomplete: BT.2020 is declared
    hdr_swscale   the same idea by ffmpeg's own scaler, for builds without zscale
    sdr           scaled with the colour matrix declared (BT.709 for HD that does not say)
    sdr_no_seek   the same from the first frame: single frames, files without an index
    plain         the last resort: scaled, nothing else
"""

from collections.abc import Mapping
from typing import Any, Final

from media.tools import ffmpeg
from media.transcoding.ceilings import FASTEST, LONG_SIDE, SHORT_SIDE

TONE_MAP: Final = f"{ffmpeg.TONE_MAP},zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
TRANSFERS: Final = {"pq": "smpte2084", "hlg": "arib-std-b67"}
MATRICES: Final = {"bt709": "bt709", "bt2020nc": "bt2020", "bt2020c": "bt2020", "smpte240m": "smpte240m"}
"""Of the scaler's names. Everything else that is told is BT.601 by one of its names."""

OTHER_PRIMARIES: Final = {
    "smpte170m": "170m",
    "bt470bg": "bt470bg",
    "bt470m": "bt470m",
    "smpte240m": "240m",
    "film": "film",
    "bt2020": "2020",
    "smpte431": "smpte431",
    "smpte432": "smpte432",
}
"""Gamuts that are not that of BT.709, by zscale's names."""
ZSCALE_MATRICES: Final = {
    "bt709": "709",
    "bt601": "170m",
    "bt2020": "2020_ncl",
    "smpte240m": "240m",
}
TAGGED: Final = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
FORGOTTEN: Final = "sidedata=mode=delete"
"""What a film says of the screen it was graded on would make players take the SDR proxy for HDR."""
MAYBE_INTERLACED: Final = frozenset({"mpeg2video", "dvvideo"})
"""Codecs of television and camcorders, whose containers do not always tell: each frame does."""
SLOT: Final = f"*{FASTEST:g}+0.01"
THINNED: Final = f"select=floor(t{SLOT})-floor(prev_t{SLOT})"
"""At most so many frames a second, at their own times: the first of each sixtieth. `fps` would make up those that are
missing, and where hours lie between two frames that fills any memory. A hair is for times that are not exact."""
DEINTERLACE: Final = "bwdif=mode=send_frame:parity=auto:deint=interlaced"


def film(facts: Mapping[str, Any], *, zscale: bool) -> str:
    """The whole chain of a proxy: yuv420p in BT.709, at most 1080 on the short side, at most 60 frames a second."""
    video = facts["video"]
    links = []
    if video.get("interlaced") or video["codec"] in MAYBE_INTERLACED:
        links.append(DEINTERLACE)
    if is_thinned(video):
        links.append(THINNED)
    if video.get("hdr"):
        links.append(FORGOTTEN)
    links.append(coloured(video, proxy_size(int(facts["width"]), int(facts["height"])), zscale=zscale))
    return ",".join([*links, "setsar=1", TAGGED])


def is_thinned(video: Mapping[str, Any]) -> bool:
    return frame_rate(video) > FASTEST + 0.5


def lasting(video: Mapping[str, Any]) -> str:
    """How long a frame stands at least, in ticks: what is left of a thinned film has the length of what went."""
    return f"max(DURATION,1/{FASTEST:g}/TB)" if is_thinned(video) else "DURATION"


def coloured(video: Mapping[str, Any], size: tuple[int, int], *, zscale: bool) -> str:
    """Scaled, and from whatever colours the film has to yuv420p in BT.709."""
    if video.get("hdr"):
        return tone_mapped(video, size) if zscale else f"{swscaled(video, size)},format=yuv420p"
    width, height = size
    matrix, full = matrix_of(video), video.get("color_range") == "pc"
    primaries = OTHER_PRIMARIES.get(str(video.get("color_primaries")))
    if primaries and zscale:
        told = f"pin={primaries}:tin=709:min={ZSCALE_MATRICES[matrix]}:rin={'full' if full else 'limited'}"
        whole = f"{told}:p=709:t=709:m=709:r=limited,format=yuv420p"
        return f"{evened(video)}zscale=w={width}:h={height}:filter=bicubic:{whole}"
    told = f"in_color_matrix={matrix}:in_range={'pc' if full else 'tv'}:out_color_matrix=bt709:out_range=tv"
    return f"scale={width}:{height}:flags=bicubic:{told},format=yuv420p"


def tone_mapped(video: Mapping[str, Any], size: tuple[int, int], *, declared: bool = True) -> str:
    """HDR to BT.709 by zscale. `declared` says what such films are, for those whose tags are incomplete."""
    width, height = size
    told = f"tin={TRANSFERS[video['hdr']]}:pin=bt2020:min=bt2020nc:" if declared else ""
    return f"{evened(video)}zscale=w={width}:h={height}:{told}t=linear:npl=100,{TONE_MAP}"


def evened(video: Mapping[str, Any]) -> str:
    """zscale takes no odd size with halved colour: such a frame gets whole colour first."""
    odd = video["stored_width"] % 2 or video["stored_height"] % 2
    return "format=yuv444p10le," if odd else ""


def swscaled(video: Mapping[str, Any], size: tuple[int, int]) -> str:
    """HDR to BT.709 by ffmpeg's own scaler (8 and later), for builds without zscale."""
    known = (
        f"in_primaries=bt2020:in_transfer={TRANSFERS[video['hdr']]}:out_primaries=bt709:out_transfer=bt709"
    )
    return f"scale={size[0]}:{size[1]}:{known}"


def strategies_for(video: Mapping[str, Any], size: tuple[int, int], *, zscale: bool) -> dict[str, str]:
    """Chains for one frame as RGB, by name, in the order they are tried."""
    scale = f"scale={size[0]}:{size[1]}"
    found: dict[str, str] = {}
    if video.get("hdr") and zscale:
        rgb = "scale=in_color_matrix=bt709:in_range=tv"
        found["hdr"] = f"{tone_mapped(video, size, declared=False)},{rgb}"
        found["hdr_declared"] = f"{tone_mapped(video, size)},{rgb}"
    elif video.get("hdr"):
        found["hdr_swscale"] = swscaled(video, size)
    sdr = f"{scale}:flags=bicubic:in_color_matrix={matrix_of(video)},setsar=1"
    return found | {"sdr": sdr, "sdr_no_seek": sdr, "plain": f"{scale},setsar=1"}


def matrix_of(video: Mapping[str, Any]) -> str:
    """What the file says; where it says nothing, BT.709 for HD and BT.601 below, as players do."""
    told = MATRICES.get(str(video.get("color_space")))
    if told:
        return told
    if video.get("color_space"):
        return "bt601"
    return "bt709" if video["stored_height"] >= 720 else "bt601"


def proxy_size(width: int, height: int) -> tuple[int, int]:
    """As displayed, at most 1080 on the shorter side, even, never larger."""
    factor = min(1.0, SHORT_SIDE / min(width, height), LONG_SIDE / max(width, height))
    return even(width * factor), even(height * factor)


def even(side: float) -> int:
    """Rounded down, so that nothing is enlarged; a hair is forgiven for the division."""
    return max(2, int(side + 1e-6) // 2 * 2)


def frame_rate(video: Mapping[str, Any]) -> float:
    """Frames a second on average; 30 where nobody knows."""
    return float(video.get("fps") or video.get("fps_nominal") or 30.0)
