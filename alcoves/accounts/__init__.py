"""Users, tokens and who may come in."""
