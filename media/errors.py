"""What can go wrong with media, in three families that decide what happens to the row.

PermanentError       the file itself cannot be used: no second try, the reason stays on the row.
TransientError       worth another try: counts as one of the deriver's attempts.
InfrastructureError  not the file's fault (store, disk, database): tried again, never costs an attempt.
RunAbandonedError    this run no longer owns its row (cancelled, superseded, lease lost): stop and say nothing.

`code` is stable and for programs; the message is a sentence for people and says what to do.
"""


class MediaError(Exception):
    """Base of all. Knows its code, its HTTP status and whether trying again may help."""

    code: str = "media_error"
    http_status: int = 500
    retry: bool = False
    retry_after: int = 30
    """Seconds, where trying again may help."""

    def __init__(self, message: str, *, code: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.detail = detail
        """For staff only: the end of stderr, a path, a number."""


class PermanentError(MediaError):
    """These bytes will never give this result."""

    code = "unusable_file"
    http_status = 422


class UnsupportedTypeError(PermanentError):
    """A type we do not read, or that this machine lacks the decoder for."""

    code = "unsupported_type"
    http_status = 415


class DamagedFileError(PermanentError):
    """The type is right, the content is broken."""

    code = "damaged_file"


class TooLargeError(PermanentError):
    """Over a limit that is checked before decoding: pixels, frames, bytes, duration."""

    code = "over_limit"


class TransientError(MediaError):
    """May work next time; counts as an attempt."""

    code = "try_again"
    http_status = 503
    retry = True


class TimedOutError(TransientError):
    """The work took longer than its limit."""

    code = "timed_out"


class InfrastructureError(MediaError):
    """The house, not the guest: disk, store, database, missing tool. Never burns an attempt."""

    code = "infrastructure"
    http_status = 503
    retry = True


class ToolMissingError(InfrastructureError):
    """A program or library that this work needs is not on this machine."""

    code = "tool_missing"


class WaitingError(InfrastructureError):
    """Waits for what somebody brings (a model, a licence that is accepted), perhaps for long.

    Looked at again after `retry_after` seconds, and not every half minute as after other troubles of the house. Who
    brings it calls `media.ledger.wake`, and the rows are due at once.
    """

    code = "waiting"
    retry_after = 3600


class RunAbandonedError(MediaError):
    """The run has lost its claim: cancelled, asked for anew, or its lease ran out."""

    code = "abandoned"


class RequestError(MediaError):
    """Something a person asked for that cannot be done; the sentence says why."""

    code = "bad_request"
    http_status = 400


class NotAllowedError(RequestError):
    """A member asks for more than the role gives."""

    code = "not_allowed"
    http_status = 403


class HeldError(RequestError):
    """The operators have set the file aside: it is there, and its bytes are not for anybody."""

    code = "set_aside"
    http_status = 451

    def __init__(self) -> None:
        super().__init__("This file was set aside by the operators. Ask them why, and when it comes back.")


class ConflictError(RequestError):
    """What was asked for clashes with what is there."""

    code = "conflict"
    http_status = 409
