"""Addresses of the registry of models."""

from django.urls import URLPattern, URLResolver, path

from ml.api import models

urlpatterns: list[URLPattern | URLResolver] = [
    path("models", models.Models.as_view(), name="models"),
    path("models/<str:pipeline>", models.OnePipeline.as_view(), name="pipeline"),
    path("models/<str:pipeline>/<str:model>", models.OneModel.as_view(), name="model"),
    path("models/<str:pipeline>/<str:model>/download", models.DownloadModel.as_view(), name="download-model"),
    path("licences/<str:licence>/accept", models.AcceptLicence.as_view(), name="accept-licence"),
]
