"""What goes wrong inside the host. `wire` carries it to the client as a word and a sentence."""


class UnusableError(Exception):
    """The file is no model, or not of the kind that was asked for: no second try."""


class FailedError(Exception):
    """This run has failed; another may not."""
