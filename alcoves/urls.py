"""Every address of the web process."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from alcoves import gallery, health, scraping, sharing
from alcoves.console.maintenance_api import MaintenanceView


class Schema(SpectacularAPIView):
    """Without the parameter for a version: there is one, and what was asked for came back in a header."""

    def _get_version_parameter(self, request: Any) -> None:
        return None


urlpatterns: list[URLPattern | URLResolver] = [
    path("", gallery.show_library, name="gallery"),
    path("libraries", gallery.show_libraries, name="gallery-libraries"),
    path("files/<uuid:library_id>/<uuid:file_id>", gallery.show_file, name="gallery-file"),
    path("s/<str:token>", sharing.show_share, name="share"),
    path("", include("alcoves.accounts.urls")),
    path("api/schema/", Schema.as_view(), name="schema"),
    path("api/docs/", gallery.ApiDocs.as_view(url_name="schema"), name="docs"),
    path("api/admin/", include("alcoves.console.dashboard.api")),
    path("api/", include("media.api.urls")),
    path("api/", include("ml.api.urls")),
    path("api/admin/", include("alcoves.console.settings.urls")),
    path("api/admin/maintenance", MaintenanceView.as_view(), name="admin-maintenance"),
    path("api/admin/", include("alcoves.console.steering_urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", scraping.show_metrics, name="metrics"),
    path("metrics/all", scraping.show_all_metrics, name="all-metrics"),
]

handler400 = "alcoves.refusing.bad_request"
handler500 = "alcoves.refusing.server_error"
