"""Postgres, Redis and the process supervisor behind `script/up`: one command runs every part of Alcoves."""
