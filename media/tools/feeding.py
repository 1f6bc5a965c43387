"""Gives a program its stdin from a stream of bytes, while another part of ours waits for the program's end.

    with feeding.fed(blocks) as stdin:
        ffmpeg.run(arguments, stdin=stdin)      # whose input is of `graphs.open_pipe`

What `blocks` raises is raised here, in place of what the program made of an input that broke off.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from media.tools.run import NOTHING

__all__ = ["NOTHING", "fed"]


class Feeder:
    """Writes until the blocks or the reader end."""

    def __init__(self, blocks: Iterable[bytes], pipe: int) -> None:
        self.blocks = blocks
        self.pipe = pipe
        self.trouble: Exception | None = None
        self.thread = threading.Thread(target=self.feed, name="feeder", daemon=True)

    def feed(self) -> None:
        try:
            with os.fdopen(self.pipe, "wb", buffering=0) as pipe:
                for block in self.blocks:
                    rest = memoryview(block)
                    while rest:
                        rest = rest[pipe.write(rest) :]
        except BrokenPipeError:
            # The program ended before its input did; its exit code says whether that is well.
            return
        except Exception as error:  # noqa: BLE001  Whatever it is belongs to who waits for the program.
            self.trouble = error


@contextmanager
def fed(blocks: Iterable[bytes]) -> Iterator[int]:
    """The end of a pipe to be given to one program as its stdin, once."""
    reading, writing = os.pipe()
    feeder = Feeder(blocks, writing)
    feeder.thread.start()
    try:
        yield reading
    except Exception as error:
        leave(feeder, reading)
        if feeder.trouble is not None:
            raise feeder.trouble from error
        raise
    except BaseException:
        leave(feeder, reading)
        raise
    leave(feeder, reading)
    if feeder.trouble is not None:
        raise feeder.trouble


def leave(feeder: Feeder, reading: int) -> None:
    """Nobody reads any more, so the feeder ends at its next write."""
    with suppress(OSError):
        os.close(reading)
    feeder.thread.join()
