"""Addresses of queues, lanes and workers, under /api/admin/. Names of workers may hold slashes."""

from django.urls import path

from alcoves.console import steering_api

urlpatterns = [
    path("queues", steering_api.Queues.as_view(), name="admin-queues"),
    path("queues/<str:name>/pause", steering_api.PauseQueue.as_view(), name="admin-queue-pause"),
    path("queues/<str:name>/resume", steering_api.ResumeQueue.as_view(), name="admin-queue-resume"),
    path("lanes/<str:lane>/slots", steering_api.Slots.as_view(), name="admin-lane-slots"),
    path("workers", steering_api.Workers.as_view(), name="admin-workers"),
    path("workers/<path:name>/drain", steering_api.Drain.as_view(), name="admin-worker-drain"),
    path("workers/<path:name>/release", steering_api.Release.as_view(), name="admin-worker-release"),
]
