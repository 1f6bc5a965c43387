"""Libraries and their members. Members are changed through `media.libraries` here too, so its rules hold."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, F, QuerySet, Sum
from django.forms import BaseInlineFormSet, BooleanField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from alcoves.themed import TabularInline
from alcoves.wording import counted
from media import audit, epochs, libraries, switching
from media.admin import many
from media.admin.paging import BigTable, listing, page_name
from media.errors import MediaError
from media.models import File, Library, Membership
from media.models.library import FIELD_OF, Role
from media.switching import LossError


class LibraryForm(ModelForm[Library]):
    """A library. A switch goes off only with the word for it, where that deletes something."""

    confirm = BooleanField(
        required=False,
        label="Delete what was made",
        help_text="Needed where a switch goes off and results of it are there: faces, transcripts ...",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        off = [name for name, value in self.turned().items() if not value]
        if not given.get("confirm") and (losses := switching.losses_of(self.instance, off)):
            raise ValidationError(LossError(losses).message)
        return given

    def turned(self) -> dict[str, bool]:
        """The switches that were changed on the page."""
        changed = set(self.changed_data)
        return {name: self.cleaned_data[field] for name, field in FIELD_OF.items() if field in changed}


class MemberForm(ModelForm[Membership]):
    """One member. That there is one owner is seen over all rows together, so no row is asked alone."""

    def validate_constraints(self) -> None:
        """Left to the formset, which also finds a user who is named twice."""


class MembersFormSet(BaseInlineFormSet[Membership, Library, ModelForm[Membership]]):
    """All members of a library at once."""

    def wanted(self) -> dict[UUID, str]:
        """Who shall be a member, and as what."""
        kept = [form for form in self.forms if form not in self.deleted_forms]
        return {form.instance.user_id: form.instance.role for form in kept if form.cleaned_data.get("user")}

    def clean(self) -> None:
        super().clean()
        if not any(self.errors) and list(self.wanted().values()).count(Role.OWNER) != 1:
            raise ValidationError(
                "A library has exactly one owner. Give that role to one member, and to no other."
            )

    def settle(self) -> None:
        """Make it so, in one transaction. Members who came in since the page was opened are left alone."""
        library, wanted = self.instance, self.wanted()
        shown = {form.initial["user"] for form in self.initial_forms}
        gone = Membership.objects.filter(library=library, user_id__in=shown - wanted.keys())
        users = get_user_model().objects.in_bulk(wanted)
        with transaction.atomic():
            libraries.set_owner(
                library, next(users[key] for key, role in wanted.items() if role == Role.OWNER)
            )
            for user_id in list(gone.values_list("user_id", flat=True)):
                libraries.remove_member(library, user_id)
            for key, role in wanted.items():
                if role != Role.OWNER:
                    libraries.set_member(library, users[key], role)


class MembersInline(TabularInline[Membership, Library]):
    model = Membership
    form = MemberForm
    formset = MembersFormSet
    extra = 0
    autocomplete_fields = ("user",)
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)


LIBRARIES_AT_ONCE = 20
COUNTED = 10_000
"""Files of one trash; more are not counted while somebody waits for the question."""


def question(chosen: list[Library]) -> dict[str, Any]:
    """How many files of which size would be gone."""
    losses = []
    for library in chosen:
        files = File.objects.filter(library=library, trashed_at__isnull=False).order_by()
        some = files.annotate(size=F("original__size")).values("size")[: COUNTED + 1]
        found = some.aggregate(count=Count("*"), total=Sum("size"))
        size = filesizeformat(found["total"] or 0)
        count = found["count"]
        told = f"{counted(count, 'file')} of {size}" if count <= COUNTED else f"over {COUNTED:,} files"
        losses.append(f"{library.name}: {told}, and all that was made of them")
    return {
        "title": "Empty the trash",
        "sentence": "Delete for good what lies in the trash now? What is taken back meanwhile is kept.",
        "losses": losses,
        "button": "Empty the trash",
    }


def hand_over(request: HttpRequest, chosen: list[Library]) -> None:
    """A worker does it, batch by batch. Told are those that were handed over, also where others were not.

    What goes is what lay there when the question was asked.
    """
    handed = []
    asked = many.answered(request) or many.asked_now()
    try:
        for library in chosen:
            hand_over_one(request, library, asked)
            handed.append(library.name)
    except MediaError as error:
        messages.error(request, f"The trash of {library} was not emptied: {error.message}")
    if handed:
        names = ", ".join(handed)
        messages.info(
            request, f"The trash of {names} is being emptied. Task results says how many files went."
        )


def hand_over_one(request: HttpRequest, library: Library, asked: many.Asked) -> None:
    with transaction.atomic():
        text = f"Emptying the trash of {library} was handed to a worker."
        audit.note("trash.empty", by=audit.of(request), text=text, target=library)
        epochs.require(asked.epoch)
        given = {"before": asked.asked_at, "epoch": asked.epoch, "actor": str(request.user.pk)}
        many.hand_over(many.EMPTY, library=str(library.pk), **given)


@admin.register(Library)
class LibraryAdmin(BigTable):
    form = LibraryForm
    list_display = (
        "name",
        "quota_bytes",
        "faces",
        "objects_on",
        "audio_events",
        "transcripts",
        "semantic",
        "sharing",
        "created_at",
    )
    list_filter = ("faces", "objects_on", "audio_events", "transcripts", "semantic", "sharing")
    search_fields = ("name",)
    readonly_fields = (
        "id",
        "membership_epoch",
        "created_at",
        "updated_at",
        "following",
        "files",
        "trash_link",
        "rows_about_it",
    )
    actions = ("empty_trashes",)
    inlines = (MembersInline,)

    def get_urls(self) -> list[URLPattern]:
        address = "<uuid:library_id>/empty-trash/"
        empty = path(address, self.admin_site.admin_view(self.empty_trash), name="media_library_empty_trash")
        return [empty, *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The way to empty its trash is shown to who may go it."""
        fields = super().get_fields(request, obj)
        return (
            fields if self.has_empty_permission(request) else [one for one in fields if one != "trash_link"]
        )

    @admin.display(description="trash")
    def trash_link(self, row: Any) -> SafeString:
        if row.created_at is None:
            return mark_safe("-")
        address = reverse("admin:media_library_empty_trash", args=(row.pk,))
        return format_html('<a class="console-button" href="{}">Empty the trash of this library</a>', address)

    def has_empty_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media.delete_file")

    @admin.action(description="Empty the trash: delete for good what lies in it", permissions=["empty"])
    def empty_trashes(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """Of several libraries."""
        chosen = list(rows.order_by("name", "pk")[:LIBRARIES_AT_ONCE])
        if not many.is_sure(request):
            return self.ask(request, rows, chosen)
        hand_over(request, chosen)
        return None

    def empty_trash(self, request: HttpRequest, library_id: UUID) -> HttpResponse:
        """Of one, from its own page."""
        if not self.has_empty_permission(request):
            raise PermissionDenied
        library = get_object_or_404(Library, pk=library_id)
        if request.method == "POST" and many.is_sure(request):
            hand_over(request, [library])
            return HttpResponseRedirect(reverse(page_name(library, "change"), args=(library.pk,)))
        back = reverse(page_name(library, "change"), args=(library.pk,))
        rows = Library.objects.filter(pk=library.pk)
        return self.ask(request, rows, [library], back=back)

    @admin.display(description="follows its switches")
    def following(self, row: Library) -> str:
        return ", ".join(str(one) for one in row.switchings.all()) or "yes"

    def ask(self, request: HttpRequest, rows: Any, chosen: list[Library], **told: Any) -> HttpResponse:
        """About these libraries and no others that come meanwhile."""
        asked = many.asked_now()
        keys = [library.pk for library in chosen] if "back" not in told else []
        kept = {"action": request.POST.get("action", "")}
        return many.ask(self, request, rows, asked=asked, keys=keys, kept=kept, **told, **question(chosen))

    @admin.display(description="files")
    def files(self, row: Library) -> SafeString:
        return listing(File, "Show files", library__id__exact=row.pk)

    def save_model(self, request: HttpRequest, obj: Library, form: Any, change: bool) -> None:  # noqa: FBT001  As Django calls it.
        """Switches are turned as the API turns them, so that the library follows."""
        turned = form.turned() if change else {}
        if change:
            kept = [name for name in form.changed_data if name not in {"confirm", *FIELD_OF.values()}]
            obj.save(update_fields=[*kept, "updated_at"])
        else:
            super().save_model(request, obj, form, change)
        if turned:
            switching.turn(obj, turned, confirmed=True)

    def save_formset(
        self, request: HttpRequest, form: Any, formset: BaseInlineFormSet[Any, Any, Any], change: Any
    ) -> None:
        """The formset only notes what changed, for the log; the rules of membership do the writing."""
        formset.save(commit=False)
        if isinstance(formset, MembersFormSet) and formset.has_changed():
            formset.settle()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only an empty one, and not in bulk: deleting a library must never leave bytes without a name."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and obj is not None and not File.objects.filter(library=obj).exists()
