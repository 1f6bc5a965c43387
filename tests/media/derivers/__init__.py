"""Tests of what each deriver makes, on media made here."""
