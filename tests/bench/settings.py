"""Settings of the benches and of the workers and web processes they start. Their tasks are added here only."""

import os

from alcoves.settings import base
from tests.worker_settings import *  # noqa: F403  As all our settings do.

CELERY_IMPORTS = ("tests.bench.tasks",)
DERIVERS = {**base.DERIVERS}
if os.environ.get("ALCOVES_BENCH_DERIVERS") == "noop":
    DERIVERS = {"noop": "tests.bench.tasks.NoopDeriver"}
if os.environ.get("ALCOVES_BENCH_NO_CAPS"):
    LANE_CAPS = {}
