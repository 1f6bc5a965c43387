"""Two originals turn out to be the same bytes: transcripts, with what users have corrected, go to the one that stays.

Of each track one transcript stands: the corrected one, the one that was corrected last, the one that somebody chose a
language for, else that of the twin. Corrections that do not stand are kept beside it (`recording.ASIDE`), with their
files, until a person deletes them: nobody has seen both, so nobody has decided between them.
"""

from collections.abc import Mapping

from media.models import Derivative, Original
from media.models.derivative import DerivativeQuerySet
from media.playback import KEPT
from ml.models import Transcript
from ml.transcription import recording


def hand_over(original: Original, twin: Original) -> None:
    """All tracks of `original`, which goes. Inside the transaction, with both locked."""
    theirs = {one.derivative.variant: one for one in transcripts_of(twin)}
    for mine in transcripts_of(original):
        here = theirs.get(mine.derivative.variant)
        if here is None or stays(mine, here):
            if here is not None:
                put_aside(here, mine, twin)
            move(mine, twin)
        else:
            put_aside(mine, here, twin)


def transcripts_of(original: Original) -> list[Transcript]:
    rows = Transcript.objects.select_for_update(of=("self",)).select_related("derivative")
    return list(rows.filter(original=original).order_by("pk"))


def stays(mine: Transcript, theirs: Transcript) -> bool:
    """Whether it is this one that is left."""
    if mine.edited_at is None and theirs.edited_at is None:
        return is_asked(mine.derivative.parameters) and not is_asked(theirs.derivative.parameters)
    if mine.edited_at is None:
        return False
    return theirs.edited_at is None or mine.edited_at > theirs.edited_at


def is_asked(parameters: Mapping[str, object]) -> bool:
    """Whether somebody has said which language is spoken."""
    return bool(parameters.get("language"))


def put_aside(goes: Transcript, stands: Transcript, twin: Original) -> None:
    """Corrections that say something else are kept beside those that stand; all else of it was heard, and goes."""
    files = given_to(goes).first()
    if goes.edited_at is not None and files is not None and not says_the_same(goes, stands):
        facts = {**files.facts, KEPT: str(goes.pk)}
        Derivative.objects.filter(pk=files.pk).update(
            original=twin, variant=recording.kept_variant(goes), facts=facts
        )
        Transcript.objects.filter(pk=goes.pk).update(original=twin, derivative=files)
    given_to(goes).drop()


def says_the_same(one: Transcript, other: Transcript) -> bool:
    said = [list(row.segments.values_list("start_seconds", "end_seconds", "text")) for row in (one, other)]
    return one.language == other.language and said[0] == said[1]


def given_to(transcript: Transcript) -> DerivativeQuerySet:
    """The files of its corrections."""
    return recording.given_rows(transcript.original_id, transcript.track)


def move(transcript: Transcript, twin: Original) -> None:
    """With its result, and the files of its corrections, instead of what the twin has of this track."""
    twin.take_over(transcript.derivative)
    if not recording.is_put_aside(transcript):
        for row in list(given_to(transcript)):
            twin.take_over(row)
    Transcript.objects.filter(pk=transcript.pk).update(original=twin)
