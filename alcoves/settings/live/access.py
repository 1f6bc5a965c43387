"""Logging in, and who may read the metrics."""

from typing import Final

from alcoves.settings.live.row import Live

LOGIN: Final = "Logging in"
METRICS: Final = "Metrics"
ROWS: Final = (
    Live(
        name="LOGIN_FAILURES",
        group=LOGIN,
        kind=int,
        default=10,
        low=1,
        high=1000,
        unit="passwords",
        env="ALCOVES_LOGIN_FAILURES",
        help="Wrong passwords before an account is locked for one address.",
    ),
    Live(
        name="LOGIN_COOLOFF_MINUTES",
        group=LOGIN,
        kind=int,
        default=15,
        low=1,
        high=10_080,
        unit="minutes",
        env="ALCOVES_LOGIN_COOLOFF_MINUTES",
        help="How long it stays locked.",
    ),
    Live(
        name="METRICS_ENABLED",
        group=METRICS,
        kind=bool,
        default=True,
        env="ALCOVES_METRICS_ENABLED",
        help="Off: /metrics of the web part and of the workers answers 404 to everybody.",
    ),
    Live(
        name="METRICS_AUTH",
        group=METRICS,
        kind=bool,
        default=True,
        env="ALCOVES_METRICS_AUTH",
        help="On: /metrics of the web part is for this machine, staff and whoever has the token. Off: for everybody "
        "who reaches it.",
    ),
)
