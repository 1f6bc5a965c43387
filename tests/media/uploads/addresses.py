"""The ways in as a URLconf of their own: `pytestmark = pytest.mark.urls("tests.media.uploads.addresses")`."""

from django.urls import include, path

from media.api.uploads import ReceiveFiles

urlpatterns = [
    path("api/libraries/<uuid:library_id>/files", ReceiveFiles.as_view()),
    path("api/", include("media.api.upload_urls")),
]
