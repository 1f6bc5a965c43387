"""Every Prometheus metric of ours, declared once. A leaf. In worker children they are files, summed when scraped."""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.registry import REGISTRY

QUICK = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)
LONG = (0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 14400)

JOBS = Counter("alcoves_jobs_total", "Runs of derivers by how they ended.", ["deriver", "outcome"])
JOB_SECONDS = Histogram("alcoves_job_seconds", "Run time of a deriver.", ["deriver"], buckets=LONG)
QUEUE_WAIT = Histogram("alcoves_queue_wait_seconds", "From wanted to started.", ["queue"], buckets=LONG)
RECONCILED = Counter("alcoves_reconciled_total", "Rows the reconciler took up again.", ["reason"])
SWEPT = Counter("alcoves_swept_blobs_total", "Blobs removed that no row named.")
EVICTED = Counter(
    "alcoves_evicted_images_total", "Pictures that left the image cache to keep it under its cap."
)
WARMED = Counter(
    "alcoves_prewarmed_total", "Pictures whose sizes were made ahead, by the outcome.", ["outcome"]
)
IMAGE_CACHE = Counter("alcoves_image_cache_total", "Looks for a picture in the image cache.", ["outcome"])
IMAGE_ASKED = Counter("alcoves_image_asked_total", "Cold pictures asked for, by what was done.", ["way"])
IMAGE_TRANSFORMS = Counter("alcoves_image_transforms_total", "Pictures made.", ["format", "outcome"])
IMAGE_SECONDS = Histogram("alcoves_image_transform_seconds", "Time to make a picture.", buckets=QUICK)
ORPHANS = Counter(
    "alcoves_orphan_blobs_total",
    "Blobs found that nothing named: entered for sweeping, or held back.",
    ["outcome"],
)
MISSING = Counter(
    "alcoves_missing_blobs_total", "Named blobs found missing or of another size, at each look.", ["what"]
)
UPLOADS = Counter("alcoves_uploads_total", "Files received, by the way they came.", ["way", "outcome"])
UPLOAD_BYTES = Counter("alcoves_upload_bytes_total", "Bytes received, by the way they came.", ["way"])
MODEL_SECONDS = Histogram(
    "alcoves_model_seconds", "Run time of a model, without what it waited for.", ["model"], buckets=LONG
)
HTTP_SECONDS = Histogram(
    "alcoves_http_seconds", "Answer time by route and status.", ["method", "route", "status"], buckets=QUICK
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render() -> bytes:
    """The exposition of this process, or of all processes that share PROMETHEUS_MULTIPROC_DIR."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped.
    return generate_latest(registry)
