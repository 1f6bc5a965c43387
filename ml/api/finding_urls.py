"""Addresses of objects and sounds, under /api/."""

from django.urls import path

from ml.api import objects, sounds

LIBRARY = "libraries/<uuid:library_id>"
FILE = f"{LIBRARY}/files/<uuid:file_id>"

urlpatterns = [
    path(f"{FILE}/objects", objects.FileObjects.as_view(), name="file-objects"),
    path(f"{FILE}/sounds", sounds.FileSounds.as_view(), name="file-sounds"),
    path(f"{LIBRARY}/objects", objects.LibraryObjects.as_view(), name="objects"),
    path(f"{LIBRARY}/objects/labels", objects.ObjectLabels.as_view(), name="object-labels"),
    path(f"{LIBRARY}/sounds", sounds.LibrarySounds.as_view(), name="sounds"),
    path(f"{LIBRARY}/sounds/labels", sounds.SoundLabels.as_view(), name="sound-labels"),
]
