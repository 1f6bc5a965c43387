"""The film of a run, as derivers that look at frames open it."""

from media.derivers.base import Context
from media.probing import facts_of
from media.sniffing import described
from media.transcoding.frames import Film, size_within


def film_of(context: Context, width: int, height: int) -> Film:
    """With frames that fit into so many pixels and are never enlarged. Nothing is decoded yet."""
    facts = facts_of(context.subject, context.source_input)
    return Film(
        context.source_input(),
        described(context.subject.mime).demuxer,
        facts,
        context.scratch,
        size=size_within(facts, width, height) if facts.get("video") else (2, 2),
        abandoned=context.abandoned,
    )
