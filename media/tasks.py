"""What Celery calls. Thin: an id comes in, the work is in `media.runs`, `media.blobs` and the flows' steps."""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery import shared_task, signals
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from media import (
    audit,
    blobs,
    bulk,
    dispatch,
    evicting,
    history,
    imagecache,
    imagemaking,
    live,
    orphans,
    prewarm,
    reconcile,
    runs,
    switching,
    tallies,
)
from media.models import Bulk, Upload
from media.models.blob import FILES
from storage.errors import StoreError
from storage.registry import get_store, store_names

logger = logging.getLogger(__name__)
STAGING_KEPT = timedelta(days=8)
"""A day more than the longest life of an upload (media.uploads.expiry.LONGEST); a test holds them together."""


@shared_task(name=dispatch.TASK, bind=True, acks_late=True, ignore_result=True)
def derive(self: Any, derivative_id: str) -> None:
    """Make one derivative. Running it twice changes nothing: the claim decides."""
    try:
        runs.run(UUID(derivative_id))
    finally:
        dispatch.release_twin(derivative_id, (self.request.headers or {}).get("twin_token"))


@shared_task(name=imagemaking.TASK, acks_late=True, ignore_result=True, send_events=False)
def make_image(picture: dict[str, Any], recipe: str, token: str) -> None:
    """Make one picture for those who wait for it."""
    try:
        wanted = imagemaking.opened(picture, recipe)
    except ValueError as error:
        logger.warning("a message for a picture is not ours and was dropped: %s", error)
        return
    imagemaking.make_for_waiters(*wanted, token)


@signals.task_failure.connect
def tell_of_lost_picture(sender: Any = None, exception: Any = None, args: Any = (), **_: Any) -> None:
    """In the parent, whose child was killed by the kernel or by the hard limit: who waits shall not wait in vain."""
    if sender.name == imagemaking.TASK and isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
        given, text, token = args
        picture, recipe = imagemaking.opened(given, text)
        imagemaking.tell_lost(picture.cache_key(recipe), token)


@shared_task(name="media.reconcile", ignore_result=True)
def reconcile_now() -> dict[str, int] | str:
    """One round, for an operator who does not want to wait for the workers' own."""
    done = reconcile.reconcile()
    return "another worker is at it" if done is None else asdict(done)


@shared_task(name="media.sweep_blobs", ignore_result=True)
def sweep_blobs() -> int:
    """Remove blobs that no row names."""
    return blobs.sweep()


@shared_task(name="media.sweep_uploads", ignore_result=True)
def sweep_uploads() -> int:
    """Forget uploads that nobody has gone on with in time, and what a store still holds of writes that died."""
    keys = abandoned_uploads().order_by("expires_at").values_list("pk", flat=True)[:500]
    return sweep_staging() + sum(sweep_upload(key) for key in list(keys))


@shared_task(name="media.find_orphans", ignore_result=True)
def find_orphans(**position: Any) -> None:
    """Blobs without a name and names without a blob: one slice, then a message to go on from there."""
    try:
        following = orphans.Scan().advance(orphans.Position(**position))
    except StoreError as error:
        logger.warning("the search for orphans ends here and begins anew next week: %s", error)
        return
    if following is not None:
        find_orphans.apply_async(kwargs=asdict(following), queue="maintenance")


@shared_task(name=switching.TASK, ignore_result=True)
def follow_switch(key: str) -> None:
    """What a library does after a switch of it was turned: one slice, then a message to go on from there."""
    if switching.follow(UUID(key)):
        switching.send([UUID(key)])


@shared_task(name="media.follow_switches", ignore_result=True)
def follow_switches() -> int:
    """Send again for libraries whose message was lost."""
    return switching.resume()


@shared_task(name="media.prewarm", ignore_result=True)
def prewarm_pictures() -> int:
    """Send the next pictures whose sizes are to be made ahead. The switch is ALCOVES_IMAGE_PROXY_PREWARM_ENABLED."""
    return prewarm.send(prewarm.claim()) if live.value("IMAGE_PREWARM_ENABLED") else 0


@shared_task(name=prewarm.TASK, ignore_result=True)
def prewarm_image(original_id: str, claimed_at: str) -> None:
    """Make the sizes of one picture. A message that comes twice, or too late, changes nothing."""
    prewarm.warm(prewarm.Claim(UUID(original_id), datetime.fromisoformat(claimed_at)))


@shared_task(name="media.fold_tallies", ignore_result=True)
def fold_tallies() -> int:
    """What the console counts: changes into counts."""
    return tallies.fold()


@shared_task(name="media.recount_tallies", ignore_result=True)
def recount_tallies() -> int:
    """Hold the counts against the truth."""
    return sum(tallies.recount().values())


@shared_task(name="media.evict_images", ignore_result=True)
def evict_images() -> int:
    """Keep the image cache under its cap, and what was set aside out of it."""
    imagecache.drop_held()
    return evicting.evict().images


@shared_task(name="media.prune_attempts", ignore_result=True)
def prune_attempts() -> int:
    """Forget tries of jobs that are older than they are kept, and acts on many jobs with them."""
    days = live.value("ATTEMPTS_KEPT_DAYS")
    bulk.prune(days)
    return history.prune(days)


@shared_task(name="media.prune_audit", ignore_result=True)
def prune_audit() -> int:
    """Delete entries of the audit log that are older than they are kept, if they are not kept for ever."""
    return audit.prune_old(live.value("AUDIT_KEPT_DAYS"))


@shared_task(name=bulk.TASK, bind=True, acks_late=True, ignore_result=True, max_retries=3)
def act_on_many(self: Any, key: str) -> None:
    """What an operator asked for with more rows than one request may touch. Begun anew it goes on where it was."""
    if not Bulk.objects.filter(pk=UUID(key)).exists():
        raise self.retry(countdown=2)  # Quicker than the commit of the page.
    bulk.go_on(UUID(key))


def abandoned_uploads() -> QuerySet[Upload]:
    """Past their time, and nobody is writing to them at this moment."""
    return Upload.objects.filter(
        Q(locked_until__isnull=True) | Q(locked_until__lt=Now()), expires_at__lt=Now()
    )


def sweep_upload(key: UUID) -> bool:
    """One upload, looked at again under its lock: the client may have come back a moment ago."""
    with transaction.atomic():
        upload = abandoned_uploads().select_for_update(skip_locked=True).filter(pk=key).first()
        if upload is None:
            return False
        try:
            if upload.assembly:
                get_store(FILES).abort(upload.assembly)
        except StoreError as error:
            logger.warning("upload %s not swept: %s", upload.pk, error)
            return False
        upload.delete()
        return True


def sweep_staging() -> int:
    """Older than any upload may live, so it belongs to nobody."""
    swept = 0
    for name in store_names():
        try:
            swept += get_store(name).sweep_staging(STAGING_KEPT)
        except StoreError as error:
            logger.warning("staging of store %s not swept: %s", name, error)
    return swept
