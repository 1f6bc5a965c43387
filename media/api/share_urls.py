"""Addresses of links to moments: those of the members, and those of whoever holds a link."""

from django.urls import path

from media.api import shares

MOMENT = "libraries/<uuid:library_id>/files/<uuid:file_id>/moments/<uuid:moment_id>"

urlpatterns = [
    path(f"{MOMENT}/shares", shares.MomentShares.as_view(), name="moment-shares"),
    path(f"{MOMENT}/shares/<str:token>", shares.OneMomentShare.as_view(), name="moment-share"),
    path("share/<str:token>", shares.Shared.as_view(), name="share"),
    path("share/<str:token>/unlock", shares.Unlock.as_view(), name="share-unlock"),
    path("share/<str:token>/video", shares.SharedVideo.as_view(), name="share-video"),
    path("share/<str:token>/thumbnail", shares.SharedThumbnail.as_view(), name="share-thumbnail"),
]
