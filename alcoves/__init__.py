"""The project: assembly, and who may come in."""
