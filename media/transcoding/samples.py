"""The sound of one track as mono samples of 32 bits on stdout: what waveforms are drawn of, and what models hear."""

from typing import Final

from media.sniffing import described
from media.tools import graphs
from media.tools.sources import Source

LONGEST: Final = 7 * 24 * 3600.0
"""Seconds that are decoded. What goes on longer is cut off there: at one sample a second, 100 MB are three years."""
LONG: Final = 4 * 3600.0
"""Seconds. Of a longer MP4 ffmpeg is not let hold the index twice (64 MB more for ten hours), which it does to leave
out what an edit list cuts from the middle. Recordings of that length have only the plain kind, which works."""
WHOLE_BUFFERS: Final = ("-flush_packets", "0")
"""ffmpeg writes its pipe in 32 KB and not each frame of 2 KB: that was 36,000 wake-ups of ours for 20 minutes."""


def arguments(
    source: Source, mime: str, track: int, rate: int, duration: float | None, *, chain: str = ""
) -> list[str]:
    """For `ffmpeg.stream`. `track` is the index of a stream, `rate` in samples a second, `chain` what comes before."""
    demuxer = described(mime).demuxer
    lean = ("-advanced_editlist", "0") if demuxer == "mov" and (duration or 0) > LONG else ()
    sound = graphs.open_input(source, demuxer, *lean).track(track)
    samples = ("-ac", "1", "-ar", str(rate), "-c:a", "pcm_f32le", "-f", "f32le", *WHOLE_BUFFERS)
    options = ("-vn", "-sn", "-dn", *samples)
    return graphs.arguments(graphs.write(graphs.PIPE, sound.chain(chain), options=options))
