"""Backup, restore, verification and maintenance mode."""
