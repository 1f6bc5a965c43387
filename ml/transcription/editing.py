"""What people correct in a transcript: the flow, from what they send to rows and files that say the same.

Corrections are given to the ledger, as a poster is that somebody has brought along: their files lie under a variant of
their own (`own-<track>-r<revision>`), so no run ever overwrites them, and what the model heard stays beside them. Files
are made and stored first; then, with the original locked, the revision is looked at again, and rows and files change
in one transaction. Whoever was slower is told (409).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from media import blobs, imagemaking, ledger
from media.derivers.registry import get_deriver
from media.errors import ConflictError
from media.models import Derivative, File, Original, uuid7
from media.models.blob import FILES
from media.posters import deciding
from ml.models import Transcript, TranscriptSegment
from ml.transcription import outputs, recording
from ml.transcription.drafts import Draft, Line
from ml.transcription.segments import Segment, from_json
from storage.registry import get_store


class RevisionError(ConflictError):
    """Somebody has changed the transcript meanwhile."""

    code = "revision_conflict"


class NotCorrectedError(ConflictError):
    """Nothing was corrected, so there is nothing to drop."""

    code = "not_corrected"


def edit(
    file: File,
    transcript: Transcript,
    user: Any,
    revision: int,
    changes: Sequence[Mapping[str, Any]],
    language: str | None = None,
) -> None:
    """All changes or none. RevisionError where they were made to another revision, DraftError for what cannot be.

    What says the same as before is no correction: it would keep every later run from taking its place.
    """
    require_revision(transcript, revision)
    rows = list(transcript.segments.all())
    before = [Line(row.pk, recording.segment_of(row)) for row in rows]
    draft = Draft(before, file.original.duration)
    for change in changes:
        draft.apply(change)
    found = draft.finished()
    spoken = transcript.language if language is None else language
    if draft.lines == before and spoken == transcript.language:
        return
    made = stored(file, found, spoken)
    with changing(file, transcript, revision) as (original, locked):
        keep(locked, rows, draft.lines)
        locked.language, locked.language_found = spoken, locked.language_found and spoken == locked.language
        locked.edited_at, locked.edited_by = timezone.now(), user
        locked.save(update_fields=["language", "language_found", "edited_at", "edited_by"])
        recording.turn(locked, found)
        give(original, locked, found, made)


def drop_corrections(file: File, transcript: Transcript, revision: int) -> None:
    """What the model heard last stands again; it was kept beside them. NotCorrectedError where nothing was."""
    require_revision(transcript, revision)
    if transcript.edited_at is None:
        raise NotCorrectedError("Nobody has corrected this transcript, so there is nothing to drop.")
    heard = heard_last(transcript)
    with changing(file, transcript, revision) as (original, locked):
        row = locked.derivative
        recording.write(
            locked,
            {
                "language": heard["language"],
                "language_found": bool(row.facts.get("language_found")),
                "model": row.made_by.get("model", locked.model),
            },
        )
        recording.replace_all(locked, [from_json(one) for one in heard["segments"]])
        recording.drop_corrections(original.pk, locked.track)


def drop_kept(file: File, transcript: Transcript) -> None:
    """Corrections that lay beside those that stand, with their files: nobody wants them any more."""
    with changing(file, transcript, transcript.revision) as (original, locked):
        Derivative.objects.filter(pk=locked.derivative_id, original=original).drop()


def heard_last(transcript: Transcript) -> dict[str, Any]:
    """The newest result of the model, from its file. ConflictError where its job has heard another track since."""
    row = transcript.derivative
    output = row.output(outputs.WHOLE)
    if output is None or row.facts.get("track") != transcript.track:
        raise ConflictError("There is no newer result. Ask for the transcript again.", code="no_result")
    with get_store(FILES).open(output["key"]) as stream:
        found: dict[str, Any] = json.load(stream)
    return found


def require_revision(transcript: Transcript, revision: int) -> None:
    if transcript.revision != revision:
        raise RevisionError(
            f"This transcript is at revision {transcript.revision}, and the changes were made to {revision}. "
            "Load it again and make them anew."
        )


@contextmanager
def changing(file: File, transcript: Transcript, revision: int) -> Iterator[tuple[Original, Transcript]]:
    """The original and the transcript, locked in the order of runs; still at this revision."""
    with deciding(file) as (original, _):
        locked = (
            Transcript.objects.select_for_update(of=("self",))
            .select_related("derivative")
            .filter(pk=transcript.pk)
            .first()
        )
        if locked is None:
            raise ConflictError("This transcript was deleted meanwhile. Load the file again.")
        require_revision(locked, revision)
        yield original, locked


def stored(file: File, found: Sequence[Segment], language: str) -> list[dict[str, Any]]:
    """The files of these segments, under registered keys that no row names yet."""
    with imagemaking.scratch_folder() as folder:
        made = outputs.written(folder, found, language)
        return blobs.store_outputs(file.library_id, file.original_id, outputs.DERIVER, uuid7().hex, made)


def keep(transcript: Transcript, rows: Sequence[TranscriptSegment], lines: Sequence[Line]) -> None:
    """Rows that are other now, or elsewhere, are written anew under their old keys; the rest is not touched."""
    there = {row.pk: row for row in rows}
    wanted = [row_of(transcript, position, line) for position, line in enumerate(lines)]
    changed = [row for row in wanted if row.pk not in there or differs(there[row.pk], row)]
    going = {row.pk for row in changed} | (there.keys() - {row.pk for row in wanted})
    transcript.segments.filter(pk__in=going).delete()
    TranscriptSegment.objects.bulk_create(changed, batch_size=recording.BATCH)


def row_of(transcript: Transcript, position: int, line: Line) -> TranscriptSegment:
    row = recording.row_of(transcript, position, line.segment)
    if line.key is not None:
        row.pk = line.key
    return row


def differs(old: TranscriptSegment, new: TranscriptSegment) -> bool:
    names = ("position", "start_seconds", "end_seconds", "text", "words")
    return any(getattr(old, name) != getattr(new, name) for name in names)


def give(
    original: Original, transcript: Transcript, found: Sequence[Segment], made: list[dict[str, Any]]
) -> None:
    """The files of this revision take the place of those before."""
    tracks = (original.probe or {}).get("audio") or ()
    track = next((one for one in tracks if one["index"] == transcript.track), {"index": transcript.track})
    recording.drop_corrections(original.pk, transcript.track)
    blobs.name(output["key"] for output in made)
    ledger.give(
        original,
        get_deriver(outputs.DERIVER),
        recording.given_variant(transcript.track, transcript.revision),
        outputs=made,
        facts={
            **outputs.facts_of(track, found, transcript.language),
            "revision": transcript.revision,
            "heard_version": transcript.derivative.ready_version,
        },
    )
