"""Addresses of tags and moments, under /api/."""

from django.urls import path

from media.api import moments, tags

LIBRARY = "libraries/<uuid:library_id>"
MOMENTS = f"{LIBRARY}/files/<uuid:file_id>/moments"
MOMENT = f"{MOMENTS}/<uuid:moment_id>"

urlpatterns = [
    path(f"{LIBRARY}/tags", tags.LibraryTags.as_view(), name="tags"),
    path(f"{LIBRARY}/tags/<uuid:tag_id>", tags.OneTag.as_view(), name="tag"),
    path(MOMENTS, moments.FileMoments.as_view(), name="moments"),
    path(MOMENT, moments.OneMoment.as_view(), name="moment"),
    path(f"{MOMENT}/restore", moments.RestoreMoment.as_view(), name="moment-restore"),
    path(f"{MOMENT}/tags", moments.MomentTags.as_view(), name="moment-tags"),
    path(f"{MOMENT}/split", moments.SplitMoment.as_view(), name="moment-split"),
    path(f"{MOMENT}/export", moments.ExportMoment.as_view(), name="moment-export"),
    path(f"{MOMENT}/download", moments.DownloadMoment.as_view(), name="moment-download"),
    path(f"{MOMENT}/poster", moments.MomentPoster.as_view(), name="moment-poster"),
]
