"""Moments and tags: what people have marked, how its export stands, and asking for that anew."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from media import audit, moments
from media.admin import acting
from media.admin.filters import LibraryFilter, TrashedFilter, WhenFilter
from media.admin.paging import LookOnly, link
from media.errors import RequestError
from media.models import Moment, Tag


@admin.register(Moment)
class MomentAdmin(LookOnly):
    list_display = (
        "name",
        "file",
        "start",
        "end",
        "export_version",
        "created_by",
        "created_at",
        "trashed_at",
    )
    list_select_related = ("file", "created_by")
    list_filter = (TrashedFilter, WhenFilter)
    search_fields = ("name", "=id", "=file__id")
    ordering = ("-id",)
    fields = (
        *("id", "name", "description", "file_link", "start", "end", "tag_names"),
        *("export_version", "export_link", "created_by", "created_at", "updated_at", "trashed_at"),
    )
    readonly_fields = fields
    actions = ("export",)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """The rows cannot be edited, but who may change them may ask for their clips."""
        return request.user.has_perm("media.change_moment")

    @admin.display(description="file")
    def file_link(self, row: Moment) -> SafeString | str:
        return link(row.file)

    @admin.display(description="tags")
    def tag_names(self, row: Moment) -> str:
        return ", ".join(row.tags.order_by("name").values_list("name", flat=True)) or "-"

    @admin.display(description="export")
    def export_link(self, row: Moment) -> SafeString | str:
        return link(moments.find_export(row))

    @admin.action(description="Export: make the clips that are missing or stale", permissions=["export"])
    def export(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        keys = acting.bounded_keys(rows)
        with audit.noting("moments.export", by=audit.of(request)) as noted:
            for row in rows.filter(pk__in=keys):
                try:
                    moments.request_export(row)
                    noted.count += 1
                except RequestError:
                    continue
            noted.text = f"The clips of {noted.count} moments were asked for."
            noted.detail = {"keys": [str(key) for key in keys]}
        refused = len(keys) - noted.count
        messages.success(request, f"{noted.count} are exported. {refused} lie in the trash or were deleted.")


@admin.register(Tag)
class TagAdmin(LookOnly):
    list_display = ("name", "color", "library", "usage", "created_at")
    list_select_related = ("library",)
    list_filter = (LibraryFilter,)
    search_fields = ("name", "=id")
    ordering = ("-id",)
    fields = ("id", "name", "color", "library", "usage", "created_at", "updated_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        worn: QuerySet[Any] = (
            Moment.tags.through.objects.filter(tag=OuterRef("pk")).values("tag").annotate(n=Count("pk"))
        )
        rows: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = rows.annotate(worn=Coalesce(Subquery(worn.values("n")), 0))
        return counted

    @admin.display(description="moments")
    def usage(self, row: Any) -> int:
        return int(row.worn)
