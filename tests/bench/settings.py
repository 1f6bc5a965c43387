"""Settings of the benches and of the workers and web processes they start. Their tasks are added here only."""

import os

from alcoves.settings import base
from tests.worker_settings import *  # noqa: F403  As all our settings do.

CELERY_IMPORTS = ("tests.bench.tasks",)
DERIVERS = {**base.DERIVERS}
KNOWN = {**DERIVERS, "noop": "tests.bench.tasks.NoopDeriver"}
if only := os.environ.get("ALCOVES_BENCH_DERIVERS"):
    DERIVERS = {name: KNOWN[name] for name in only.split()}
if os.environ.get("ALCOVES_BENCH_NO_CAPS"):
    LANE_CAPS = {}
