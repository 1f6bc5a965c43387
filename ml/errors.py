"""What can go wrong with models, in the families of `media.errors`."""

from media.errors import PermanentError, RequestError, TransientError, WaitingError


class ModelMissingError(WaitingError):
    """The model is not on this machine: it is being fetched, or could not be. `ml.downloads` wakes the rows."""

    code = "model_missing"


class LicenceError(WaitingError):
    """Nobody has accepted the licence of the model yet. Accepting it wakes the rows."""

    code = "licence_not_accepted"
    retry_after = 6 * 3600


class ModelError(PermanentError):
    """The file of a model is not what its contract says: inputs, outputs, number of labels."""

    code = "model_unusable"


class HostLostError(TransientError):
    """The process that runs the models has gone away in mid-work; it is started anew for the next try."""

    code = "model_host_lost"


class UnknownModelError(RequestError):
    """A model that the registry does not have, or that is not available."""

    code = "model_unavailable"
