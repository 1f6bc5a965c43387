"""Alerts: what operators are told by mail or webhook when nobody looks."""
