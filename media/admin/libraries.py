"""Libraries and their members. Members are changed through `media.libraries` here too, so its rules hold."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import BaseInlineFormSet, BooleanField, ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

from alcoves.themed import TabularInline
from media import libraries, switching
from media.admin.paging import BigTable, listing
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
        "rows_about_it",
    )
    inlines = (MembersInline,)

    @admin.display(description="follows its switches")
    def following(self, row: Library) -> str:
        return ", ".join(str(one) for one in row.switchings.all()) or "yes"

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
