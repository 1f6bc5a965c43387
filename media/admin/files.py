"""Files: where they are, what they point at, and the trash."""

from dataclasses import replace
from typing import Any, Final

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from alcoves.wording import are, counted
from media import stacks, trash
from media.admin import acting, attempts, many, offering
from media.admin.filters import HeldFilter, LibraryFilter, TrashedFilter, WhenFilter
from media.admin.offering import Offering
from media.admin.paging import BigTable, link
from media.admin.pictures import SCRIPTS, everything, of_original, with_pictures
from media.intake import clean_name
from media.models import Derivative, File


@admin.register(File)
class FileAdmin(Offering, BigTable):
    offers = staticmethod(offering.of_file)
    list_display = ("name", "picture", "library", "kind", "size", "created_at", "trashed_at")
    list_filter = (TrashedFilter, HeldFilter, LibraryFilter, WhenFilter)
    search_fields = ("name", "=id", "=original__id")
    search_help_text = "Words of a name, or parts of them; or the id of a file or an original."
    ordering = ("-id",)
    fields = (
        *(
            "name",
            "pictures",
            "library_link",
            "folder_link",
            "original_link",
            "derivatives",
            "stack_link",
            "held",
            "history",
        ),
        "rows_about_it",
        *(
            "rotation",
            "effective_at",
            "created_by",
            "client_modified_at",
            "created_at",
            "updated_at",
            "trashed_at",
        ),
    )
    readonly_fields = tuple(name for name in fields if name != "name")
    actions = ("to_trash", "restore", "purge", "hold", "release")

    class Media:
        js = SCRIPTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return with_pictures(rows.select_related("library", "folder", "original", "created_by", "stack"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deleting the row alone would keep the bytes for ever: the purge action does it right."""
        return False

    @admin.display(description="picture")
    def picture(self, row: File) -> SafeString | str:
        return of_original(row.original)

    @admin.display(description="looks like")
    def pictures(self, row: File) -> SafeString | str:
        return everything(row.original)

    @admin.display(description="library")
    def library_link(self, row: File) -> SafeString | str:
        return link(row.library)

    @admin.display(description="folder")
    def folder_link(self, row: File) -> SafeString | str:
        return link(row.folder)

    @admin.display(description="kind")
    def kind(self, row: File) -> str:
        return row.original.kind

    @admin.display(description="bytes")
    def size(self, row: File) -> int:
        return row.original.size

    @admin.display(description="original")
    def original_link(self, row: File) -> SafeString | str:
        return link(row.original)

    @admin.display(description="stack")
    def stack_link(self, row: File) -> SafeString | str:
        return link(row.stack)

    def save_model(self, request: HttpRequest, obj: File, form: Any, change: Any) -> None:
        """Only the name can be changed here, and with it what the file lies beside."""
        name = clean_name(obj.name)
        with transaction.atomic(), stacks.rearranging(obj.library_id, [obj.pk], to=[(obj.folder_id, name)]):
            obj.name = name
            obj.save(update_fields=["name", "updated_at"])

    def has_hold_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("console.quarantine_files")

    @admin.action(description="Set aside: no work, not shown", permissions=["hold"])
    def hold(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return acting.hold_originals(self, request, rows, "original_id")

    @admin.action(description="Release what was set aside", permissions=["hold"])
    def release(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        acting.release_originals(request, rows, "original_id")

    @admin.display(description="attempts")
    def history(self, row: File) -> SafeString | str:
        return attempts.of_original(row.original_id)

    @admin.display(description="set aside")
    def held(self, row: File) -> str:
        original = row.original
        if original.held_at is None:
            return "no"
        who = f" by {original.held_by}" if original.held_by_id else ""
        return f"since {original.held_at:%Y-%m-%d %H:%M}{who}: {original.held_reason}"

    @admin.display(description="made of it")
    def derivatives(self, row: File) -> SafeString:
        rows = Derivative.objects.filter(original=row.original_id).order_by("deriver", "variant")[:100]
        return format_html_join(" · ", "{}", ((link(one),) for one in rows))

    def has_purge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media.delete_file")

    @admin.action(description="Move to the trash", permissions=["change"])
    def to_trash(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        tell(request, many.act(request, "trash", rows.filter(trashed_at__isnull=True)), "in the trash now")

    @admin.action(description="Restore from the trash", permissions=["change"])
    def restore(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        tell(request, many.act(request, "restore", rows.filter(trashed_at__isnull=False)), "back")

    @admin.action(description="Purge: delete those in the trash for good", permissions=["purge"])
    def purge(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """Asks first, and says what is lost."""
        trashed = rows.filter(trashed_at__isnull=False)
        if many.is_sure(request):
            meant, asked = many.meant(request, trashed)
            tell(request, many.act(request, "purge", meant, asked), "gone for good")
            return None
        asked = many.asked_now()
        asked = replace(asked, seen=many.number_of(trashed.filter(trash.in_trash_at(asked.at))))
        found = many.count_of(asked.seen)
        return many.ask(
            self,
            request,
            rows,
            asked=asked,
            title="Delete files for good",
            sentence=f"Delete {found} for good? Files that are not in the trash are left alone.",
            losses=LOST,
            button="Delete for good",
        )


LOST: Final = (
    "The files themselves: their bytes are removed from the store, unless another file has the same.",
    "Everything that was made from them: previews, films to play, transcripts with people's corrections.",
    "Faces and who they are, objects and sounds that were found, moments, and links by which they were shared.",
    "Only a backup has them still.",
)


def tell(request: HttpRequest, done: many.Done, what: str) -> None:
    """How many, or where one sees how far it is."""
    if done.task:
        messages.info(
            request,
            f"{done.count:,} files are too many for one page: a worker does it. Its result is in Task results.",
        )
    else:
        messages.success(request, f"{counted(done.count, 'file')} {are(done.count)} {what}.")
