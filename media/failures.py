"""What went wrong, in the words of `media.errors`, whoever raised it: a tool, a store, the database, the machine."""

import logging
from errno import EDQUOT, ENOSPC

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from media.errors import InfrastructureError, MediaError, PermanentError, TimedOutError, TransientError
from storage.errors import BlobNotFoundError, StoreError

logger = logging.getLogger(__name__)


def understood(error: Exception) -> MediaError:
    """Any exception as one of our families, so that a policy has only their cases."""
    if isinstance(error, MediaError):
        return error
    if isinstance(error, BlobNotFoundError):
        return PermanentError(
            "The stored original is missing. Restore it from a backup.", code="source_missing"
        )
    if isinstance(error, StoreError):
        return InfrastructureError(str(error), code=error.code)
    if isinstance(error, SoftTimeLimitExceeded):
        return TimedOutError("This took longer than its limit and was stopped.")
    if isinstance(error, MemoryError):
        return TransientError("This file needs more memory than there is.", code="out_of_memory")
    if isinstance(error, (OperationalError, InterfaceError)):
        return InfrastructureError(
            "The database or the machine was not able to go on; it is tried again.", detail=str(error)
        )
    if isinstance(error, OSError):
        return refused(error)
    logger.error("unexpected failure", exc_info=error)
    return TransientError(
        "An unexpected fault in the program; it is in the log.", code="crashed", detail=repr(error)
    )


def refused(error: OSError) -> InfrastructureError:
    """By the machine: a full disk in the middle of the work, or something else that is mended by its operator."""
    if error.errno in {ENOSPC, EDQUOT}:
        return InfrastructureError(
            "The disk for temporary files is full. Free some space.", code="disk_full", detail=str(error)
        )
    return InfrastructureError(
        f"The machine refused: {error.strerror or error}.", code="os_error", detail=str(error)
    )
