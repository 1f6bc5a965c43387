"""The operators' console over media: what went wrong, and doing it again. One module per noun."""

from media.admin import blobs, derivatives, files, libraries, originals, uploads

__all__ = ["blobs", "derivatives", "files", "libraries", "originals", "uploads"]
