"""Makes the registry's sizes of pictures ahead, so that the first who looks does not wait for them.

Once an hour some originals that are not warm are claimed, and each becomes one message on the lowest queue. A run
reads the source once and makes what is missing. Only a failure of the file itself counts, and the third ends it; a
worker that dies of a picture counts too, because the try is counted before it begins. docs/images.md.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import redis
from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from alcoves import metrics
from media import dispatch, evicting, failures, imagemaking, pictures
from media.errors import InfrastructureError
from media.images.variants import VARIANTS_VERSION
from media.models import CachedImage, Original, UnnamedBlob
from media.models.cached_image import CACHE
from media.pictures import POSTER, Picture
from media.subject import DOCUMENTS

logger = logging.getLogger(__name__)
TASK: Final = "media.prewarm_image"
QUEUE: Final = "maintenance"
APART: Final = "audio-detection"
"""The lowest of the standard lane, where workers of maintenance have a way out and open no file of a stranger."""
A_PASS: Final = 500
STRIKES: Final = 3
STUCK: Final = timedelta(minutes=15)
"""After so long a claim is taken for lost: its message, or its worker."""
SOFT_LIMIT, HARD_LIMIT = 600, 630
"""Seconds for one original; well below STUCK, so that no two runs meet."""
DIED = "The worker died while it made the sizes of this picture."
Outcome: TypeAlias = Literal["warm", "failed", "deferred", "given_up"]

WORTH_WARMING = f"""
o.sha256 IS NOT NULL AND o.held_at IS NULL AND o.warmed_version < {VARIANTS_VERSION}
AND (o.warming_version <> {VARIANTS_VERSION} OR o.warm_attempts < {STRIKES})
AND EXISTS (SELECT 1 FROM media_file f WHERE f.original_id = o.id AND f.trashed_at IS NULL)
AND (o.kind IN ('image', 'video', 'audio') OR o.mime IN ({", ".join(f"'{mime}'" for mime in sorted(DOCUMENTS))}))
AND CASE WHEN o.kind IN ('video', 'audio') THEN EXISTS (
        SELECT 1 FROM media_derivative d
        WHERE d.original_id = o.id AND d.deriver = '{POSTER[0]}'
          AND jsonb_array_length(d.outputs) > 0)
    ELSE NOT EXISTS (
        SELECT 1 FROM media_derivative d
        WHERE d.original_id = o.id AND d.deriver = 'metadata' AND d.status IN ('queued', 'processing')) END
