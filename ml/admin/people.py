"""People and faces: who is whom in which library, with their small pictures. Members decide; staff look."""

from typing import Any

from django.contrib import admin
from django.db.models import Case, Count, IntegerField, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from media.admin.paging import LookOnly, link, listing
from ml.models import Face, FaceProposal, MergeProposal, Person


def crop(derivative: Any, name: str) -> SafeString | str:
    """A small picture by the console's own route; nothing where it was not made yet."""
    if derivative is None or not name:
        return "-"
    address = reverse("admin:media_derivative_picture", args=(derivative, name))
    return format_html('<img src="{}" alt="this face" height="64" loading="lazy">', address)


@admin.register(Person)
class PersonAdmin(LookOnly):
    list_display = ("__str__", "picture", "library", "face_count", "hidden", "merged_into", "updated_at")
    list_select_related = ("library", "merged_into")
    list_filter = ("hidden", ("library", admin.RelatedOnlyFieldListFilter))
    search_fields = ("name", "=id")
    ordering = ("-id",)
    fields = (
        *("id", "name", "library", "picture", "faces", "hidden", "cover_chosen", "made_by_user"),
        *("merged_into", "merged_at", "created_at", "updated_at"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What is counted and looked for by subqueries is so for the rows of one page only."""
        theirs = Face.objects.filter(person=OuterRef("pk"), removed=False).order_by()
        counted = theirs.values("person").annotate(faces=Count("pk")).values("faces")
        chosen = Case(When(pk=OuterRef("cover"), then=0), default=1)
        best = theirs.exclude(crop="").alias(rank=chosen).order_by("rank", "-quality", "id")
        rows: QuerySet[Any] = super().get_queryset(request)
        counted_rows: QuerySet[Any] = rows.annotate(
            worn=Coalesce(Subquery(counted, output_field=IntegerField()), 0),
            shown_of=Subquery(best.values("derivative")[:1]),
            shown=Subquery(best.values("crop")[:1]),
        )
        return counted_rows

    @admin.display(description="face")
    def picture(self, row: Any) -> SafeString | str:
        return crop(row.shown_of, row.shown)

    @admin.display(description="faces")
    def face_count(self, row: Any) -> int:
        return int(row.worn)

    @admin.display(description="faces")
    def faces(self, row: Any) -> SafeString:
        return listing(Face, f"{row.worn} faces", person__id__exact=row.pk)


class OwnedFilter(admin.SimpleListFilter):
    title = "person"
    parameter_name = "owned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "has one"), ("no", "has none")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(person__isnull=self.value() == "no")


@admin.register(Face)
class FaceAdmin(LookOnly):
    list_display = (
        *("id", "picture", "person", "library", "score", "quality", "assigned_by"),
        *("waiting", "removed", "created_at"),
    )
    list_select_related = ("person", "library")
    list_filter = (OwnedFilter, "assigned_by", "removed", "waiting")
    search_fields = ("=id", "=original__id", "=original__files__id", "=person__id")
    ordering = ("-id",)
    fields = (
        *("id", "picture", "person_link", "library", "original_link", "derivative_link", "model"),
        *("x", "y", "width", "height", "second", "spans", "landmarks", "score", "quality", "distance"),
        *("assigned_by", "waiting", "removed", "drawn_by", "crop", "created_at", "updated_at"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("embedding")

    @admin.display(description="face")
    def picture(self, row: Face) -> SafeString | str:
        return crop(row.derivative_id, row.crop)

    @admin.display(description="person")
    def person_link(self, row: Face) -> SafeString | str:
        return link(row.person)

    @admin.display(description="original")
    def original_link(self, row: Face) -> SafeString | str:
        return link(row.original)

    @admin.display(description="found by")
    def derivative_link(self, row: Face) -> SafeString | str:
        return link(row.derivative)


@admin.register(MergeProposal)
class MergeProposalAdmin(LookOnly):
    list_display = ("__str__", "first", "second", "distance", "declined", "library", "created_at")
    list_select_related = ("first", "second", "library")
    list_filter = ("declined",)
    ordering = ("-id",)
    fields = ("id", "first", "second", "distance", "declined", "library", "created_at", "updated_at")
    readonly_fields = fields


@admin.register(FaceProposal)
class FaceProposalAdmin(LookOnly):
    list_display = ("__str__", "person", "distance", "library", "created_at")
    list_select_related = ("person", "library")
    ordering = ("-id",)
    fields = ("id", "face", "person", "distance", "library", "created_at", "updated_at")
    readonly_fields = fields
