"""The operators' console over understanding. One module per noun."""

from ml.admin import decisions, embeddings, events, models, people, transcripts

__all__ = ["decisions", "embeddings", "events", "models", "people", "transcripts"]
