"""Few heaps instead of one for each thread: pictures are large, and what one thread frees another can use.

Eight heaps a core is what glibc does by itself; a process that has made pictures in ten threads then keeps hundreds of
megabytes that nobody uses. Set in the running process, because a web server is not started by us alone.
"""

import ctypes
import os
from typing import Final

ARENA_MAX: Final = -8
"""M_ARENA_MAX of glibc's malloc.h."""
FEW: Final = 2


def limit() -> None:
    """Does nothing where the C library is another, or an operator has said a number."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not os.environ.get("MALLOC_ARENA_MAX"):
        mallopt(ARENA_MAX, FEW)
