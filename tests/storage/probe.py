"""Runs in a process of its own: how much memory does putting a big blob take?"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.utils.module_loading import import_string

MIB = 1024 * 1024


def _peak() -> int:
    """The most memory this process has ever had. ru_maxrss would count the parent's before exec."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _stream(megabytes: int) -> Iterator[bytes]:
    for number in range(megabytes):
        yield bytes([number % 251]) * MIB


def growth_of_put(backend: str, options: dict[str, Any], megabytes: int) -> tuple[int, int]:
    """(bytes the peak grew by, size of the blob), after a small put has loaded everything."""
    store = import_string(backend)("probe", **options)
    store.put("small", [b"x"])
    before = _peak()
    stat = store.put("big", _stream(megabytes))
    return _peak() - before, stat.size
