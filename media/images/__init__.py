"""Pure picture work: decode within limits, fit into a box, encode, placeholders. No Django, no store."""
