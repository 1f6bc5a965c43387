"""The deriver `transcript`: what is said in one track of sound, as WebVTT, SubRip, plain text and JSON with words.

    no variant         the default track of the file
    `track-<index>`    another one, by the index of its stream: made when a person asks for it
    `own-...`          what people have corrected (`ml.transcription.editing`): given, and never made here

Where nobody says anything the result is ready all the same, and has no segments. A recording of more than two hours is
divided into parts of about an hour (`transcript-part`), so that what stops a run costs an hour and not a day, and all
machines help. Each part decodes the sound from its beginning: that takes seconds, and no container knows its times
better than its samples do.
"""

import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, ClassVar, Final
from uuid import UUID

from media import streams
from media.derivers.base import (
    BaseDeriver,
    Context,
    Divided,
    FinishedPart,
    NotNeeded,
    Output,
    Part,
    Ready,
    Result,
    Subject,
)
from media.errors import PermanentError
from ml import downloads
from ml.transcription import blocks, inheriting, languages, listening, outputs, recording
from ml.transcription.listening import Heard, Listener, Stretch
from ml.transcription.segments import as_json, from_json

NAME: Final = outputs.DERIVER
PART: Final = "transcript-part"
QUEUE: Final = "transcription"
LONG: Final = 2 * 3600.0
BLOCKS_A_PART: Final = 8
HEARD: Final = "heard.json"

Track = Mapping[str, Any]


class TranscriptDeriver(BaseDeriver):
    name: ClassVar[str] = NAME
    version: ClassVar[int] = 1
    queue: ClassVar[str] = QUEUE
    needs_probe: ClassVar[bool] = True
    switch: ClassVar[str] = "transcripts"

    def accepts(self, subject: Subject) -> bool:
        """Films and recordings with sound; what is not probed yet may have some."""
        has_sound = subject.probe is None or bool(subject.probe.get("audio"))
        return subject.kind in {"video", "audio"} and has_sound

    def derive(self, context: Context) -> Result:
        track = track_of(context.subject.probe or {}, context.variant)
        if track is None:
            return NotNeeded("no_audio" if not context.variant else "no_such_track")
        if context.parts:
            return joined(context, track, context.parts)
        duration = float((context.subject.probe or {}).get("duration") or 0)
        if duration > LONG:
            return Divided(parts_of(context, track, duration))
        heard, made_with = listened(context, track, Stretch())
        return finished(context, track, heard, made_with)

    def record(self, original: Any, result: Ready) -> None:
        recording.record(original, result)

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        return recording.holdings(library_id)

    def hand_over(self, original: Any, twin: Any) -> None:
        inheriting.hand_over(original, twin)


class TranscriptPartDeriver(BaseDeriver):
    name: ClassVar[str] = PART
    version: ClassVar[int] = 1
    queue: ClassVar[str] = QUEUE
    needs_probe: ClassVar[bool] = True
    switch: ClassVar[str] = "transcripts"
    planned: ClassVar[bool] = False
    hidden: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"video", "audio"}

    def derive(self, context: Context) -> Result:
        """About an hour of a long recording."""
        track = track_of(context.subject.probe or {}, str(context.parameters["of"]))
        if track is None:
            raise PermanentError("The track is not there any more. Ask for the transcript again.")
        heard, made_with = listened(context, track, Stretch.of(context.parameters))
        path = context.scratch / HEARD
        path.write_text(json.dumps([told(one) for one in heard], ensure_ascii=False), encoding="utf-8")
        return Ready(
            (Output(HEARD, path, "application/json"),), {"blocks": len(heard), "made_with": made_with}
        )


def track_of(facts: Mapping[str, Any], variant: str) -> Track | None:
    """What the probe says of the track that a variant names; None where there is none."""
    default = streams.track_of(facts)
    index = str(default) if not variant else variant.removeprefix(outputs.TRACK)
    return next((track for track in facts.get("audio") or () if str(track["index"]) == index), None)


def parts_of(context: Context, track: Track, duration: float) -> tuple[Part, ...]:
    """So many that blocks as short as can be fill them; the last goes on to the end, however long that is."""
    count = max(1, ceil(duration / (BLOCKS_A_PART * blocks.USUAL.shortest)))
    stretches = [
        Stretch(number * BLOCKS_A_PART, (number + 1) * BLOCKS_A_PART if number + 1 < count else None)
        for number in range(count)
    ]
    return tuple(
        Part(
            PART,
            f"{track['index']}-{number:05}",
            {**context.parameters, **stretch.as_parameters(), "of": context.variant},
        )
        for number, stretch in enumerate(stretches)
    )


def listened(context: Context, track: Track, stretch: Stretch) -> tuple[list[Heard], dict[str, Any]]:
    """What is said in these blocks, and with what it was heard."""
    ready = downloads.ready("speech")
    spoken = languages.of_track(context.subject.library, track, context.parameters, ready.spec)
    heard = list(Listener(context, ready, int(track["index"]), spoken).listen(stretch))
    return heard, {"model": ready.spec.id, "language": spoken.language, "language_by": spoken.source}


def joined(context: Context, track: Track, parts: Sequence[FinishedPart]) -> Ready:
    """The parts in their order; one beyond the end of the sound has no blocks."""
    heard: list[Heard] = []
    for part in parts:
        with part.open(HEARD) as stream:
            heard += [understood(one) for one in json.load(stream)]
    made_with = [part.facts["made_with"] for part in parts]
    models = ", ".join(sorted({one["model"] for one in made_with}))
    return finished(context, track, heard, {**made_with[0], "model": models})


def finished(context: Context, track: Track, heard: Sequence[Heard], made_with: Mapping[str, Any]) -> Ready:
    """The files, the facts, and what `recording` writes down."""
    found = listening.put_together(heard)
    language = language_of(heard, made_with)
    facts = {
        **outputs.facts_of(track, found, language),
        "language_found": made_with["language"] == languages.AUTO,
        "dropped": listening.dropped_in(heard),
    }
    learnt = {
        "variant": context.variant,
        "track": track["index"],
        "language": language,
        "language_found": facts["language_found"],
        "model": made_with["model"],
        "segments": found,
    }
    made = outputs.written(context.scratch, found, language)
    return Ready(made, facts, {**made_with, "language": language}, learnt)


def language_of(heard: Sequence[Heard], made_with: Mapping[str, Any]) -> str:
    """As somebody said it, else as it was heard; empty where nothing was."""
    told_by_somebody = made_with["language"] != languages.AUTO
    return made_with["language"] if told_by_somebody else listening.language_of(heard)


def told(heard: Heard) -> dict[str, Any]:
    """For the file of a part."""
    return {
        "start": heard.start,
        "language": heard.language,
        "dropped": dict(heard.dropped),
        "segments": [as_json(segment) for segment in heard.segments],
    }


def understood(one: Mapping[str, Any]) -> Heard:
    """What `told` wrote."""
    return Heard(
        float(one["start"]),
        tuple(from_json(segment) for segment in one["segments"]),
        one["language"],
        one["dropped"],
    )
