"""Tests of the doors to programs and libraries."""
