"""Links to moments."""

from typing import Final

from alcoves.settings.live.row import Live

GROUP: Final = "Sharing"
ROWS: Final = (
    Live(
        name="SHARING_ENABLED",
        group=GROUP,
        kind=bool,
        default=True,
        env="ALCOVES_SHARING_ENABLED",
        help="Off: no link to a moment opens and none is made, in no library. On again, the same links work again.",
    ),
    Live(
        name="SHARES_OF_A_MOMENT",
        group=GROUP,
        kind=int,
        default=100,
        low=1,
        high=1000,
        unit="links",
        env="ALCOVES_SHARES_OF_A_MOMENT",
        help="Links that one moment may have at a time. Those that are there stay.",
    ),
    Live(
        name="SHARE_OPEN_HOURS",
        group=GROUP,
        kind=int,
        default=12,
        low=1,
        high=168,
        unit="hours",
        env="ALCOVES_SHARE_OPEN_HOURS",
        help="How long a link with a password stays open in a browser after the password was given.",
    ),
)
