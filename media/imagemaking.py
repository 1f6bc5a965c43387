"""Makes pictures: the source is read once and decoded once, everything wanted of it is encoded, kept and told.

Called by the worker for somebody who waits (`make_for_waiters`), by the pre-warm (`make_all`), and by a web process
itself where Redis is away (`make`).
"""

import fcntl
import json
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import redis
from django.conf import settings
from django.db import DatabaseError

from alcoves import locks, metrics
from alcoves.queues import BY_NAME
from media import bulletin, dispatch, failures, imagecache
from media.errors import (
    InfrastructureError,
    MediaError,
    PermanentError,
    RequestError,
    RunAbandonedError,
    TimedOutError,
)
from media.images import recipes, transform
from media.images.recipes import TURNS, Recipe
from media.images.transform import nothing
from media.models.blob import FILES
from media.pictures import Picture
from media.tools.vips import PixelLimits
from storage.base import CHUNK_SIZE
from storage.errors import StoreError
from storage.registry import get_store

logger = logging.getLogger(__name__)
TASK: Final = "media.make_image"
QUEUE: Final = "imageproxy"
PREFIX: Final = "alcoves:image:"
TRANSIENT_SECONDS: Final = 30
TRANSIENT_MOST: Final = 2 * 1024 * 1024
"""Larger results are fetched from the store: Redis is no place for them."""
TOLD_MOST: Final = 128 * 1024
"""Smaller ones come with the word that they are made. It waits in the memory of Redis for whom it is meant."""
BAD_SECONDS: Final = 600
"""How long it is remembered that a picture cannot be made."""
SLOW_SECONDS: Final = 60
UNUSABLE: Final = 422
HOUSE_SECONDS: Final = 5
"""The same where the house is at fault: it may be mended in the next moment."""
LOST_MOST: Final = 3
"""Workers that may die of one picture before nobody tries it for a while."""
NO_LIMIT: Final = 1_000_000
LOCK_SECONDS: Final = BY_NAME[QUEUE].dedup
SPEED_SECONDS: Final = 180
SCRATCH: Final = "image."
YOUNG_SECONDS: Final = 60


def transient_key(key: str) -> str:
    return PREFIX + key


def bad_key(key: str) -> str:
    return PREFIX + "bad:" + key


def kept_key(key: str) -> str:
    return PREFIX + "kept:" + key


def lock_name(key: str) -> str:
    return "image:" + key


def new_token() -> str:
    """Of a lock; and it says who has sent the message."""
    return f"{bulletin.name()}.{secrets.token_hex(8)}"


def sender_of(token: str) -> str:
    return token.partition(".")[0]


def speed_key(minute: int) -> str:
    """Counts the pictures made in one minute of the clock."""
    return f"{PREFIX}made:{minute}"


