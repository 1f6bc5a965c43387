"""The nouns. Models know no flow, no task and no store; queries live on the QuerySet beside their model."""

from media.models.attempt import Attempt
from media.models.audit import AuditEntry
from media.models.base import uuid7
from media.models.blob import UnnamedBlob
from media.models.bulk import Bulk
from media.models.cached_image import CachedImage
from media.models.control import Control, WorkerReport
from media.models.derivative import Derivative
from media.models.file import File
from media.models.folder import Folder
from media.models.hold import SweepHold
from media.models.library import Library, Membership, Switching
from media.models.moment import Moment, MomentShare
from media.models.original import Original
from media.models.stack import Stack
from media.models.tag import Tag
from media.models.tally import Tally, TallyChange
from media.models.upload import Upload

__all__ = [
    "Attempt",
    "AuditEntry",
    "Bulk",
    "CachedImage",
    "Control",
    "Derivative",
    "File",
    "Folder",
    "Library",
    "Membership",
    "Moment",
    "MomentShare",
    "Original",
    "Stack",
    "SweepHold",
    "Switching",
    "Tag",
    "Tally",
    "TallyChange",
    "UnnamedBlob",
    "Upload",
    "WorkerReport",
    "uuid7",
]
