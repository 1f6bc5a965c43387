"""Users, roles and access tokens in the operators' console.

Nobody gives what they do not have: who is no superuser makes none, touches none, and gives no right beyond their own.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from alcoves.accounts import roles
from alcoves.accounts.models import AccessToken, User
from alcoves.themed import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    ModelAdmin,
    TabularInline,
    UserChangeForm,
)
from media.admin.paging import BigTable, EstimatingPaginator, link, listing
from media.models import Membership
from media.models.audit import AuditEntry

BEYOND = "You cannot give what you do not have: {}. Ask a superuser."


class NewUserForm(AdminUserCreationForm[User]):
    """E-mail instead of a user name."""

    class Meta:
        model = User
        fields = ("email", "name")
        field_classes: ClassVar[dict[str, Any]] = {}


class UserForm(UserChangeForm[User]):
    """Refuses rights beyond those of who gives them; `giver` is set by the page."""

    giver: Any = None

    class Meta:
        model = User
        fields = "__all__"
        field_classes: ClassVar[dict[str, Any]] = {}

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if self.giver is not None and not self.giver.is_superuser:
            if given.get("is_superuser"):
                raise ValidationError(BEYOND.format("all rights"))
            refuse_beyond(self.giver, self.added("groups"), self.added("user_permissions"))
        return given

    def added(self, name: str) -> list[Any]:
        """What was not there before."""
        there = set(getattr(self.instance, name).values_list("pk", flat=True))
        return [one for one in self.cleaned_data.get(name, ()) if one.pk not in there]


def refuse_beyond(giver: User, groups: list[Group], permissions: list[Permission]) -> None:
    """ValidationError where any of these is not one of the giver's own rights."""
    mine = giver.get_all_permissions()
    ids = [one.pk for one in permissions]
    ids += Permission.objects.filter(group__in=groups).values_list("pk", flat=True)
    wanted = Permission.objects.filter(pk__in=ids).select_related("content_type")
    beyond = [one.name for one in wanted if f"{one.content_type.app_label}.{one.codename}" not in mine]
    if beyond:
        raise ValidationError(BEYOND.format(", ".join(beyond[:3])))


class MembershipsInline(TabularInline[Membership, User]):
    """The libraries of a user: only to see. Members are changed on the page of the library."""

    model = Membership
    extra = 0
    max_num = 50
    fields = readonly_fields = ("library_link", "role", "created_at")
    verbose_name_plural = "libraries"
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        rows: QuerySet[Membership] = super().get_queryset(request).select_related("library")
        return rows

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="library")
    def library_link(self, row: Membership) -> SafeString | str:
        return link(row.library)


