"""One class per kind of derivative. Adding a kind touches no other kind: a file, its test, a line in DERIVERS."""
