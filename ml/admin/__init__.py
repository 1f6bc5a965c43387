"""The operators' console over understanding. One module per noun."""

from ml.admin import models, people

__all__ = ["models", "people"]
