"""Pictures on demand, their cache, and posters that people upload."""

from typing import Final

from alcoves.settings.live.row import Live

GROUP: Final = "Pictures"
ROWS: Final = (
    Live(
        name="IMAGE_PREWARM_ENABLED",
        group=GROUP,
        kind=bool,
        default=True,
        env="ALCOVES_IMAGE_PROXY_PREWARM_ENABLED",
        help="Makes the sizes of all pictures ahead, hourly. Off: each is made when somebody first looks.",
    ),
    Live(
        name="IMAGE_CACHE_MAX_BYTES",
        group=GROUP,
        kind=int,
        default=10 * 1024**3,
        low=1,
        high=2**50,
        unit="bytes",
        env="ALCOVES_IMAGE_CACHE_MAX_BYTES",
        help="What the image cache may take. A lower value empties it down to there at the next round of upkeep.",
    ),
    Live(
        name="IMAGE_QUEUE_LIMIT",
        group=GROUP,
        kind=int,
        default=500,
        low=1,
        high=100_000,
        unit="pictures",
        env="ALCOVES_IMAGE_QUEUE_LIMIT",
        help="Pictures that may wait to be made; further requests are answered 503 with Retry-After.",
    ),
    Live(
        name="IMAGE_WAIT_SECONDS",
        group=GROUP,
        kind=float,
        default=30,
        low=1,
        high=300,
        unit="seconds",
        env="ALCOVES_IMAGE_WAIT_SECONDS",
        help="How long a request waits for a picture that is not in the cache yet.",
    ),
    Live(
        name="POSTER_MAX_BYTES",
        group=GROUP,
        kind=int,
        default=10 * 1024**2,
        low=1024**2,
        high=100 * 1024**2,
        unit="bytes",
        env="ALCOVES_POSTER_MAX_BYTES",
        help="The largest picture that may be uploaded as a poster.",
    ),
)
