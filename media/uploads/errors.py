"""What can go wrong on the way in. Each is one sentence for the person who uploads."""

from media.errors import ConflictError, RequestError


class EmptyFileError(RequestError):
    """Nothing to keep: every way in refuses files of no bytes."""

    code = "empty_file"
    http_status = 422


class TooLongError(RequestError):
    """More bytes than the server takes, or than the client declared."""

    code = "too_large"
    http_status = 413


class ClientGoneError(RequestError):
    """The body ended before its declared end. Nobody is left to read this answer."""

    code = "body_ended_early"


class OffsetError(ConflictError):
    """The client goes on at another byte than the one we wait for."""

    code = "offset_mismatch"


class LockedError(RequestError):
    """Another request is writing to the same upload."""

    code = "upload_busy"
    http_status = 423
    retry = True


class ChecksumError(RequestError):
    """460 is the status that the tus checksum extension asks for."""

    code = "checksum_mismatch"
    http_status = 460


class GoneError(RequestError):
    """The upload was here and cannot go on: expired, finished, or its bytes were swept."""

    code = "upload_gone"
    http_status = 410


class NotThereYetError(ConflictError):
    """Confirmed before the bytes have arrived in the store."""

    code = "not_uploaded"


class BrokenPromiseError(RequestError):
    """The bytes in the store are not the ones that were promised."""

    code = "promise_broken"
    http_status = 422


class NoSuchUploadError(RequestError):
    """Unknown, or somebody else's: both look the same from outside."""

    code = "upload_not_found"
    http_status = 404
