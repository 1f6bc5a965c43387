"""The rows of a transcript: written in the transaction that names its files, and never over what people corrected.

`Transcript` and its segments are what search and the editor see: what a model heard, until somebody corrects it. A run
after that leaves them alone; what it heard lies beside them, in the files of its row, until a person takes it: by
running it with `replace`, or by dropping the corrections.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from media.derivers.base import Ready
from media.models import Derivative
from media.models.derivative import GIVEN, DerivativeQuerySet
from media.playback import KEPT
from ml.models import Transcript, TranscriptSegment
from ml.transcription import outputs
from ml.transcription.segments import Segment, as_json, from_json, join_texts

BATCH: Final = 500
REPLACES: Final = "replaces"
"""The parameter of a row: which corrections may go (`revision`), by the word of which request (`request`)."""
ASIDE: Final = f"{GIVEN}{KEPT}-"
"""No track begins so: `given_variant` never finds these."""


def record(original: Any, result: Ready) -> None:
    """What a run heard. Inside of the transaction, with the original locked."""
    learnt = result.learnt
    row = Derivative.objects.get(original=original, deriver=outputs.DERIVER, variant=learnt["variant"])
    before = found_before(row, int(learnt["track"]))
    if before is not None and is_kept(before, replaced_by(row)):
        return
    drop_corrections(original.pk, int(learnt["track"]))
    heard = {name: learnt[name] for name in ("track", "language", "language_found", "model")}
    transcript = before or Transcript(library_id=original.library_id, original=original, derivative=row)
    write(transcript, heard)
    replace_all(transcript, learnt["segments"])


def found_before(row: Derivative, track: int) -> Transcript | None:
    """What this run may take the place of. What another job has heard of the track comes along: the job of the default
    track does not follow it, when a later probe says that another is the default."""
    written: Transcript | None = Transcript.objects.filter(derivative=row).first()
    if written is not None:
        return written
    others = Transcript.objects.filter(original=row.original_id, track=track).select_related("derivative")
    other = next((one for one in others if not is_put_aside(one)), None)
    if other is not None:
        other.derivative = row
        other.save(update_fields=["derivative", "updated_at"])
    return other


def is_kept(before: Transcript, replace: int | None) -> bool:
    """Corrections stay, unless whoever asked for the run had seen them and said that they may go."""
    return before.edited_at is not None and (replace is None or before.revision > replace)


def replaced_by(row: Derivative) -> int | None:
    """The revision up to which corrections may go, as whoever made this request said; None where nobody did.

    Rows keep their parameters when they are asked for again, by anybody and for any reason: the word of one request is
    not that of the next.
    """
    told = row.parameters.get(REPLACES)
    return int(told["revision"]) if told and told["request"] == row.requested_version else None


def drop_corrections(original: UUID, track: int) -> None:
    """The files of corrections to a track, of all revisions. The original is locked."""
    given_rows(original, track).drop()


def given_rows(original: UUID, track: int) -> DerivativeQuerySet:
    """The files of the corrections that stand."""
    given: DerivativeQuerySet = Derivative.objects.filter(original=original, deriver=outputs.DERIVER)
    return given.filter(variant__startswith=given_variant(track, None))


def given_variant(track: int, revision: int | None) -> str:
    """Under which name the files of a correction lie; without a revision: how all those of the track begin."""
    return f"{GIVEN}{track}-" if revision is None else f"{GIVEN}{track}-r{revision}"


def kept_variant(transcript: Transcript) -> str:
    """Under which name corrections lie that do not stand (`inheriting`), beside those that do."""
    return f"{ASIDE}{transcript.track}-{transcript.pk}"


def is_put_aside(transcript: Transcript) -> bool:
    """Whether it is kept beside the one of its track that stands."""
    return bool(transcript.derivative.variant.startswith(ASIDE))


def write(transcript: Transcript, heard: Mapping[str, Any]) -> None:
    """The row as a model has it."""
    for name, value in heard.items():
        setattr(transcript, name, value)
    transcript.edited_at = transcript.edited_by = None
    transcript.save()


def replace_all(transcript: Transcript, found: Sequence[Segment]) -> None:
    """These segments and no others; the text of the whole, and a new revision."""
    transcript.segments.all().delete()
    TranscriptSegment.objects.bulk_create(
        [row_of(transcript, position, segment) for position, segment in enumerate(found)], batch_size=BATCH
    )
    turn(transcript, found)


def turn(transcript: Transcript, found: Sequence[Segment]) -> None:
    """The segments are others now."""
    transcript.text = join_texts(segment.text for segment in found)
    transcript.revision += 1
    transcript.save(update_fields=["text", "revision", "updated_at"])


def row_of(transcript: Transcript, position: int, segment: Segment) -> TranscriptSegment:
    told = as_json(segment)
    return TranscriptSegment(
        transcript=transcript,
        position=position,
        start_seconds=told["start"],
        end_seconds=max(told["start"], told["end"]),
        text=told["text"],
        words=told["words"],
        confidence=segment.confidence,
    )


def segment_of(row: TranscriptSegment) -> Segment:
    """What `row_of` wrote."""
    return from_json(
        {"start": row.start_seconds, "end": row.end_seconds, "text": row.text, "words": row.words}
    )


def holdings(library_id: UUID) -> dict[str, int]:
    """What is lost when a library does not want transcripts any more."""
    rows = Transcript.objects.filter(library=library_id)
    return {
        "transcripts": rows.count(),
        "corrected transcripts": rows.filter(edited_at__isnull=False).count(),
    }
