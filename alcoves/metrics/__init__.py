"""Every Prometheus metric of ours, declared once. A leaf. In worker children they are files, summed when scraped.

Values of labels are few and known: names of derivers, queues, routes, drivers, codes. Never an id, a path or a word
that somebody typed. What is asked of the database at each scrape is in `alcoves.metrics.figures`.
"""

import platform
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from alcoves.metrics.exposition import CONTENT_TYPE, expose, render

__all__ = ["CONTENT_TYPE", "expose", "render"]
VERSION: Final = "0.1.0"

# When a count began is known to whoever scrapes; telling it would double the answer.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped.

QUICK = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)
LONG = (0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 14400)
SPEEDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 512)

# What this is.
BUILD = Gauge(
    "alcoves_build_info", "The version that runs; always 1.", ["version", "python"], multiprocess_mode="max"
)

BUILD.labels(VERSION, platform.python_version()).set(1)

# Requests.
HTTP_REQUESTS = Counter("alcoves_http_requests_total", "Requests answered.", ["method", "route", "status"])
HTTP_IN_PROGRESS = Gauge(
    "alcoves_http_requests_in_progress",
    "Requests that Django is answering now.",
    ["area"],
    multiprocess_mode="livesum",
)
HTTP_SECONDS = Histogram(
    "alcoves_http_seconds", "Answer time by route and status.", ["method", "route", "status"], buckets=QUICK
)
READINESS_FAILURES = Counter(
    "alcoves_readiness_failures_total", "Looks at a part of the house that found it failing.", ["check"]
)

# What comes in.
UPLOADS = Counter("alcoves_uploads_total", "Files received, by the way they came.", ["way", "outcome"])
UPLOAD_BYTES = Counter("alcoves_upload_bytes_total", "Bytes received, by the way they came.", ["way"])

# Work.
JOBS = Counter("alcoves_jobs_total", "Runs of derivers by how they ended.", ["deriver", "outcome"])
JOB_SECONDS = Histogram("alcoves_job_seconds", "Run time of a deriver.", ["deriver"], buckets=LONG)
QUEUE_WAIT = Histogram("alcoves_queue_wait_seconds", "From wanted to started.", ["queue"], buckets=LONG)
RECONCILED = Counter("alcoves_reconciled_total", "Rows the reconciler took up again.", ["reason"])
FFMPEG_SPEED = Histogram(
    "alcoves_ffmpeg_speed_ratio",
    "Seconds of film or sound that ffmpeg worked through in a second.",
    buckets=SPEEDS,
)
MODEL_SECONDS = Histogram(
    "alcoves_model_seconds", "Run time of a model, without what it waited for.", ["model"], buckets=LONG
)
MODEL_DOWNLOADS = Counter("alcoves_model_downloads_total", "Files of models fetched.", ["outcome"])
MODEL_BYTES = Counter("alcoves_model_download_bytes_total", "Bytes of models that were fetched.")

# Workers.
TASKS = Counter("alcoves_worker_tasks_total", "Tasks of Celery by how they ended.", ["task_type", "result"])
TASK_SECONDS = Histogram(
    "alcoves_worker_task_duration_seconds",
    "Run time of a task of Celery.",
    ["task_type", "result"],
    buckets=LONG,
)
WORKER_JOBS = Counter(
    "alcoves_worker_jobs_completed_total", "Runs of derivers that ended well.", ["worker_name"]
)
HEARTBEATS = Counter(
    "alcoves_worker_heartbeats_total",
    "Beats by which workers keep the leases of their runs: kept, lost, or the database was away.",
    ["result"],
)
BACKGROUND_SECONDS = Histogram(
    "alcoves_background_task_duration_seconds",
    "Run time of sweeps, searches and rounds.",
    ["task"],
    buckets=LONG,
)
BACKGROUND_ERRORS = Counter(
    "alcoves_background_task_errors_total", "Sweeps, searches and rounds that failed.", ["task"]
)
BACKGROUND_SUCCESS = Gauge(
    "alcoves_background_task_last_success_timestamp_seconds",
    "When each of them last ended well.",
    ["task"],
    multiprocess_mode="max",
)

# Pictures on demand.
IMAGE_CACHE = Counter("alcoves_image_cache_total", "Looks for a picture in the image cache.", ["outcome"])
IMAGE_CACHE_EVENTS = Counter(
    "alcoves_image_cache_events_total",
    "Looks for a picture by the place looked at: the event loop, the store, Redis.",
    ["layer", "result"],
)
IMAGE_ASKED = Counter("alcoves_image_asked_total", "Cold pictures asked for, by what was done.", ["way"])
IMAGE_RESULTS = Counter(
    "alcoves_image_results_total", "Requests for pictures by what came of them.", ["result"]
)
IMAGE_ERRORS = Counter(
    "alcoves_image_errors_total",
    "Pictures that could not be given, by stage and status.",
    ["stage", "status"],
)
IMAGE_TRANSFORMS = Counter("alcoves_image_transforms_total", "Pictures made.", ["format", "outcome"])
IMAGE_SECONDS = Histogram("alcoves_image_transform_seconds", "Time to make a picture.", buckets=QUICK)
EVICTED = Counter(
    "alcoves_evicted_images_total", "Pictures that left the image cache to keep it under its cap."
)
WARMED = Counter(
    "alcoves_prewarmed_total", "Pictures whose sizes were made ahead, by the outcome.", ["outcome"]
)

# Stores.
STORE_OPERATIONS = Counter(
    "alcoves_storage_operations_total",
    "What stores were asked for.",
    ["store", "driver", "operation", "result"],
)
STORE_SECONDS = Histogram(
    "alcoves_storage_operation_duration_seconds",
    "How long a store took; for reading, until it was opened.",
    ["store", "driver", "operation", "result"],
    buckets=QUICK,
)
STORE_WRITTEN = Counter(
    "alcoves_storage_bytes_written_total", "Bytes written to stores.", ["store", "driver"]
)
STORE_READ = Counter(
    "alcoves_storage_bytes_read_total", "Bytes read from stores by our processes.", ["store", "driver"]
)
SWEPT = Counter("alcoves_swept_blobs_total", "Blobs removed that no row named.")
ORPHANS = Counter(
    "alcoves_orphan_blobs_total",
    "Blobs found that nothing named: entered for sweeping, or held back.",
    ["outcome"],
)
MISSING = Counter(
    "alcoves_missing_blobs_total", "Named blobs found missing or of another size, at each look.", ["what"]
)
RECONCILIATION = Gauge(
    "alcoves_storage_reconciliation_status",
    "1 when the last search of the stores found every named blob and no alarming number of orphans, else 0.",
    multiprocess_mode="mostrecent",
)

# Postgres and Redis, as our processes use them.
DB_QUERIES = Counter("alcoves_db_queries_total", "Statements sent to Postgres.", ["operation", "result"])
DB_SECONDS = Histogram(
    "alcoves_db_query_duration_seconds", "Time of a statement.", ["operation"], buckets=QUICK
)
DB_RETRIES = Counter(
    "alcoves_db_query_retries_total", "Work that is tried again because Postgres was away.", ["where"]
)
REDIS_OPERATIONS = Counter(
    "alcoves_redis_operations_total", "Commands sent to Redis, but for Celery's own.", ["operation", "result"]
)
QUEUE_SYNC_FAILURES = Counter(
    "alcoves_queue_metrics_sync_failures_total", "Scrapes that could not ask for the queues.", ["source"]
)

# Scraping.
SCRAPE_ERRORS = Counter(
    "alcoves_scrape_errors_total", "Figures that could not be worked out for a scrape.", ["figure"]
)
