"""What names a blob: files are named by originals and outputs, pictures of people by their rows."""

from collections.abc import Iterable
from typing import Final

from alcoves.accounts import avatars
from alcoves.accounts.avatars import AVATARS
from media import blobs, orphans
from media.models.blob import FILES

STORES: Final = (FILES, AVATARS)


def find_named(store: str, keys: Iterable[str]) -> set[str]:
    """Those that a row names, whatever the register of unnamed blobs says."""
    return blobs.NAMERS[store](keys)


def find_unnamed(store: str, keys: list[str]) -> set[str]:
    """Those that neither a row nor the register knows."""
    return avatars.find_unnamed(keys) if store == AVATARS else orphans.find_unnamed(keys)
