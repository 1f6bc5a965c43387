"""Processes as /proc shows them, and the argument list that ties a child's life to its parent's."""

import contextlib
import os
import signal
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

CHILD_PROGRAM = Path(__file__).with_name("child.py")
PR_SET_CHILD_SUBREAPER = 36


def tied(argv: Sequence[str], *, death_signal: signal.Signals, user_namespace: bool = False) -> list[str]:
    """`argv` so that it gets `death_signal` when the calling thread's process ends, however it ends.

    Linux ties the signal to the *thread* that starts the child: start it from one that lives on.
    """
    kind = "user-namespace" if user_namespace else "plain"
    return [
        sys.executable,
        *("-I", "-S", str(CHILD_PROGRAM)),
        *(str(os.getpid()), str(int(death_signal)), kind),
        *argv,
    ]


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs; a zombie does not."""
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in {"Z", "X"}


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name: state first, then parent, ..."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def start_ticks(pid: int) -> str | None:
    """When the process began, in clock ticks since boot: with the id, it names one process for ever."""
    fields = stat_fields(pid)
    return fields[19] if fields is not None and fields[0] not in {"Z", "X"} else None


def command_line(pid: int) -> list[str]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode(errors="replace") for part in raw.split(b"\0") if part]


def children_of(pid: int) -> list[int]:
    """Direct children, zombies included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat_fields(int(entry.name))
            if fields is not None and int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def descendants_of(pid: int) -> list[int]:
    """Children, their children, and so on: the living ones."""
    found: list[int] = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return [each for each in found if is_alive(each)]


def adopt_orphans() -> None:
    """Make orphaned grandchildren ours instead of init's, so that none escapes the final sweep."""
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def signal_process(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_group(pid: int) -> None:
    """Kill the process group that `pid` leads, whether or not `pid` itself still lives."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Reaper:
    """Takes away the zombies among adopted orphans: nobody else waits for them.

    A child of our own is a zombie only until its waiter has looked, so one that is still there at the next look
    is nobody's. asyncio's children and those of `subprocess` in threads are therefore left alone.
    """

    def __init__(self) -> None:
        self.seen: set[tuple[int, str]] = set()

    def look(self, ours: Collection[int]) -> list[int]:
        """Call it now and then; `ours` are never touched. Returns what was reaped."""
        now = {each for each in zombies_of(os.getpid()) if each[0] not in ours}
        reaped = [pid for pid, _ in now & self.seen]
        for pid in reaped:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self.seen = now
        return reaped


def zombies_of(parent: int) -> Iterator[tuple[int, str]]:
    """Process id and start time of each child that has ended and was not waited for."""
    for pid in children_of(parent):
        fields = stat_fields(pid)
        if fields is not None and fields[0] == "Z":
            yield pid, fields[19]


def sweep_adopted() -> list[int]:
    """Kill and reap every child of this process, at its very end: the orphans that parts left behind."""
    killed = []
    for pid in children_of(os.getpid()):
        for each in [pid, *descendants_of(pid)]:
            signal_process(each, signal.SIGKILL)
        killed.append(pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    return killed
