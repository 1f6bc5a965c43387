"""What models say: how sure they must be, and how long they stay in memory."""

from typing import Any, Final

from alcoves.settings.live.row import Live

MODELS: Final = "Models"
FACES: Final = "Faces and people"
SEEN: Final = "Objects and sounds"
AGAIN: Final = " Counts for files to come; reprocess {} for those that are there."
CLUSTER: Final = " Counts for faces to come; cluster a library again for those that are there."


def seen(deriver: str, about: str, *, name: str, **row: Any) -> Live:
    """Of objects and sounds, whose variables have the names of their settings."""
    return Live(name=name, group=SEEN, env=f"ALCOVES_{name}", help=about + AGAIN.format(deriver), **row)


ROWS: Final = (
    Live(
        name="ML_IDLE_SECONDS",
        group=MODELS,
        kind=float,
        default=300,
        low=1,
        high=86_400,
        unit="seconds",
        env="ALCOVES_ML_IDLE_SECONDS",
        help="A model that nobody has used for so long is freed. A change starts a new process for models; the old "
        "one ends when its last run has.",
    ),
    Live(
        name="MODEL_PREFETCH",
        group=MODELS,
        kind=bool,
        default=True,
        env="ALCOVES_MODEL_PREFETCH",
        help="Faces and objects are fetched once their licences are accepted. Off: only where a library uses them.",
    ),
    Live(
        name="SEARCH_SECONDS",
        group=MODELS,
        kind=float,
        default=5,
        low=0.01,
        high=60,
        unit="seconds",
        env="ALCOVES_SEARCH_SECONDS",
        help="A search that takes longer is given up with a sentence.",
    ),
    Live(
        name="FACE_MIN_SCORE",
        group=FACES,
        kind=float,
        default=0.28,
        low=0.05,
        high=0.99,
        env="ALCOVES_FACE_DETECTION_MIN_SCORE",
        help="How sure the model has to be of a face." + AGAIN.format("faces"),
    ),
    Live(
        name="FACE_MAX_DISTANCE",
        group=FACES,
        kind=float,
        default=0.42,
        low=0.2,
        high=0.8,
        env="ALCOVES_FACE_RECOGNITION_MAX_DISTANCE",
        help="Cosine distance up to which a face belongs to the person of the nearest face." + CLUSTER,
    ),
    Live(
        name="FACE_MIN_FACES",
        group=FACES,
        kind=int,
        default=3,
        low=1,
        high=100,
        unit="faces",
        env="ALCOVES_FACE_RECOGNITION_MIN_FACES",
        help="Faces that make a person." + CLUSTER,
    ),
    Live(
        name="FACE_NEIGHBOURS",
        group=FACES,
        kind=int,
        default=80,
        low=10,
        high=500,
        unit="faces",
        env="ALCOVES_FACE_RECOGNITION_NEIGHBOR_LOOKUP",
        help="Faces that are looked at around each: more is slower and finds more.",
    ),
    seen(
        "objects",
        "Score from which something counts as an object.",
        name="OBJECT_DETECTION_MIN_SCORE",
        kind=float,
        default=0.25,
        low=0.01,
        high=1,
    ),
    seen(
        "objects",
        "Objects of a picture or a frame that are kept: the surest.",
        name="OBJECT_DETECTION_MAX_DETECTIONS",
        kind=int,
        default=100,
        low=1,
        high=300,
        unit="objects",
    ),
    seen(
        "sounds",
        "Seconds of sound that are heard at once.",
        name="AUDIO_DETECT_WINDOW_SEC",
        kind=float,
        default=10,
        low=1,
        high=60,
        unit="seconds",
    ),
    seen(
        "sounds",
        "Probability from which a sound is kept.",
        name="AUDIO_DETECT_THRESHOLD",
        kind=float,
        default=0.2,
        low=0.01,
        high=1,
    ),
    seen(
        "sounds",
        "Sounds of a window that are kept: the likeliest.",
        name="AUDIO_DETECT_TOP_K",
        kind=int,
        default=5,
        low=1,
        high=100,
        unit="sounds",
    ),
)
