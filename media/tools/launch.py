"""The few lines between `media.tools.run` and a program: limits, priority, and the tie to the parent.

Run as a script by `python -S -E -I` (about 10 ms) with this command line:

    launch.py PARENT_PID NICE MEMORY_BYTES FILE_BYTES CPU_SECONDS PROGRAM ARGUMENT...

A limit of 0 is no limit. It is a script and not a `preexec_fn`, because code between fork and exec in a
parent with threads (libvips, onnxruntime, a heartbeat) can hang on a lock that no thread will release.
It imports nothing of ours: it must start fast, and under any interpreter flags.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_START = 127
"""The exit code of shells for 'command not found'."""


def main(argv: list[str]) -> int:
    parent, nice, memory, file_size, cpu = (int(value) for value in argv[:5])
    command = argv[5:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the signal was asked for; nobody waits for this work any more.
        return 1
    limit(resource.RLIMIT_AS, memory)
    limit(resource.RLIMIT_FSIZE, file_size)
    # The soft limit sends SIGXCPU, which tells us why; only a child that survives that is killed.
    limit(resource.RLIMIT_CPU, cpu, above=5)
    limit(resource.RLIMIT_CORE, 0, none_is=0)
    if nice:
        os.nice(nice)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores these two, and what is ignored stays so across exec.
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606 - No shell is the point.
    except OSError as error:
        sys.stderr.write(f"launch: {command[0]}: {error.strerror}\n")
        return CANNOT_START


def limit(which: int, value: int, *, none_is: int = resource.RLIM_INFINITY, above: int = 0) -> None:
    """Lower a limit, never above what the parent itself may have."""
    _, hard = resource.getrlimit(which)
    wanted = value or none_is
    if wanted == resource.RLIM_INFINITY:
        return
    top = wanted + above if hard == resource.RLIM_INFINITY else min(wanted + above, hard)
    resource.setrlimit(which, (min(wanted, top), top))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
