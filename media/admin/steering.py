"""What operators have ordered, and what workers tell of themselves: orders, acts on many jobs, time-outs. To look at.

Orders are given on the pages Queues, Workers and Reprocess, which also note who gave them.
"""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from media.admin.paging import LookOnly, link
from media.models import Bulk, Control, SweepHold, WorkerReport


@admin.register(Control)
class ControlAdmin(LookOnly):
    list_display = ("kind", "name", "paused", "slots", "reason", "set_by", "set_at")
    list_display_links = ("kind", "name")
    search_fields = ("=id",)
    search_help_text = "The id of a row."
    ordering = ("-id",)
    fields = ("id", *list_display, "created_at", "updated_at")
    readonly_fields = fields


@admin.register(WorkerReport)
class WorkerReportAdmin(LookOnly):
    list_display = ("name", "lane", "host", "slots", "running", "draining", "version", "seen_at")
    search_fields = ("=name", "=id")
    search_help_text = "The whole name of a worker."
    ordering = ("-id",)
    fields = ("id", *list_display, "pid", "began_at", "created_at", "updated_at")
    readonly_fields = fields


@admin.register(SweepHold)
class SweepHoldAdmin(LookOnly):
    list_display = ("store", "reason", "until", "created_at")
    search_fields = ("=id",)
    search_help_text = "The id of a row."
    ordering = ("-id",)
    fields = ("id", *list_display, "updated_at")
    readonly_fields = fields


@admin.register(Bulk)
class BulkAdmin(LookOnly):
    list_display = ("created_at", "act", "which", "state", "done", "total", "actor", "ended_at")
    list_select_related = ("actor",)
    search_fields = ("=id",)
    search_help_text = "The id of a row."
    ordering = ("-id",)
    fields = (
        *("id", "progress", "act", "which", "actor_link", "via", "state", "text", "done", "total"),
        *("created_at", "sent_at", "began_at", "ended_at", "tries"),
    )
    readonly_fields = fields

    @admin.display(description="which")
    def which(self, row: Bulk) -> str:
        return ", ".join(f"{name} {value}" for name, value in row.selection.items()) or "everything"

    @admin.display(description="asked by")
    def actor_link(self, row: Bulk) -> SafeString | str:
        return link(row.actor)

    @admin.display(description="progress")
    def progress(self, row: Bulk) -> SafeString:
        address = reverse("admin:reprocess-task", args=(row.pk,))
        return format_html('<a class="console-button" href="{}">How far it is</a>', address)
