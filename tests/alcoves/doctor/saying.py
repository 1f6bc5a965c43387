"""What findings of the doctor say, for tests that ask."""

from collections.abc import Iterable
from typing import NamedTuple

from alcoves.doctor.findings import Finding


class Usage(NamedTuple):
    f_bavail: int
    f_blocks: int
    f_frsize: int
    f_files: int
    f_favail: int


def levels(found: Iterable[Finding]) -> set[str]:
    return {str(one.level) for one in found} - {"ok", "note"}


def said(found: Iterable[Finding]) -> str:
    return " ".join(f"{one.sentence} {one.advice}" for one in found)
