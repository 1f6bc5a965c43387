"""What can go wrong on a person's machine: one sentence, shown without a stack trace."""


class EmbeddedError(Exception):
    """The message says what happened and what to do about it."""
