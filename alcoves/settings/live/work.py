"""Trying again. Leases and the rounds of the reconciler are boot-time: every worker must have the same."""

from typing import Final

from alcoves.settings.live.row import Live

GROUP: Final = "Work"
ROWS: Final = (
    Live(
        name="MAX_RETRIES",
        group=GROUP,
        kind=int,
        default=2,
        low=0,
        high=10,
        unit="tries",
        env="ALCOVES_MAX_RETRIES",
        help="How often work that failed is tried again. Counts for the next failure; what has failed for good "
        "stays so until it is reprocessed.",
    ),
    Live(
        name="RETRY_SECONDS",
        group=GROUP,
        kind=float,
        default=30,
        low=0,
        high=600,
        unit="seconds",
        env="ALCOVES_RETRY_SECONDS",
        help="Pause before the second try; doubles each time, up to an hour.",
    ),
    Live(
        name="SWEEP_GRACE_SECONDS",
        group=GROUP,
        kind=int,
        default=120,
        low=0,
        high=86_400,
        unit="seconds",
        env="ALCOVES_SWEEP_GRACE_SECONDS",
        help="How long an output that was replaced stays for readers in mid-stream.",
    ),
    Live(
        name="ATTEMPTS_KEPT_DAYS",
        group=GROUP,
        kind=int,
        default=90,
        low=1,
        high=3650,
        unit="days",
        env="ALCOVES_ATTEMPTS_KEPT_DAYS",
        help="How long the history of jobs is kept: each try, with what programs said. The state of a job stays.",
    ),
    Live(
        name="AUDIT_KEPT_DAYS",
        group=GROUP,
        kind=int,
        default=0,
        low=0,
        high=36_500,
        unit="days",
        env="ALCOVES_AUDIT_KEPT_DAYS",
        help="How long the audit log is kept; 0 is for ever. Each night older entries are deleted, which is noted.",
    ),
)
