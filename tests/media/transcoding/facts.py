"""Probes by hand, for pure code that is asked about films nobody has filmed."""

from typing import Any


def film(**video: Any) -> dict[str, Any]:
    """An MP4 of H.264 and AAC that every browser plays; `video` says what is different."""
    stream = {
        "index": 0,
        "codec": "h264",
        "profile": "High",
        "level": 40,
        "pix_fmt": "yuv420p",
        "bit_depth": 8,
        "stored_width": 1920,
        "stored_height": 1080,
        "fps": 30.0,
        "fps_nominal": 30.0,
        "vfr": False,
        "interlaced": False,
        "mirrored": False,
        **video,
    }
    return {
        "kind": "video",
        "width": stream["stored_width"],
        "height": stream["stored_height"],
        "duration": 60.0,
        "bit_rate": 5_000_000,
        "video": stream,
        "audio": [track()],
    }


def track(**changes: Any) -> dict[str, Any]:
    return {
        "index": 1,
        "codec": "aac",
        "profile": "LC",
        "channels": 2,
        "sample_rate": 48_000,
        "language": None,
        "title": None,
        "default": True,
        **changes,
    }


def recording(**changes: Any) -> dict[str, Any]:
    return {"kind": "audio", "duration": 60.0, "bit_rate": 128_000, "audio": [track(index=0, **changes)]}
