"""The address of search, under /api/."""

from django.urls import path

from ml.api import search

urlpatterns = [path("search", search.Search.as_view(), name="search")]
