"""Orders for queues, lanes and workers with the sentence that says what came of each: for the pages and the command."""

from typing import Final

from alcoves.backup import maintenance
from media import controls
from media.audit import Actor
from media.errors import RequestError

ALL: Final = "all"
"""In the place of a name: what holds all lanes."""


def pause(name: str, *, by: Actor, reason: str) -> str:
    controls.pause(name, by=by, reason=reason)
    return f"{name} is paused. What runs goes on; what comes waits."


def resume(name: str, *, by: Actor) -> str:
    if name == ALL:
        return resume_all(by=by)
    return f"{name} was not paused." if controls.resume(name, by=by) is None else f"{name} goes on."


def resume_all(*, by: Actor) -> str:
    if maintenance.standing().on:
        raise RequestError("Maintenance is on, which pauses all lanes. End it on the page Backups.")
    if controls.resume_all(by=by) is None:
        return "Nothing held all lanes."
    return "All lanes go on, but for those that are paused by themselves."


def set_slots(lane: str, text: str, *, by: Actor) -> str:
    number = whole(text)
    controls.set_slots(lane, number, by=by)
    said = f"{number} slots" if number else "the slots that the environment says"
    return f"{lane} has {said} in each worker. It takes effect at once; what runs is not ended."


def whole(text: str) -> int | None:
    """Empty or `default`: None."""
    text = text.strip()
    if text in {"", "default"}:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise RequestError(f"A lane has from 1 to {controls.MOST_SLOTS} slots: write a whole number.")
    return int(text)


def drain(worker: str, *, by: Actor, reason: str) -> str:
    controls.drain(worker, by=by, reason=reason)
    return f"{worker} takes nothing new, and says so once it has nothing left."


def release(worker: str, *, by: Actor) -> str:
    if controls.undrain(worker, by=by) is None:
        return f"{worker} was not drained."
    return f"{worker} takes work again."
