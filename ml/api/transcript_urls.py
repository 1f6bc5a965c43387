"""Addresses of transcripts, and of the language of a library."""

from django.urls import path

from ml.api import transcripts

LIBRARY = "libraries/<uuid:library_id>"
TRANSCRIPTS = f"{LIBRARY}/files/<uuid:file_id>/transcripts"
TRACK = f"{TRANSCRIPTS}/<str:track>"

urlpatterns = [
    path(f"{LIBRARY}/language", transcripts.SpokenLanguage.as_view(), name="language"),
    path(f"{LIBRARY}/transcripts", transcripts.TranscribeMany.as_view(), name="transcribe-many"),
    path(TRANSCRIPTS, transcripts.Transcripts.as_view(), name="transcripts"),
    path(TRACK, transcripts.OneTranscript.as_view(), name="transcript"),
    path(f"{TRACK}/revert", transcripts.RevertTranscript.as_view(), name="transcript-revert"),
    path(f"{TRACK}/kept/<uuid:key>", transcripts.KeptTranscript.as_view(), name="transcript-kept"),
    path(f"{TRACK}/cancel", transcripts.CancelTranscript.as_view(), name="transcript-cancel"),
    path(f"{TRACK}/transcript.<str:form>", transcripts.TranscriptFile.as_view(), name="transcript-file"),
]
