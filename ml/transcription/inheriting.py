"""Two originals turn out to be the same bytes: transcripts, with what users have corrected, go to the one that stays.

Of each track one transcript is left: the corrected one, the one that was corrected last, else that of the twin.
"""

from media.models import Derivative, Original
from ml.models import Transcript
from ml.transcription import outputs, recording


def hand_over(original: Original, twin: Original) -> None:
    """All tracks of `original`, which goes. Inside the transaction, with both locked."""
    theirs = {one.derivative.variant: one for one in transcripts_of(twin)}
    for mine in transcripts_of(original):
        if stays(mine, theirs.get(mine.derivative.variant)):
            recording.drop_corrections(twin.pk, mine.track)
            move(mine, twin)
        else:
            recording.drop_corrections(original.pk, mine.track)


def transcripts_of(original: Original) -> list[Transcript]:
    rows = Transcript.objects.select_for_update(of=("self",)).select_related("derivative")
    return list(rows.filter(original=original).order_by("pk"))


def stays(mine: Transcript, theirs: Transcript | None) -> bool:
    """Whether it is this one that is left."""
    if theirs is None:
        return True
    if mine.edited_at is None:
        return False
    return theirs.edited_at is None or mine.edited_at > theirs.edited_at


def move(transcript: Transcript, twin: Original) -> None:
    """With its result, and the files of its corrections, instead of what the twin has of this track."""
    given = Derivative.objects.filter(original=transcript.original_id, deriver=outputs.DERIVER)
    given = given.filter(variant__startswith=recording.given_variant(transcript.track, None))
    for row in [transcript.derivative, *given]:
        twin.take_over(row)
    Transcript.objects.filter(pk=transcript.pk).update(original=twin)
