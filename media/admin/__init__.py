"""The operators' console over media: what went wrong, and doing it again. One module per noun."""

from media.admin import (
    blobs,
    cached_images,
    derivatives,
    files,
    formats,
    libraries,
    moments,
    originals,
    stacks,
    uploads,
)

__all__ = [
    "blobs",
    "cached_images",
    "derivatives",
    "files",
    "formats",
    "libraries",
    "moments",
    "originals",
    "stacks",
    "uploads",
]
