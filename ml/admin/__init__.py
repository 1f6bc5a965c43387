"""The operators' console over understanding. One module per noun."""

from ml.admin import models

__all__ = ["models"]
