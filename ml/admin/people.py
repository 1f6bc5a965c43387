"""People and faces: who is whom in which library, with their small pictures. Members decide; staff look."""

from typing import Any

from django.contrib import admin
from django.db.models import Case, OuterRef, Q, QuerySet, Subquery, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alcoves.wording import counted
from media.admin.filters import LibraryFilter, one_way_or_other
from media.admin.paging import LookOnly, link, listing
from ml.admin.merging import AnsweringMixin, MergingMixin
from ml.faces import proposals
from ml.models import Face, FaceProposal, MergeProposal, Person


def crop(derivative: Any, name: str) -> SafeString | str:
    """A small picture by the console's own route; nothing where it was not made yet."""
    if derivative is None or not name:
        return "-"
    address = reverse("admin:media_derivative_picture", args=(derivative, name))
    return format_html(
        '<img src="{}" alt="this face" height="64" loading="lazy" class="console-picture">', address
    )


MergedFilter = one_way_or_other(
    "merged",
    "merged",
    {
        "yes": ("into another one", Q(merged_into__isnull=False)),
        "no": ("on their own", Q(merged_into__isnull=True)),
    },
)


@admin.register(Person)
class PersonAdmin(MergingMixin, LookOnly):
    list_display = ("__str__", "picture", "library", "face_count", "hidden", "merged_into", "updated_at")
    list_select_related = ("library", "merged_into")
    list_filter = ("hidden", MergedFilter, LibraryFilter)
    search_fields = ("name", "=id")
    ordering = ("-id",)
    fields = (
        *("id", "name", "library_link", "picture", "faces", "hidden", "cover_chosen", "made_by_user"),
        *("merged_into_link", "merged_at", "rows_about_it", "created_at", "updated_at"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What is counted and looked for by subqueries is so for the rows of one page only."""
        theirs = Face.objects.filter(person=OuterRef("pk"), removed=False).order_by()
        chosen = Case(When(pk=OuterRef("cover"), then=0), default=1)
        best = theirs.exclude(crop="").alias(rank=chosen).order_by("rank", "-quality", "id")
        rows: QuerySet[Any] = super().get_queryset(request)
        counted_rows: QuerySet[Any] = rows.annotate(
            shown_of=Subquery(best.values("derivative")[:1]),
            shown=Subquery(best.values("crop")[:1]),
        )
        return counted_rows

    @admin.display(description="face")
    def picture(self, row: Any) -> SafeString | str:
        return crop(row.shown_of, row.shown)

    @admin.display(description="library")
    def library_link(self, row: Any) -> SafeString | str:
        return link(row.library)

    @admin.display(description="merged into")
    def merged_into_link(self, row: Any) -> SafeString | str:
        return link(row.merged_into)

    @admin.display(description="faces")
    def face_count(self, row: Any) -> int:
        return int(row.faces_known)

    @admin.display(description="faces")
    def faces(self, row: Any) -> SafeString:
        return listing(Face, counted(row.faces_known, "face"), person__id__exact=row.pk)


OwnedFilter = one_way_or_other(
    "owned",
    "person",
    {"yes": ("has one", Q(person__isnull=False)), "no": ("has none", Q(person__isnull=True))},
)


@admin.register(Face)
class FaceAdmin(LookOnly):
    list_display = (
        *("id", "picture", "person", "library", "score", "quality", "assigned_by"),
        *("waiting", "removed", "created_at"),
    )
    list_select_related = ("person", "library")
    list_filter = (OwnedFilter, "assigned_by", "removed", LibraryFilter)
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
class MergeProposalAdmin(AnsweringMixin, LookOnly):
    accepting = staticmethod(proposals.accept_merge)
    declining = staticmethod(proposals.decline_merge)
    list_display = ("__str__", "first", "second", "distance", "declined", "library", "created_at")
    list_select_related = ("first", "second", "library")
    list_filter = ("declined", LibraryFilter)
    search_fields = ("=id", "=first__id", "=second__id")
    ordering = ("-id",)
    fields = ("id", "first", "second", "distance", "declined", "library", "created_at", "updated_at")
    readonly_fields = fields


@admin.register(FaceProposal)
class FaceProposalAdmin(AnsweringMixin, LookOnly):
    accepting = staticmethod(proposals.accept_face)
    declining = staticmethod(proposals.decline_face)
    list_display = ("__str__", "person", "distance", "library", "created_at")
    list_select_related = ("person", "library")
    list_filter = (LibraryFilter,)
    search_fields = ("=id", "=face__id", "=person__id")
    ordering = ("-id",)
    fields = ("id", "face", "person", "distance", "library", "created_at", "updated_at")
    readonly_fields = fields
