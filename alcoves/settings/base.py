"""What all environments share. Every variable is read through alcoves.env, which names it when it is bad.

Each variable is described in docs/configuration.md; a test finds any that is missing there.
"""

from pathlib import Path
from typing import Any

import django_stubs_ext

from alcoves import env
from alcoves.settings import api, console, live, logs, urls

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_PATH = env.path("ALCOVES_DATA_PATH", BASE_DIR / "var")

MODE = env.choice("ALCOVES_MODE", ("all", "server", "worker"), "all")
DEBUG = False
SECRET_KEY = env.secret("ALCOVES_SECRET_KEY")
PUBLIC_URL = env.text("ALCOVES_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.words("ALCOVES_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("ALCOVES_TRUSTED_ORIGINS", [PUBLIC_URL])

INSTALLED_APPS = [
    "alcoves.apps.ProjectConfig",
    "alcoves.accounts",
    "storage.apps.StorageConfig",
    "media.apps.MediaConfig",
    "ml.apps.MlConfig",
    "alcoves.alerts.apps.AlertsConfig",
    "alcoves.backup.apps.BackupConfig",
    "constance",
    "alcoves.console.apps.ConsoleConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "alcoves.console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_results",
]

MIDDLEWARE = [
    "alcoves.observing.observe",
    "alcoves.refusing.Refuse",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "alcoves.backup.gate.gate",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "alcoves.urls"
WSGI_APPLICATION = "alcoves.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# People. Too many wrong passwords lock the address and the account together for a while (django-axes).
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_FAILURES = env.integer("ALCOVES_LOGIN_FAILURES", 10, low=1, high=1000)
LOGIN_COOLOFF_MINUTES = env.integer("ALCOVES_LOGIN_COOLOFF_MINUTES", 15, low=1, high=10_080)
AXES_FAILURE_LIMIT = "alcoves.accounts.locking.failures"
AXES_COOLOFF_TIME = "alcoves.accounts.locking.cooloff"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "username"
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "alcoves.accounts.views.locked_out"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "gallery"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_NAME = "alcoves-session"
SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_COOKIES = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = SECURE_COOKIES
CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env.boolean("ALCOVES_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True
TRUST_REQUEST_IDS = env.boolean("ALCOVES_TRUST_REQUEST_IDS", default=False)

# Postgres is the only truth; Redis is for speed only.
DATABASE_URL = env.text("DATABASE_URL")
QUEUE_HOST = env.text("ALCOVES_QUEUE_HOST", "localhost")
QUEUE_PORT = env.integer("ALCOVES_QUEUE_PORT", 6389, low=1, high=65535)
REDIS_URL = env.text("REDIS_URL", f"redis://{QUEUE_HOST}:{QUEUE_PORT}/0")
DATABASES: dict[str, dict[str, Any]] = {}


def databases(url: str) -> dict[str, dict[str, Any]]:
    """One database; connections belong to lasting threads and are checked before use.

    Without a limit, each thread would wait minutes for a machine that is gone. The address may set another.
    """
    found = urls.database(url)
    found["OPTIONS"] = {"connect_timeout": 5, **found["OPTIONS"]}
    return {"default": {**found, "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}}


if DATABASE_URL:
    DATABASES = databases(DATABASE_URL)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Blobs, by name as in Django's STORAGES. `source` and `media` are for the delivery part.
STORAGE_DRIVER = env.choice("ALCOVES_STORAGE_DRIVER", ("local", "s3"), "local")
STORAGE_PATH = env.path("ALCOVES_STORAGE_PATH", DATA_PATH / "storage")
CACHE_STORAGE_PATH = env.path("ALCOVES_CACHE_STORAGE_PATH", DATA_PATH / "cache")
STORE_RESERVE_BYTES = env.integer("ALCOVES_STORE_RESERVE_BYTES", 256 * 1024 * 1024, low=0)
S3_OPTIONS: dict[str, Any] = {
    "endpoint_url": env.text("ALCOVES_S3_ENDPOINT") or None,
    "public_endpoint_url": env.text("ALCOVES_S3_PUBLIC_ENDPOINT") or None,
    "region": env.text("ALCOVES_S3_REGION", "us-east-1"),
    "bucket": env.text("ALCOVES_S3_BUCKET"),
    "access_key": env.secret("ALCOVES_S3_ACCESS_KEY"),
    "secret_key": env.secret("ALCOVES_S3_SECRET_KEY"),
    "addressing_style": env.choice("ALCOVES_S3_ADDRESSING_STYLE", ("auto", "path", "virtual"), "auto"),
}
X_ACCEL_PREFIX = env.text("ALCOVES_X_ACCEL_PREFIX")
STORE_NAMES = ("files", "avatars", "cache", "source", "media")


def blob_stores(driver: str) -> dict[str, dict[str, Any]]:
    """The BLOB_STORES table: a folder per store under its root, or a prefix per store in one bucket."""
    if driver == "s3":
        return {
            name: {"BACKEND": "storage.s3.S3Store", "OPTIONS": {**S3_OPTIONS, "prefix": f"{name}/"}}
            for name in STORE_NAMES
        }
    roots = {name: STORAGE_PATH / name for name in STORE_NAMES} | {"cache": CACHE_STORAGE_PATH}
    # nginx, which serves them under X-Accel, is another user of the same group.
    modes = {"file_mode": 0o640, "dir_mode": 0o750} if X_ACCEL_PREFIX else {}
    shared = {"secret": SECRET_KEY, "min_free_bytes": STORE_RESERVE_BYTES, **modes}
    return {
        # What the cache loses in a power cut is made again, so it need not wait for the disk.
        name: {
            "BACKEND": "storage.local.LocalStore",
            "OPTIONS": {"root": root, "sync": name != "cache", **shared},
        }
        for name, root in roots.items()
    }


BLOB_STORES = blob_stores(STORAGE_DRIVER)
# Pictures on demand: media.imageproxy, media.prewarm, media.imagecache.
IMAGE_PREWARM_ENABLED = env.boolean("ALCOVES_IMAGE_PROXY_PREWARM_ENABLED", default=True)
IMAGE_CACHE_MAX_BYTES = env.integer("ALCOVES_IMAGE_CACHE_MAX_BYTES", 10 * 1024**3, low=1, high=2**50)
IMAGE_QUEUE_LIMIT = env.integer("ALCOVES_IMAGE_QUEUE_LIMIT", 500, low=1, high=100_000)
IMAGE_WAIT_SECONDS = env.number("ALCOVES_IMAGE_WAIT_SECONDS", 30, low=1, high=300)
POSTER_MAX_BYTES = env.integer("ALCOVES_POSTER_MAX_BYTES", 10 * 1024**2, low=1024**2, high=100 * 1024**2)
IMAGE_MAX_SECONDS = env.number("ALCOVES_IMAGE_MAX_SECONDS", 20, low=1)
SCRATCH_PATH = env.path("ALCOVES_SCRATCH_PATH", DATA_PATH / "scratch")

# Uploads.
MAX_UPLOAD_BYTES = env.integer("ALCOVES_MAX_UPLOAD_BYTES", 1024**4, low=1, high=2**50)
UPLOAD_EXPIRE_HOURS = env.integer("ALCOVES_UPLOAD_EXPIRE_HOURS", 24, low=1, high=168)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 100
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_100  # The answer about a thousand rows names each of them.

# What a new library begins with, and links to moments.
NEW_LIBRARY_FACES = env.boolean("ALCOVES_NEW_LIBRARY_FACES", default=False)
NEW_LIBRARY_OBJECTS = env.boolean("ALCOVES_NEW_LIBRARY_OBJECTS", default=False)
NEW_LIBRARY_AUDIO_EVENTS = env.boolean("ALCOVES_NEW_LIBRARY_AUDIO_EVENTS", default=False)
NEW_LIBRARY_TRANSCRIPTS = env.boolean("ALCOVES_NEW_LIBRARY_TRANSCRIPTS", default=False)
NEW_LIBRARY_SEMANTIC = env.boolean("ALCOVES_NEW_LIBRARY_SEMANTIC", default=False)
NEW_LIBRARY_SHARING = env.boolean("ALCOVES_NEW_LIBRARY_SHARING", default=False)
SHARING_ENABLED = env.boolean("ALCOVES_SHARING_ENABLED", default=True)
SHARES_OF_A_MOMENT = env.integer("ALCOVES_SHARES_OF_A_MOMENT", 100, low=1, high=1000)
SHARE_OPEN_HOURS = env.integer("ALCOVES_SHARE_OPEN_HOURS", 12, low=1, high=168)
METRICS_ENABLED = env.boolean("ALCOVES_METRICS_ENABLED", default=True)
METRICS_AUTH = env.boolean("ALCOVES_METRICS_AUTH", default=True)

# The engine. DERIVERS is the whole plug-in system: a name and where its class is.
LEASE_SECONDS = env.number("ALCOVES_LEASE_SECONDS", 20, low=1)
RECONCILE_SECONDS = env.number("ALCOVES_RECONCILE_SECONDS", 15, low=1)
MAX_RETRIES = env.integer("ALCOVES_MAX_RETRIES", 2, low=0, high=10)
RETRY_SECONDS = env.number("ALCOVES_RETRY_SECONDS", 30, low=0, high=600)
ATTEMPTS_KEPT_DAYS = env.integer("ALCOVES_ATTEMPTS_KEPT_DAYS", 90, low=1, high=3650)
AUDIT_KEPT_DAYS = env.integer("ALCOVES_AUDIT_KEPT_DAYS", 0, low=0, high=36_500)
SWEEP_GRACE_SECONDS = env.integer("ALCOVES_SWEEP_GRACE_SECONDS", 120, low=0, high=86_400)
FFMPEG_TIMEOUT_MULTIPLIER = env.number("ALCOVES_FFMPEG_TIMEOUT_MULTIPLIER", 2.0, low=0.1, high=10)
FFMPEG_TIMEOUT_MINIMUM = env.number("ALCOVES_FFMPEG_TIMEOUT_MINIMUM", 300.0, low=60, high=3600)
FFMPEG_TIMEOUT_MAXIMUM = env.number("ALCOVES_FFMPEG_TIMEOUT_MAXIMUM", 14_400.0, low=300, high=86_400)
DERIVERS = {
    "metadata": "media.derivers.metadata.MetadataDeriver",
    "preview": "media.derivers.preview.PreviewDeriver",
    "poster": "media.derivers.poster.PosterDeriver",
    "hover": "media.derivers.hover.HoverDeriver",
    "proxy": "media.derivers.proxy.ProxyDeriver",
    "proxy-part": "media.derivers.proxy_part.ProxyPartDeriver",
    "subtitles": "media.derivers.subtitles.SubtitlesDeriver",
    "sprites": "media.derivers.sprites.SpritesDeriver",
    "waveform": "media.derivers.waveform.WaveformDeriver",
    "loudness": "media.derivers.loudness.LoudnessDeriver",
    "moment": "media.derivers.moment.MomentDeriver",
    "motion": "media.derivers.motion.MotionDeriver",
    "hash": "media.derivers.hash.HashDeriver",
    "objects": "ml.objects.deriver.ObjectsDeriver",
    "sounds": "ml.audio_events.deriver.SoundsDeriver",
    "faces": "ml.faces.deriver.FacesDeriver",
    "transcript": "ml.transcription.deriver.TranscriptDeriver",
    "transcript-part": "ml.transcription.deriver.TranscriptPartDeriver",
    "embedding": "ml.search.deriver.EmbeddingDeriver",
}

# Models: docs/understanding.md. A later registry replaces rows of an earlier one.
MODEL_REGISTRIES = ["ml.registry.entries.MODELS"]
MODELS_PATH = env.path("ALCOVES_MODELS_PATH", DATA_PATH / "models")
SEARCH_SECONDS = env.number("ALCOVES_SEARCH_SECONDS", 5, low=0.01, high=60)
ML_CONCURRENCY = env.integer("ALCOVES_ML_CONCURRENCY", 1, low=1, high=64)
ML_THREADS = env.integer("ALCOVES_ML_THREADS", 0, low=0, high=256)
ML_IDLE_SECONDS = env.number("ALCOVES_ML_IDLE_SECONDS", 300, low=1, high=86_400)
ML_HOST_PATH = SCRATCH_PATH  # In it is the socket of the model host (ml.runtime).
FACE_MIN_SCORE = env.number("ALCOVES_FACE_DETECTION_MIN_SCORE", 0.28, low=0.05, high=0.99)
OBJECT_DETECTION_MIN_SCORE = env.number("ALCOVES_OBJECT_DETECTION_MIN_SCORE", 0.25, low=0.01, high=1)
OBJECT_DETECTION_MAX_DETECTIONS = env.integer("ALCOVES_OBJECT_DETECTION_MAX_DETECTIONS", 100, low=1, high=300)
AUDIO_DETECT_WINDOW_SEC = env.number("ALCOVES_AUDIO_DETECT_WINDOW_SEC", 10, low=1, high=60)
AUDIO_DETECT_THRESHOLD = env.number("ALCOVES_AUDIO_DETECT_THRESHOLD", 0.2, low=0.01, high=1)
AUDIO_DETECT_TOP_K = env.integer("ALCOVES_AUDIO_DETECT_TOP_K", 5, low=1, high=100)
# People: ml.faces.clustering.Rules. Distances are cosine distances.
FACE_MAX_DISTANCE = env.number("ALCOVES_FACE_RECOGNITION_MAX_DISTANCE", 0.42, low=0.2, high=0.8)
FACE_MIN_FACES = env.integer("ALCOVES_FACE_RECOGNITION_MIN_FACES", 3, low=1, high=100)
FACE_NEIGHBOURS = env.integer("ALCOVES_FACE_RECOGNITION_NEIGHBOR_LOOKUP", 80, low=10, high=500)
SPEECH_MODELS_PATH = env.text("ALCOVES_WHISPER_MODELS_DIR")
MODEL_BASE_URL = env.text("ALCOVES_MODEL_BASE_URL")
# The names of the reference for sounds and speech are taken too.
MODEL_BASE_URLS = {
    "faces": env.text("ALCOVES_FACES_MODEL_BASE_URL"),
    "objects": env.text("ALCOVES_OBJECTS_MODEL_BASE_URL"),
    "sounds": env.text("ALCOVES_SOUNDS_MODEL_BASE_URL") or env.text("ALCOVES_AUDIO_DETECT_MODEL_BASE_URL"),
    "speech": env.text("ALCOVES_SPEECH_MODEL_BASE_URL") or env.text("ALCOVES_WHISPER_MODEL_BASE_URL"),
    "search": env.text("ALCOVES_SEARCH_MODEL_BASE_URL"),
}
SOUND_LABELS_URL = env.text("ALCOVES_AUDIO_DETECT_LABELS_URL")
MODEL_PREFETCH = env.boolean("ALCOVES_MODEL_PREFETCH", default=True)
MODEL_FETCHER = env.choice("ALCOVES_MODEL_FETCHER", ("worker", "follower"), "worker")
SPEECH_MODEL = env.text("ALCOVES_WHISPER_MODEL")
SPEECH_LANGUAGE = env.text("ALCOVES_WHISPER_LANGUAGE", "auto")
SPEECH_VAD_MODEL = env.choice("ALCOVES_WHISPER_VAD_MODEL", ("silero-v6.2.0", "off"), "silero-v6.2.0")

# Mail, and what operators are told: docs/alerts.md.
EMAIL_HOST = env.text("ALCOVES_MAIL_HOST")
EMAIL_PORT = env.integer("ALCOVES_MAIL_PORT", 587, low=1, high=65535)
EMAIL_HOST_USER = env.text("ALCOVES_MAIL_USER")
EMAIL_HOST_PASSWORD = env.secret("ALCOVES_MAIL_PASSWORD")
MAIL_TLS = env.choice("ALCOVES_MAIL_TLS", ("starttls", "tls", "none"), "starttls")
EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL_TLS == "starttls", MAIL_TLS == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("ALCOVES_MAIL_FROM", "alcoves@localhost")
ALERTS_ENABLED = env.boolean("ALCOVES_ALERTS_ENABLED", default=True)
# The thread of alcoves.alerts.watching: its pause, and the silence after which it checks itself. None: no thread.
ALERT_WATCH: tuple[float, float] | None = (20.0, 180.0)
ALERT_MAIL_TO = env.text("ALCOVES_ALERT_MAIL_TO")
ALERT_WEBHOOK_URL = env.secret("ALCOVES_ALERT_WEBHOOK_URL")
ALERT_WEBHOOK_SECRET = env.secret("ALCOVES_ALERT_WEBHOOK_SECRET")
ALERT_WEBHOOK_PRIVATE = env.boolean("ALCOVES_ALERT_WEBHOOK_PRIVATE", default=False)
ALERT_WEBHOOK_LOOPBACK = env.boolean("ALCOVES_ALERT_WEBHOOK_LOOPBACK", default=False)
ALERT_WEBHOOK_TIMEOUT = env.integer("ALCOVES_ALERT_WEBHOOK_TIMEOUT", 10, low=1, high=60)
ALERT_RATE_SECONDS = env.integer("ALCOVES_ALERT_RATE_SECONDS", 300, low=0, high=3600)
ALERT_STUCK_MINUTES = env.integer("ALCOVES_ALERT_STUCK_MINUTES", 60, low=1, high=10_080)
ALERT_QUEUED_MINUTES = env.integer("ALCOVES_ALERT_QUEUED_MINUTES", 60, low=1, high=10_080)
ALERT_FAILURE_MINUTES = env.integer("ALCOVES_ALERT_FAILURE_MINUTES", 60, low=1, high=10_080)
ALERT_FAILURE_COUNT = env.integer("ALCOVES_ALERT_FAILURE_COUNT", 10, low=1, high=1_000_000)
ALERT_FAILURE_PERCENT = env.integer("ALCOVES_ALERT_FAILURE_PERCENT", 50, low=1, high=100)
ALERT_DISK_PERCENT = env.integer("ALCOVES_ALERT_DISK_PERCENT", 10, low=0, high=90)
ALERT_WORKER_SECONDS = env.integer("ALCOVES_ALERT_WORKER_SECONDS", 120, low=30, high=86_400)
ALERT_BACKUP_HOURS = env.integer("ALCOVES_ALERT_BACKUP_HOURS", 192, low=0, high=8760)

# Backups: docs/backup.md. Those that operators change at run time are in alcoves.settings.live as well.
BACKUP_PATH = env.path("ALCOVES_BACKUP_PATH", DATA_PATH / "backups")
BACKUP_TARGETS = env.words("ALCOVES_BACKUP_TARGETS")
BACKUP_PASSPHRASE = env.secret("ALCOVES_BACKUP_PASSPHRASE")
BACKUP_S3_OPTIONS: dict[str, Any] = {
    "endpoint_url": env.text("ALCOVES_BACKUP_S3_ENDPOINT", S3_OPTIONS["endpoint_url"] or "") or None,
    "region": env.text("ALCOVES_BACKUP_S3_REGION", S3_OPTIONS["region"]),
    "access_key": env.secret("ALCOVES_BACKUP_S3_ACCESS_KEY") or S3_OPTIONS["access_key"],
    "secret_key": env.secret("ALCOVES_BACKUP_S3_SECRET_KEY") or S3_OPTIONS["secret_key"],
    "addressing_style": S3_OPTIONS["addressing_style"],
}
BACKUP_SCHEDULE = env.choice("ALCOVES_BACKUP_SCHEDULE", ("off", "daily", "weekly"), "off")
BACKUP_HOUR = env.integer("ALCOVES_BACKUP_HOUR", 3, low=0, high=23)
BACKUP_WEEKDAY = env.choice("ALCOVES_BACKUP_WEEKDAY", WEEKDAYS, "sunday")
BACKUP_TARGET = env.text("ALCOVES_BACKUP_TARGET")
BACKUP_BLOBS = env.choice("ALCOVES_BACKUP_BLOBS", ("none", "originals", "all"), "originals")
BACKUP_KEEP = env.integer("ALCOVES_BACKUP_KEEP", 7, low=1, high=1000)
BACKUP_KEEP_WEEKLY = env.integer("ALCOVES_BACKUP_KEEP_WEEKLY", 4, low=0, high=1000)
VERIFY_DAYS = env.integer("ALCOVES_VERIFY_DAYS", 30, low=0, high=3650)
VERIFY_MINUTES = env.integer("ALCOVES_VERIFY_MINUTES", 60, low=1, high=1440)
VERIFY_HOUR = env.integer("ALCOVES_VERIFY_HOUR", 2, low=0, high=23)
VERIFY_MB_PER_SECOND = env.integer("ALCOVES_VERIFY_MB_PER_SECOND", 50, low=1, high=100000)

# Celery: docs/queues.md says why each of these is as it is, with figures.
CELERY_BROKER_URL = urls.broker(REDIS_URL)
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 7 * 24 * 3600
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TRACK_STARTED = True  # Of those alone whose results are kept: what operators start.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 8
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
# Else Celery closes the database connection around every task; alcoves.celery checks it instead.
CELERY_DB_REUSE_MAX = 1_000_000
VISIBILITY_TIMEOUT = env.integer("ALCOVES_VISIBILITY_TIMEOUT", 120, low=4)
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "queue_order_strategy": "alcoves.scheduling:CappedCycle",
    "priority_steps": [0],
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "polling_interval": 0.2,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
WORKER_CONCURRENCY = env.integer("ALCOVES_WORKER_CONCURRENCY", 4, low=2, high=64)
INTERACTIVE_SLOTS = env.integer("ALCOVES_INTERACTIVE_SLOTS", 2, low=1)
LANE_CAPS = {
    "standard": env.integer("ALCOVES_STANDARD_SLOTS", 3, low=1),
    "heavy": env.integer("ALCOVES_HEAVY_SLOTS", 1, low=1),
    "maintenance": env.integer("ALCOVES_MAINTENANCE_SLOTS", 1, low=1),
}
UPKEEP_APART = env.boolean("ALCOVES_UPKEEP_APART", default=False)
WORKER_METRICS_PORT = env.integer("WORKER_METRICS_PORT", 3001, low=0, high=65535)
WORKER_METRICS_HOST = env.text("ALCOVES_WORKER_METRICS_HOST", "127.0.0.1")
METRICS_TARGETS = env.words("ALCOVES_METRICS_TARGETS")
FLOWER_PORT = env.integer("ALCOVES_FLOWER_PORT", 5555, low=1, high=65535)

REST_FRAMEWORK, SPECTACULAR_SETTINGS = api.REST_FRAMEWORK, api.SPECTACULAR_SETTINGS
UNFOLD = console.UNFOLD

# Settings that operators change while it runs: media.live reads them, django-constance keeps them in the database.
LIVE_SETTINGS = live.BY_NAME
CONSTANCE_BACKEND = "alcoves.console.settings.backend.LiveBackend"
CONSTANCE_SUPERUSER_ONLY = False
CONSTANCE_CONFIG = live.CONSTANCE_CONFIG
CONSTANCE_CONFIG_FIELDSETS = live.CONSTANCE_CONFIG_FIELDSETS
CONSTANCE_ADDITIONAL_FIELDS = live.CONSTANCE_ADDITIONAL_FIELDS

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT: Path | None = None  # Served from where they lie; production collects them first.
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOG_LEVEL = env.choice("ALCOVES_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOG_FORMAT = env.choice("ALCOVES_LOG_FORMAT", ("line", "json"), "line")
LOGGING = logs.told(LOG_LEVEL, LOG_FORMAT)
