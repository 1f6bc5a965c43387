"""Addresses of the media API, all under /api/."""

from django.urls import URLPattern, URLResolver, path

from media.api import (
    derivatives,
    files,
    folders,
    images,
    libraries,
    moment_urls,
    playback,
    posters,
    reprocessing,
    share_urls,
    stacks,
    upload_urls,
    waveforms,
)

app_name = "api"
LIBRARY = "libraries/<uuid:library_id>"
FILE = f"{LIBRARY}/files/<uuid:file_id>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("capabilities", derivatives.Capabilities.as_view(), name="capabilities"),
    path("libraries", libraries.Libraries.as_view(), name="libraries"),
    path(LIBRARY, libraries.OneLibrary.as_view(), name="library"),
    path(f"{LIBRARY}/users", libraries.Members.as_view(), name="members"),
    path(f"{LIBRARY}/users/<uuid:user_id>", libraries.OneMember.as_view(), name="member"),
    path(f"{LIBRARY}/reprocess", derivatives.ReprocessLibrary.as_view(), name="reprocess-library"),
    path(f"{LIBRARY}/folders", folders.Folders.as_view(), name="folders"),
    path(f"{LIBRARY}/folders/<uuid:folder_id>", folders.OneFolder.as_view(), name="folder"),
    path(f"{LIBRARY}/folders/<uuid:folder_id>/move", folders.MoveFolder.as_view(), name="move-folder"),
    path(f"{LIBRARY}/files", files.LibraryFiles.as_view(), name="files"),
    path(f"{LIBRARY}/files/restore", files.RestoreFiles.as_view(), name="restore"),
    path(f"{LIBRARY}/files/purge", files.PurgeFiles.as_view(), name="purge"),
    path(f"{LIBRARY}/stacks/<uuid:stack_id>", stacks.OneStack.as_view(), name="stack"),
    path(FILE, files.OneFile.as_view(), name="file"),
    path(f"{FILE}/original", derivatives.OriginalBytes.as_view(), name="original"),
    path(f"{FILE}/playback-sources", playback.PlaybackSources.as_view(), name="playback-sources"),
    path(f"{FILE}/proxy", playback.Proxy.as_view(), name="proxy"),
    path(f"{FILE}/poster", posters.Poster.as_view(), name="poster"),
    path(f"{FILE}/poster/upload", posters.UploadedPoster.as_view(), name="upload-poster"),
    path(f"{FILE}/reprocess", derivatives.ReprocessFile.as_view(), name="reprocess-file"),
    path(f"{FILE}/waveform", waveforms.Waveform.as_view(), name="waveform"),
    path(f"{FILE}/derivatives", derivatives.Derivatives.as_view(), name="derivatives"),
    path(f"{FILE}/derivatives/<str:deriver>", derivatives.OneDerivative.as_view(), name="derivative"),
    path(f"{FILE}/derivatives/<str:deriver>/cancel", derivatives.CancelDerivative.as_view(), name="cancel"),
    path(f"{FILE}/derivatives/<str:deriver>/<str:output>", derivatives.Output.as_view(), name="output"),
    path(
        "files/proxy/<uuid:library_id>/<uuid:file_id>/<str:filename>",
        images.ProxyImage.as_view(),
        name="image",
    ),
    path("files/proxy-access/<uuid:library_id>", images.ProxyAccess.as_view(), name="image-access"),
    path("admin/reprocess", reprocessing.AdminReprocess.as_view(), name="admin-reprocess"),
    path(
        "admin/reprocess/<uuid:task>", reprocessing.AdminReprocessTask.as_view(), name="admin-reprocess-task"
    ),
    *moment_urls.urlpatterns,
    *share_urls.urlpatterns,
    *upload_urls.urlpatterns,
]
