"""What can go wrong with a download, in the families of `media.errors`: passing, for good, or the house's."""

from media.errors import InfrastructureError, PermanentError, TransientError


class MirrorAwayError(TransientError):
    """The mirror does not answer, breaks off, or says that it cannot at the moment."""

    code = "mirror_away"


class PassingContentError(TransientError):
    """A page or a stump came where a model should: what error pages of caches and proxies look like."""

    code = "wrong_content"


class WrongContentError(PermanentError):
    """The mirror has something else under this address."""

    code = "wrong_content"


class NotOnMirrorError(PermanentError):
    """The mirror answers, and will not give the file."""

    code = "not_on_mirror"


class NoRoomError(InfrastructureError):
    """The disk of the models is too full."""

    code = "models_disk_full"


class BusyError(InfrastructureError):
    """Another process is writing this file."""

    code = "download_under_way"


class PausedError(InfrastructureError):
    """This turn is over; what has come stays, and the next turn goes on from there."""

    code = "download_paused"
