"""Bytes by key, on local disk, in S3 or in memory. Knows nothing of media."""
