"""WAV files whose header was never finished: writers to a pipe leave 0xFFFFFFFF as the size of a chunk.

ffmpeg trusts such a chunk, reads past the samples and gives up. Where the sound is plain PCM, the samples can
be read from where they begin, with the parameters of the `fmt` chunk.
"""

import struct
from typing import Final

from media.tools.sources import Source, head_of, size_of

HEAD: Final = 64 * 1024
CODINGS: Final = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}


def unfinished_options(source: Source) -> dict[str, str] | None:
    """Options that open the samples as raw PCM; None for a header that ffmpeg can read."""
    head, size = head_of(source, HEAD), size_of(source)
    shape: tuple[int, int, int, int] | None = None
    position = 12
    while position + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, position)
        if name == b"data":
            return None
        if name == b"fmt " and position + 24 <= len(head):
            shape = struct.unpack_from("<HHI6xH", head, position + 8)
        if position + 8 + length > size:
            return raw_options(shape, head.find(b"data", position + 8))
        position += 8 + length + length % 2
    return None


def raw_options(shape: tuple[int, int, int, int] | None, data: int) -> dict[str, str] | None:
    if shape is None or data < 0:
        return None
    coding, channels, rate, bits = shape
    demuxer = CODINGS.get((coding, bits))
    if demuxer is None or not 1 <= channels <= 64 or not 1000 <= rate <= 768_000:
        return None
    layout = {"sample_rate": str(rate), "ch_layout": f"{channels}c"}
    return {"f": demuxer, **layout, "skip_initial_bytes": str(data + 8)}
