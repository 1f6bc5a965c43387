"""The operators' console over understanding. One module per noun."""

from ml.admin import embeddings, events, models, people, transcripts

__all__ = ["embeddings", "events", "models", "people", "transcripts"]
