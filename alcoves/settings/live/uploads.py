"""What comes in, and what a new library begins with."""

from typing import Final

from alcoves.settings.live.row import Live

UPLOADS: Final = "Uploads"
NEW: Final = "New libraries"
ROWS: Final = (
    Live(
        name="MAX_UPLOAD_BYTES",
        group=UPLOADS,
        kind=int,
        default=1024**4,
        low=1,
        high=2**50,
        unit="bytes",
        env="ALCOVES_MAX_UPLOAD_BYTES",
        help="The largest file that is taken. Uploads under way keep to the limit with which they began.",
    ),
    Live(
        name="UPLOAD_EXPIRE_HOURS",
        group=UPLOADS,
        kind=int,
        default=24,
        low=1,
        high=168,
        unit="hours",
        env="ALCOVES_UPLOAD_EXPIRE_HOURS",
        help="An unfinished upload is forgotten so long after its last request; each is reckoned anew at a request.",
    ),
    *(
        Live(
            name=f"NEW_LIBRARY_{switch}",
            group=NEW,
            kind=bool,
            default=False,
            env=f"ALCOVES_NEW_LIBRARY_{switch}",
            help=f"{told}, in libraries that are made from now on. Those that are there keep their switch.",
        )
        for switch, told in (
            ("FACES", "Finds faces and people"),
            ("OBJECTS", "Finds objects"),
            ("AUDIO_EVENTS", "Tells sounds apart"),
            ("TRANSCRIPTS", "Writes down what is spoken as soon as a file is uploaded"),
            ("SEMANTIC", "Lets people search by what pictures mean"),
            ("SHARING", "Lets members share moments by links"),
        )
    ),
)
