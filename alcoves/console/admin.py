"""Rows of the libraries that we use: attempts to log in, results of tasks. In our theme, and only to look at.

Their own pages are registered when they are imported, which is therefore done first.
"""

from typing import Any

import axes.admin
import django_celery_results.admin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from constance.admin import Config
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django_celery_results.models import GroupResult, TaskResult

from alcoves.themed import ModelAdmin
from media.admin.filters import one_of
from media.admin.paging import EstimatingPaginator, LookOnly

__all__ = ["axes", "django_celery_results"]

for model in (AccessAttempt, AccessFailureLog, AccessLog, GroupResult, TaskResult, LogEntry):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

admin.site.unregister([Config])  # The page Settings shows and changes the same rows, and notes who did.


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ModelAdmin[AccessAttempt]):
    """Who tried to log in and failed. To let somebody in again at once, delete their row."""

    list_display = ("attempt_time", "username", "ip_address", "failures_since_start", "user_agent")
    search_fields = ("username", "ip_address")
    ordering = ("-attempt_time",)
    fields = ("attempt_time", "username", "ip_address", "user_agent", "path_info", "failures_since_start")
    readonly_fields = fields
    show_full_result_count = False
    paginator = EstimatingPaginator  # Whoever attacks makes many rows.

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(AccessLog)
class AccessLogAdmin(LookOnly):
    """Who logged in, and when they left."""

    list_display = ("attempt_time", "username", "ip_address", "logout_time", "user_agent")
    ordering = ("-id",)
    fields = ("attempt_time", "logout_time", "username", "ip_address", "user_agent", "path_info")
    readonly_fields = fields


@admin.register(TaskResult)
class TaskResultAdmin(LookOnly):
    """What became of tasks that operators started. Arguments are not shown: they may be long, and tell nothing."""

    list_display = ("date_created", "task_name", "status", "worker", "date_done")
    list_filter = (one_of("status", ["PENDING", "STARTED", "SUCCESS", "FAILURE", "RETRY", "REVOKED"]),)
    search_fields = ("=task_id",)
    search_help_text = "The id of a task."
    ordering = ("-id",)
    fields = (
        *("task_id", "task_name", "status", "worker", "date_created", "date_started", "date_done"),
        *("result", "traceback"),
    )
    readonly_fields = fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What the program was doing when it failed is for those who may see the history."""
        shown = super().get_fields(request, obj)
        may_see = request.user.has_perm("console.see_history")
        return [name for name in shown if may_see or name != "traceback"]
