"""What can go wrong with a backup or a restore: one sentence that says what happened and what to do."""


class BackupError(Exception):
    """A person can put it right; the sentence says how."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BusyError(BackupError):
    """Somebody else is at it."""


class LostError(BackupError):
    """The row was taken from this process, which has been thought dead."""


class DamagedError(BackupError):
    """The set itself is not whole: not the passphrase, and not a target that is away."""


class UntouchedError(BackupError):
    """The database is what it was: it broke off before anything of it went."""
