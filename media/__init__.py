"""Libraries, files and everything made from them without a model."""
