"""A process whose watch looks at once, and tells the hook of a test."""

from tests.worker_settings import *  # noqa: F403  A settings module is its base and a few changes.

ALERT_WATCH = (0.2, 1.0)
