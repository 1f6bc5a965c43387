"""The operators' console over media: what went wrong, and doing it again. One module per noun."""

from media.admin import (
    attempts,
    audit,
    blobs,
    cached_images,
    derivatives,
    files,
    folders,
    formats,
    libraries,
    moments,
    originals,
    shares,
    stacks,
    steering,
    switchings,
    uploads,
)

__all__ = [
    "attempts",
    "audit",
    "blobs",
    "cached_images",
    "derivatives",
    "files",
    "folders",
    "formats",
    "libraries",
    "moments",
    "originals",
    "shares",
    "stacks",
    "steering",
    "switchings",
    "uploads",
]
