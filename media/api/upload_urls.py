"""Addresses of the ways in, under /api/. POST of /libraries/{id}/files is `uploads.ReceiveFilesMixin`."""

from django.urls import path

from media.api.own_uploads import OneUpload, OwnUploads
from media.api.signed import SignedGet, SignedPut
from media.api.tus import TusUpload, TusUploads
from media.api.uploads import AskUploadView, ConfirmUpload

urlpatterns = [
    path("libraries/<uuid:library_id>/uploads", AskUploadView.as_view(), name="uploads"),
    path("uploads", OwnUploads.as_view(), name="own-uploads"),
    path("uploads/<uuid:upload_id>", OneUpload.as_view(), name="own-upload"),
    path("uploads/<uuid:upload_id>/confirm", ConfirmUpload.as_view(), name="upload-confirm"),
    path("tus", TusUploads.as_view(), name="tus"),
    path("tus/<uuid:upload_id>", TusUpload.as_view(), name="tus-upload"),
    path("files/signed", SignedGet.as_view(), name="files-signed"),
    path("files/upload-signed", SignedPut.as_view(), name="files-upload-signed"),
]
