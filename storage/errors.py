"""What can go wrong with a blob store, as one small family that knows whether trying again helps."""


class StoreError(Exception):
    """Something failed in a blob store. `retry` tells whether the same call may succeed later."""

    retry: bool = False
    code: str = "store_error"
    http_status: int = 500


class InvalidKeyError(StoreError):
    """The key is not one a store accepts: empty, too long, absolute, or climbing out of its folder."""

    code = "invalid_key"
    http_status = 400


class BlobNotFoundError(StoreError):
    """No blob has this key."""

    code = "blob_not_found"
    http_status = 404


class BlobExistsError(StoreError):
    """`if_absent` was asked for and a blob with this key is already there."""

    code = "blob_exists"
    http_status = 409


class ChecksumMismatchError(StoreError):
    """The bytes that arrived are not the bytes that were promised."""

    code = "checksum_mismatch"
    http_status = 422


class SizeMismatchError(StoreError):
    """More or fewer bytes arrived than were promised."""

    code = "size_mismatch"
    http_status = 422


class RangeError(StoreError):
    """The range begins beyond the end of the blob."""

    code = "range_not_satisfiable"
    http_status = 416


class SignatureError(StoreError):
    """A signed URL was changed, has expired, or permits something else."""

    code = "bad_signature"
    http_status = 403


class StoreAccessError(StoreError):
    """The store refuses us: wrong credentials, missing bucket, no permission. An operator must act."""

    code = "store_access"
    http_status = 503


class StoreFullError(StoreError):
    """No space is left. Worth trying again once somebody has made room."""

    retry = True
    code = "store_full"
    http_status = 507


class StoreUnavailableError(StoreError):
    """The store did not answer in time or is down for the moment."""

    retry = True
    code = "store_unavailable"
    http_status = 503


class UnreadableError(StoreUnavailableError):
    """The disk has the blob and cannot read its bytes. Other blobs beside it may well be read."""
