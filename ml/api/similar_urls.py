"""Addresses of pictures that are nearly the same, under /api/."""

from django.urls import path

from ml.api import similar

SIMILAR = "libraries/<uuid:library_id>/similar"

urlpatterns = [
    path(SIMILAR, similar.SimilarGroups.as_view(), name="similar"),
    path(f"{SIMILAR}/preview", similar.SimilarPreview.as_view(), name="similar-preview"),
    path(f"{SIMILAR}/keep", similar.KeepAll.as_view(), name="similar-keep"),
    path(f"{SIMILAR}/reconsider", similar.AskAgain.as_view(), name="similar-reconsider"),
]
