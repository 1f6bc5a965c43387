"""Addresses of settings at run time, under /api/admin/."""

from django.urls import path

from alcoves.console.settings import api

urlpatterns = [
    path("settings", api.Settings.as_view(), name="admin-settings"),
    path("settings/<str:name>", api.OneSetting.as_view(), name="admin-setting"),
]