LEADS_TO: Final = {"tokens": AccessToken, "acts": AuditEntry}
"""Links of the page of a user to lists that not all who see the page may see."""


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User], ModelAdmin[User]):
    form = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = (
        "email",
        "name",
        "roles",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
        "created_at",
    )
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "name")
    readonly_fields = ("last_login", "created_at", "tokens", "acts")
    filter_horizontal = ("user_permissions",)
    inlines = (MembershipsInline,)
    show_full_result_count = False
    paginator = EstimatingPaginator
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (
            "What they may do",
            {
                "fields": ("is_active", "is_staff", "groups", "is_superuser"),
                "description": "For a role: tick “staff”, and choose the role. Superusers may do everything.",
            },
        ),
        ("Single rights", {"classes": ("collapse",), "fields": ("user_permissions",)}),
        ("Seen", {"fields": ("last_login", "created_at", "tokens", "acts")}),
    )
    add_fieldsets = (
        (
            None,
            {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows: QuerySet[User] = super().get_queryset(request).prefetch_related("groups")
        return rows

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Links are shown to who may follow them."""
        shut = {name for name, model in LEADS_TO.items() if not sees(request, model)}
        return [
            (title, {**about, "fields": tuple(one for one in about["fields"] if one not in shut)})
            for title, about in super().get_fieldsets(request, obj)
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: Any = False, **more: Any) -> Any:  # noqa: FBT002
        """The form knows who fills it in."""
        form = super().get_form(request, obj, change=change, **more)
        return type(form.__name__, (form,), {"giver": request.user})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = () if is_root(request) else ("is_superuser",)
        return (*super().get_readonly_fields(request, obj), *own)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and may_touch(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Django asks about many only once, and not about each."""
        if not all(may_touch(request, row) for row in queryset):
            raise PermissionDenied
        super().delete_queryset(request, queryset)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002  Django's.
        """The new password and its entry in the audit log in one transaction."""
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    @admin.display(description="roles")
    def roles(self, row: User) -> str:
        return ", ".join(group.name for group in row.groups.all()) or "-"

    @admin.display(description="access tokens")
    def tokens(self, row: User) -> SafeString:
        return listing(AccessToken, "Show access tokens", user__id__exact=row.pk)

    @admin.display(description="audit log")
    def acts(self, row: User) -> SafeString:
        return listing(AuditEntry, "Show what they did", actor__id__exact=row.pk)


def sees(request: HttpRequest, model: Any) -> bool:
    """Whether the list of a model opens for who asks."""
    return bool(admin.site.get_model_admin(model).has_view_permission(request))


def is_root(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def may_touch(request: HttpRequest, other: User | None) -> bool:
    """A new password of another is all of their rights, so these may be no more than those of who asks.

    Of the switched off too: whoever may change them may switch them on.
    """
    if other is None or is_root(request):
        return True
    return not other.is_superuser and holds(request, list(other.groups.all()), other.user_permissions.all())


class GroupForm(ModelForm[Group]):
    """A role. `giver` is set by the page."""

    giver: Any = None

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if self.giver is not None and not self.giver.is_superuser:
            refuse_beyond(self.giver, [], list(given.get("permissions", ())))
        return given


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, ModelAdmin[Group]):
    """Ours are brought up to date by every migration, so they are only looked at; others may be made beside them."""

    form = GroupForm
    list_display = ("name", "of_ours", "people")
    search_fields = ("name",)
    readonly_fields = ("people",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: Any = False, **more: Any) -> Any:  # noqa: FBT002
        form = super().get_form(request, obj, change=change, **more)
        return type(form.__name__, (form,), {"giver": request.user})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not is_ours(obj) and within(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One at a time: an action on many would ask about none of them."""
        allowed = super().has_delete_permission(request, obj) and obj is not None
        return allowed and not is_ours(obj) and within(request, obj)

    @admin.display(boolean=True, description="of Alcoves")
    def of_ours(self, row: Group) -> bool:
        return is_ours(row)

    @admin.display(description="people")
    def people(self, row: Group) -> SafeString:
        return listing(User, "Show who has it", groups__id__exact=row.pk)


def is_ours(group: Group | None) -> bool:
    return group is not None and group.name in roles.ROLES


def within(request: HttpRequest, group: Group | None) -> bool:
    """Whether all that a group may do is also a right of who asks."""
    return group is None or is_root(request) or holds(request, [group], [])


def holds(request: HttpRequest, groups: list[Group], permissions: Iterable[Permission]) -> bool:
    """Whether who asks has all rights of these."""
    try:
        refuse_beyond(request.user, groups, list(permissions))  # type: ignore[arg-type]  # Staff are users.
    except ValidationError:
        return False
    return True


@admin.register(AccessToken)
class AccessTokenAdmin(BigTable):
    """To see and to revoke (delete). Only their user can make one, because only then is the secret shown."""

    list_display = ("name", "user", "created_at", "last_used_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("=id", "=user__email")
    search_help_text = "The e-mail address of a user, or the id of a token."
    ordering = ("-id",)
    fields = ("name", "user_link", "created_at", "last_used_at", "expires_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="user")
    def user_link(self, row: AccessToken) -> SafeString | str:
        return link(row.user)
