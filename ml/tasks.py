"""What Celery calls for models. Thin: the work is in `ml.downloads` and the flows above it."""

import logging
from typing import Any, Final
from uuid import UUID

import redis
from celery import shared_task, signals
from kombu.exceptions import OperationalError

from media.errors import MediaError
from ml.downloads import flow, ordering, tending
from ml.downloads.flow import Outcome
from ml.faces import assigning, proposals
from ml.registry import table
from ml.search import changing, queries

logger = logging.getLogger(__name__)
TURN_SECONDS: Final = 300.0
"""A long download gives its slot back after so many, and goes on behind all upkeep that waits."""
TIME_LIMIT: Final = 1800
"""A turn whose mirror is silent ends by its own time-outs long before."""


@shared_task(name=ordering.TASK, acks_late=True, ignore_result=True, soft_time_limit=TIME_LIMIT)
def fetch(pipeline: str, model: str) -> None:
    """One turn to download a model. A message that comes twice changes nothing: the lock of the turn decides."""
    spec = table.find_model(pipeline, model)
    if spec is None:
        logger.warning("%s was sent for, and no registry has it any more", model)
        return
    try:
        outcome = flow.ensure(spec, seconds=TURN_SECONDS)
    except MediaError as error:
        logger.warning("%s is not here: %s", model, error.message)
    else:
        if outcome is Outcome.TAKEN:
            return  # Whoever has the turn sends the next.
    ordering.send_next()


@shared_task(name="ml.prefetch", ignore_result=True)
def prefetch() -> None:
    """Send for the models that every photo needs."""
    tending.prefetch()


@shared_task(name="ml.tend", ignore_result=True)
def tend() -> int:
    """Rows that wait for a model, and downloads that were lost."""
    return tending.tend()


@shared_task(name=queries.TASK, acks_late=True, ignore_result=True, send_events=False)
def encode_query(model: str, text: str, asker: str) -> None:
    """The vector of a text that somebody searches for and waits for."""
    queries.answer(model, text, asker)


@shared_task(name="ml.follow_search_model", ignore_result=True)
def follow_search_model() -> int:
    """Where another model of search was chosen: the next pictures that it shall look at."""
    return changing.tend()


@shared_task(name=assigning.TASK, acks_late=True, ignore_result=True)
def assign_faces(library_id: str) -> None:
    """One batch of the faces of a library that wait for their people; others wait their turn behind it."""
    assigning.take(UUID(library_id))
    if assigning.assign_waiting(UUID(library_id)):
        assigning.publish(UUID(library_id))


@shared_task(name="ml.assign_waiting_faces", ignore_result=True)
def assign_waiting_faces() -> int:
    """Libraries whose message was lost."""
    libraries = assigning.find_waiting_libraries()
    for key in libraries:
        assigning.publish(key, force=True)
    return len(libraries)


@shared_task(name="ml.propose_people", ignore_result=True)
def propose_people() -> int:
    """By night: a task for each library that has faces."""
    libraries = proposals.find_libraries()
    for key in libraries:
        propose_people_of.apply_async(args=(str(key),), queue="maintenance", expires=86400)
    return len(libraries)


@shared_task(name="ml.propose_people_of", acks_late=True, ignore_result=True, soft_time_limit=TIME_LIMIT)
def propose_people_of(library_id: str) -> None:
    """Compare all faces of one library anew, and propose what the daily work could not see."""
    proposals.propose(UUID(library_id))


@signals.worker_ready.connect
def prefetch_in_the_background(**_: Any) -> None:
    """A worker takes messages now; `script/up` starts workers once the web part answers."""
    try:
        prefetch.apply_async(queue=ordering.QUEUE, expires=3600, retry=False)
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("models are not fetched ahead: the broker is away (%s)", error)
