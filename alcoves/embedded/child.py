"""A tiny program between the supervisor and each part: it prepares its own process, then becomes the part.

`child.py PARENT SIGNAL plain|user-namespace PROGRAM ARGUMENT...`

Started by path with `python -I -S`, so it imports the standard library only and costs about 20 ms. A function
run between fork and exec would do the same, but is not safe in a parent that has threads.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NOBODY = 65534
CANNOT_START = 125
NO_USER_NAMESPACE = 126


def main(arguments: list[str]) -> int:
    parent, death_signal, kind, *program = arguments
    # A shell that starts us in the background lets SIGINT and SIGQUIT be ignored; a part must hear both.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    libc = ctypes.CDLL(None, use_errno=True)
    if kind == "user-namespace":
        try:
            become_nobody(libc)
        except OSError as error:
            sys.stderr.write(f"user namespaces are not allowed here: {error.strerror}\n")
            return NO_USER_NAMESPACE
    # A change of credentials clears the death signal, so it comes after the namespace.
    libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        # The supervisor ended before the signal was armed: there is nobody left to work for.
        return CANNOT_START
    try:
        os.execvp(program[0], program)  # noqa: S606 -- becoming the part is the whole purpose.
    except OSError as error:
        sys.stderr.write(f"{program[0]} cannot be started: {error.strerror}\n")
        return CANNOT_START


def become_nobody(libc: ctypes.CDLL) -> None:
    """Enter a user namespace in which this user looks like `nobody`: Postgres refuses to run as root."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1", encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