"""  # noqa: S608  Only constants of this program are put in.
"""Hashed, not warm, something to see, seen in at least one live file, and not given up. The size must be known first:
capped variants depend on it."""

CLAIM = f"""
UPDATE media_original SET warm_claimed_at = clock_timestamp() WHERE id = ANY(ARRAY(
    SELECT o.id FROM media_original o
    WHERE {WORTH_WARMING}
      AND (o.warm_claimed_at IS NULL OR o.warm_claimed_at < clock_timestamp() - %(stuck)s * interval '1 second')
    ORDER BY o.warmed_version, o.warm_claimed_at NULLS FIRST, o.id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id, warm_claimed_at
"""  # noqa: S608  As above.

BEGIN = f"""
UPDATE media_original o SET
    warm_attempts = CASE WHEN o.warming_version = {VARIANTS_VERSION} THEN o.warm_attempts + 1 ELSE 1 END,
    warming_version = {VARIANTS_VERSION}, warm_claimed_at = clock_timestamp(), warm_error = %(died)s
WHERE o.id = %(id)s AND o.warm_claimed_at = %(at)s AND {WORTH_WARMING}
RETURNING o.id, o.warm_claimed_at
"""  # noqa: S608  As above.


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to warm one original; the moment is what tells it from a later one."""

    id: UUID
    at: datetime


def claim(limit: int = A_PASS) -> list[Claim]:
    """Originals that are to be warmed, taken so that no other pass takes them: those tried longest ago first."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"stuck": STUCK.total_seconds(), "limit": limit})
        return [Claim(*row) for row in cursor.fetchall()]


def send(claims: Iterable[Claim]) -> int:
    """A message for each. Those that cannot be sent are claimed again when their claim has run out."""
    sent = 0
    try:
        with current_app.producer_pool.acquire(block=True, timeout=5) as producer:
            for one in claims:
                current_app.send_task(
                    TASK,
                    args=(str(one.id), one.at.isoformat()),
                    queue=queue(),
                    producer=producer,
                    soft_time_limit=SOFT_LIMIT,
                    time_limit=HARD_LIMIT,
                    ignore_result=True,
                    retry=False,
                )
                sent += 1
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("pictures wait for the next pass of the pre-warm: the broker is away (%s)", error)
    return sent


def queue() -> str:
    """On which the pictures of a pass wait."""
    return APART if settings.UPKEEP_APART else QUEUE


def has_room() -> bool:
    """Whether less than a pass waits on the queue. Behind more, other upkeep would run out before its turn comes."""
    return dispatch.queue_lengths()[queue()] < A_PASS


def warm(claimed: Claim) -> Outcome:
    """Make what is missing of one original; "given_up" where the claim is not good any more."""
    began = begin(claimed)
    if began is None:
        return "given_up"
    try:
        outcome = attempt(began)
    except (SystemExit, KeyboardInterrupt):
        give_back(began, "The worker was stopped.", at_once=True)
        raise
    except Exception as error:  # noqa: BLE001  Whatever it was, it is told on the row and never ends a pass.
        outcome = settle(began, error)
    metrics.WARMED.labels(outcome=outcome).inc()
    return outcome


def begin(claimed: Claim) -> Claim | None:
    """Count the try before it begins. None where the claim was lost, or there is nothing to warm any more."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, {"id": claimed.id, "at": claimed.at, "died": DIED})
        row = cursor.fetchone()
    return Claim(*row) if row is not None else None


def attempt(began: Claim) -> Outcome:
    original = Original.objects.filter(pk=began.id).first()
    if original is None:
        return "given_up"
    shown = pictures.live_pictures(original)
    for picture in shown:
        imagemaking.make_all(picture, picture.variants().values())
    evicting.settle(original, shown)
    if lost := unknown_to_the_cache(shown):
        # Evicted a moment ago, or their row was lost in a crash: swept, and made anew in a later pass.
        UnnamedBlob.objects.retire(lost, store=CACHE)
        return give_back(began, "Pictures in the cache were about to be swept.")
    return "warm" if finish(began) else "given_up"


def unknown_to_the_cache(shown: list[Picture]) -> set[str]:
    """Keys of today's variants that no row stands for."""
    wanted = {picture.cache_key(recipe) for picture in shown for recipe in picture.variants().values()}
    rows = CachedImage.objects.filter(key__in=wanted, size__gt=0)
    return wanted.difference(rows.values_list("key", flat=True))


def held(began: Claim) -> Any:
    return Original.objects.filter(pk=began.id, warm_claimed_at=began.at)


def finish(began: Claim) -> bool:
    """False where another poster or turn came meanwhile: then it is not warm, and comes again."""
    return bool(
        held(began).update(
            warmed_version=VARIANTS_VERSION, warm_attempts=0, warm_claimed_at=None, warm_error=""
        )
    )


def settle(began: Claim, error: Exception) -> Outcome:
    """The house's failures are free, the file's are a strike."""
    told = failures.understood(error)
    if isinstance(told, InfrastructureError):
        logger.warning("original %s is not warm yet: %s", began.id, told.message)
        return give_back(began, told.message)
    struck = held(began).update(warm_claimed_at=Now(), warm_error=told.message)
    logger.info("original %s could not be warmed: %s (%s)", began.id, told.message, told.code)
    return "failed" if struck else "given_up"


def give_back(began: Claim, why: str, *, at_once: bool = False) -> Outcome:
    """At no cost. It stands behind the others, unless it is to be taken up at once."""
    values: dict[str, Any] = {"warm_attempts": F("warm_attempts") - 1, "warm_error": why}
    kept = held(began).update(**values, warm_claimed_at=None if at_once else Now())
    return "deferred" if kept else "given_up"


def waiting() -> int:
    """How many are still to be warmed, those in flight too."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM media_original o WHERE {WORTH_WARMING}")  # noqa: S608  As above.
        return int(cursor.fetchone()[0])
