"""Whether bytes can be those of a model: no page, no pointer, not too few, the right digest. Pure."""

import hashlib
from pathlib import Path
from typing import Final

from ml.downloads.errors import PassingContentError, WrongContentError

HEAD: Final = 512
BLOCK: Final = 1024 * 1024
POINTER: Final = b"version https://git-lfs.github.com/spec/"
"""How a Git LFS pointer begins (git-lfs, docs/spec.md)."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def check_head(name: str, head: bytes) -> None:
    """The first bytes, whatever type the server has declared. No model and no table of ours begins with '<'."""
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(b"<"):
        raise PassingContentError(
            f"A web page came instead of {name}. Look whether the mirror's address is right."
        )
    if text.startswith(POINTER):
        raise WrongContentError(
            f"A Git LFS pointer came instead of {name}. Put the file itself on the mirror (git lfs pull)."
        )


def check_size(name: str, size: int, *, exact: int | None, minimum: int) -> None:
    if exact is not None and size != exact:
        raise WrongContentError(f"{name} should have {exact} bytes and has {size}: this is another file.")
    if size < minimum:
        raise PassingContentError(
            f"{name} has only {size} bytes, at least {minimum} are needed: it is no model."
        )


def check_digest(name: str, found: str, expected: str | None) -> None:
    if expected and found != expected:
        raise WrongContentError(
            f"{name} is not the file it should be: its SHA-256 is {found[:12]}..., not {expected[:12]}... ."
        )


def digest_of(path: Path) -> str:
    """SHA-256 in hex, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
