"""Tests of the pure picture work."""
