"""Addresses of the understanding part, all under /api/. Each noun has a list of its own."""

from django.urls import URLPattern, URLResolver

from ml.api import finding_urls, model_urls, people_urls, search_urls, similar_urls, transcript_urls

app_name = "understanding"
urlpatterns: list[URLPattern | URLResolver] = [
    *finding_urls.urlpatterns,
    *model_urls.urlpatterns,
    *people_urls.urlpatterns,
    *search_urls.urlpatterns,
    *similar_urls.urlpatterns,
    *transcript_urls.urlpatterns,
]
