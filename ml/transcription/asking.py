"""Tracks of sound and their transcripts: which there are, and making one because a person wants it.

The default track is planned by the engine where the library wants transcripts. All others are made when somebody asks:
the tracks of a film are as a rule the same speech dubbed, and each costs as much as the first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404

from media import reprocess, streams
from media.errors import ConflictError
from media.models import Derivative, File
from media.models.derivative import GIVEN
from media.reprocess import Asked
from ml.models import Transcript
from ml.transcription import outputs, recording

UNCHANGED: Any = object()
"""For a language: as it was asked for last time."""


def tracks_of(file: File) -> Sequence[Mapping[str, Any]]:
    """As the probe tells them; none before the metadata is ready."""
    found: Sequence[Mapping[str, Any]] = (file.original.probe or {}).get("audio") or ()
    return found


def default_of(file: File) -> int | None:
    """The index of the track that is heard where nobody chooses."""
    return streams.track_of(file.original.probe or {})


def track_of(file: File, name: str) -> int:
    """`default`, or the index of a stream. Http404 where the file has no such track of sound."""
    known = {str(track["index"]): int(track["index"]) for track in tracks_of(file)}
    index = default_of(file) if name == "default" else known.get(name)
    if index is None:
        told = ", ".join(known) or "none"
        raise Http404(f"There is no track of sound {name[:20]} in this file. There are: {told}.")
    return index


def variant_of(file: File, track: int) -> str:
    return outputs.variant_of(track, default_of(file))


def find_row(file: File, track: int) -> Derivative | None:
    """The job of a track, of those that `find_file` has loaded; costs no query."""
    variant = variant_of(file, track)
    rows: list[Derivative] = list(file.original.derivatives.all())
    return next((row for row in rows if (row.deriver, row.variant) == (outputs.DERIVER, variant)), None)


def find_files(file: File, track: int) -> Derivative | None:
    """The row whose files stand for a track: what people have corrected, else what a model wrote. No query.

    The job of the default track may have heard another: the one that was the default then.
    """
    rows = [row for row in file.original.derivatives.all() if row.deriver == outputs.DERIVER]
    given, variant = recording.given_variant(track, None), variant_of(file, track)
    corrected = [row for row in rows if row.variant.startswith(given)]
    heard = [row for row in rows if not row.variant.startswith(GIVEN) and row.facts.get("track") == track]
    return next(iter([*corrected, *sorted(heard, key=lambda row: row.variant != variant)]), None)


def transcripts_of(file: File) -> QuerySet[Transcript]:
    """Of all its tracks, each with its row and who has corrected it."""
    rows: QuerySet[Transcript] = Transcript.objects.filter(original=file.original_id)
    return rows.select_related("derivative", "edited_by")


def find_kept(file: File, track: int, key: UUID) -> Transcript:
    """Corrections that lie beside those that stand. Http404 where these are gone, or do stand."""
    found = transcripts_of(file).filter(pk=key, track=track).first()
    if found is None or not recording.is_put_aside(found):
        raise Http404("There are no such earlier corrections of this track any more. Load the file again.")
    return found


def find_transcript(file: File, track: int) -> Transcript:
    """Http404 with a sentence while there is none."""
    return transcript_of(file, track, transcripts_of(file).filter(track=track))


def transcript_of(file: File, track: int, written: Iterable[Transcript]) -> Transcript:
    """The one that stands, of those that were loaded. Http404 with a sentence while there is none."""
    found = find_standing(file, track, written)
    if found is None:
        raise Http404(
            "Nothing was written down of this track yet. Ask for it with POST, or wait until it is ready."
        )
    return found


def find_standing(file: File, track: int, written: Iterable[Transcript]) -> Transcript | None:
    """By the track that was heard. Its job may be that of the default track, when that is another by now."""
    variant = variant_of(file, track)
    mine = [one for one in written if one.track == track and not recording.is_put_aside(one)]
    return min(mine, key=lambda one: one.derivative.variant != variant, default=None)


def ask_many(files: Mapping[UUID, File], keys: Sequence[UUID], language: Any = UNCHANGED) -> list[Asked]:
    """The default track of each. What cannot be queued, or is not among the files, is passed over, and told why."""
    return [asked(files.get(key), key, language) for key in dict.fromkeys(keys)]


def asked(file: File | None, key: UUID, language: Any) -> Asked:
    if file is None:
        return Asked(key, "not_found", "There is no such file in this library.")
    track = default_of(file)
    if track is None:
        return Asked(key, "no_audio", "This file has no sound, or its headers were not read yet.")
    try:
        ask(file, track, language)
    except ConflictError as error:
        return Asked(key, error.code, error.message)
    return Asked(key)


def ask(file: File, track: int, language: Any = UNCHANGED, *, replace: bool = False) -> Derivative:
    """Make it, or make it anew. `language` is a code of whisper; None leaves it to the track, the library or the model.

    Corrections stay, unless `replace` says that they may go: those that are there now, not later ones; and by this
    request alone, whatever becomes of it.
    """
    reprocess.require_live(file)
    row = find_row(file, track)
    parameters = dict(row.parameters) if row is not None else {}
    if language is not UNCHANGED:
        parameters["language"] = language
    parameters.pop(recording.REPLACES, None)
    kept = {name: value for name, value in parameters.items() if value is not None}
    before = find_standing(file, track, transcripts_of(file)) if replace else None
    with transaction.atomic():
        asked_for = reprocess.reprocess_file(file, outputs.DERIVER, kept, variant_of(file, track))
        if before is not None:
            word = {"revision": before.revision, "request": asked_for.requested_version}
            asked_for.parameters = {**kept, recording.REPLACES: word}
            asked_for.save(update_fields=["parameters"])
    return asked_for