def opened(given: Mapping[str, Any], text: str) -> tuple[Picture, Recipe]:
    """What a message asks for. ValueError for one that `media.imageproxy` has not sent."""
    try:
        picture, recipe = Picture.from_json(given), Recipe.from_text(text)
        sides = {"width": str(recipe.width or ""), "height": str(recipe.height or "")}
        again = recipes.parse({**sides, "quality": str(recipe.quality), "format": recipe.format})
    except (TypeError, ValueError, AttributeError, RequestError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    names = (picture.library_id, picture.original_id, picture.key, picture.mime, picture.version)
    if again.text != text or picture.rotation not in TURNS or not all(isinstance(one, str) for one in names):
        raise ValueError(f"no picture and recipe of ours: {text}")
    return picture, recipe


def make(picture: Picture, recipe: Recipe) -> bytes:
    """Make and keep one picture in this process. Raises MediaError."""
    content = generate(picture, recipe)
    keep_quietly(picture, recipe, content)
    return content


def make_all(picture: Picture, recipes: Iterable[Recipe]) -> int:
    """Make and keep what is not there yet, by one read and one decode; returns how many. Raises MediaError."""
    wanted = {picture.cache_key(recipe): recipe for recipe in recipes}
    there = imagecache.there(wanted)
    missing = [recipe for key, recipe in wanted.items() if key not in there]
    made = 0
    try:
        for recipe, content in generate_all(picture, missing):
            made += imagecache.keep(picture, recipe, content) is not None
    except Exception as error:
        raise failures.understood(error) from error
    return made


def make_for_waiters(picture: Picture, recipe: Recipe, token: str) -> None:
    """The worker's turn: make it, tell everybody who waits, keep it, and give the lock back in any case."""
    key = picture.cache_key(recipe)
    with renewed(key, token) as lock:
        try:
            content = generate(picture, recipe, partial(proceed, lock))
        except MediaError as error:
            if lock.held:
                tell_failed(key, token, error)
            return
        except BaseException:
            stopped = InfrastructureError("The worker was stopped. Try again.", code="stopped")
            tell_failed(key, token, stopped, remember=0)
            raise
    told = len(content) <= TRANSIENT_MOST and tell_made(key, token, content)
    try:
        keep_quietly(picture, recipe, content)
    finally:
        tell_kept(key, token, told=told)


def generate(picture: Picture, recipe: Recipe, before: Callable[[], None] = nothing) -> bytes:
    """The bytes of one picture; `before` is called when the file is open, and may raise. Raises MediaError only."""
    began = time.monotonic()
    outcome = "stopped"
    try:
        with closing(generate_all(picture, [recipe], before)) as made:
            content = next(made)[1]
        outcome = "made"
    except Exception as error:
        known = failures.understood(error)
        outcome = known.code
        metrics.IMAGE_ERRORS.labels(stage="making", status=str(known.http_status)).inc()
        raise known from error
    finally:
        metrics.IMAGE_TRANSFORMS.labels(format=recipe.format, outcome=outcome).inc()
        metrics.IMAGE_SECONDS.observe(time.monotonic() - began)
    return content


def generate_all(
    picture: Picture, recipes: Sequence[Recipe], before: Callable[[], None] = nothing
) -> Generator[tuple[Recipe, bytes]]:
    """One read, one decode in the size of the largest, then one encoding each."""
    if not recipes:
        return
    with source_of(picture) as path:
        limits = PixelLimits.from_environment()
        yield from transform.generate(path, picture.mime, recipes, limits, before, rotation=picture.rotation)


@contextmanager
def source_of(picture: Picture) -> Iterator[Path]:
    """The store's own file, or one copy of it that is gone at the end."""
    store = get_store(FILES)
    path = store.local_path(picture.key)
    if path is not None:
        yield path
        return
    with scratch_folder() as folder:
        path = folder / "source"
        with store.open(picture.key) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK_SIZE)
        yield path


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Locked as long as this process lives, so that the sweep knows what a dead one has left."""
    root = Path(settings.SCRATCH_PATH)
    root.mkdir(parents=True, mode=0o700, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=root))
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def sweep_scratch(root: Path) -> int:
    """Remove folders whose process is dead: nobody holds their lock any more."""
    swept = 0
    for folder in root.glob(SCRATCH + "*"):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if time.time() - os.fstat(held).st_mtime > YOUNG_SECONDS:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
        except OSError:
            continue  # Somebody is at work in it.
        finally:
            os.close(held)
    return swept


def keep_quietly(picture: Picture, recipe: Recipe, content: bytes) -> None:
    """Whoever waits has the picture or gets it; a cache that cannot be written costs only the next one time."""
    try:
        imagecache.keep(picture, recipe, content)
    except (StoreError, DatabaseError) as error:
        logger.warning("a picture was made and not kept: %s", error)


def renewed(key: str, token: str) -> locks.Renewal:
    """Whether somebody may still wait for it: the lock is there, and it is that of our message."""
    return locks.Renewal(dispatch.redis_client(), lock_name(key), token, LOCK_SECONDS)


def proceed(lock: locks.Renewal) -> None:
    """Before the first pixel is decoded: the question was on its way while the file was opened."""
    if not lock.held:
        raise RunAbandonedError("Nobody waits for this picture any more.")


def tell_made(key: str, token: str, content: bytes) -> bool:
    """To everybody who waits, before the store: they need not wait for its disk. False where Redis is away.

    First to the process that has sent for it, with the bytes where they are few: nobody has to be woken before it.
    """
    first, others = (dispatch.redis_client().pipeline(transaction=False) for _ in "ab")
    if len(content) <= TOLD_MOST:
        first.publish(*bulletin.envelope(key, {"ok": True}, content, name=sender_of(token)))
    others.set(transient_key(key), content, ex=TRANSIENT_SECONDS)
    others.publish(*bulletin.envelope(key, {"ok": True}))
    return execute(first) and execute(others)


def tell_kept(key: str, token: str, *, told: bool) -> None:
    """The lock is given back; who comes now finds the picture in the store.

    Where nothing was told before, a mark says so to those who looked there a moment too early.
    """
    minute = int(time.time() // 60)
    pipe = dispatch.redis_client().pipeline()
    if not told:
        pipe.set(kept_key(key), 1, ex=TRANSIENT_SECONDS)
    pipe.eval(locks.RELEASE, 1, locks.PREFIX + lock_name(key), token)
    pipe.incr(speed_key(minute))
    pipe.expire(speed_key(minute), SPEED_SECONDS)
    if not told:
        pipe.publish(*bulletin.envelope(key, {"ok": True}))
    execute(pipe)


def tell_failed(key: str, token: str, error: MediaError, *, remember: int | None = None) -> None:
    """To everybody who waits, and for so many seconds to everybody who comes."""
    outcome = outcome_of(error)
    seconds = remembered(error) if remember is None else remember
    pipe = dispatch.redis_client().pipeline()
    if seconds:
        pipe.set(bad_key(key), json.dumps(outcome), ex=seconds)
    pipe.eval(locks.RELEASE, 1, locks.PREFIX + lock_name(key), token)
    pipe.publish(*bulletin.envelope(key, outcome))
    execute(pipe)


def tell_lost(key: str, token: str) -> None:
    """By the parent of a worker that died in the middle. Who asks next begins anew, but not for ever."""
    counter = f"{PREFIX}lost:{key}"
    pipe = dispatch.redis_client().pipeline()
    pipe.incr(counter)
    pipe.expire(counter, BAD_SECONDS)
    try:
        lost = pipe.execute()[0]
    except redis.RedisError:
        return
    if lost >= LOST_MOST:
        sentence = "This picture needs more memory or time than there is. Upload a smaller one."
        tell_failed(key, token, PermanentError(sentence, code="worker_lost"))
    else:
        sentence = "The program that made this picture was ended in the middle. Try again."
        tell_failed(key, token, InfrastructureError(sentence, code="worker_lost"), remember=0)


def outcome_of(error: MediaError) -> dict[str, Any]:
    """As it is told on the bulletin. Whatever is wrong with the bytes is 422: what was asked for was right."""
    status = UNUSABLE if isinstance(error, PermanentError) else error.http_status
    return {"ok": False, "code": error.code, "message": error.message, "status": status}


def remembered(error: MediaError) -> int:
    """For how many seconds nobody tries it again."""
    if isinstance(error, PermanentError):
        return BAD_SECONDS
    return SLOW_SECONDS if isinstance(error, TimedOutError) else HOUSE_SECONDS


def execute(pipe: Any) -> bool:
    """False where Redis is away: whoever waited has heard that it went."""
    try:
        pipe.execute()
    except redis.RedisError as error:
        logger.warning("what was made of a picture could not be told: %s", error)
        return False
    return True
