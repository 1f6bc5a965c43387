"""A leaf: the classes of the console's theme, with the types of those of Django, which they extend."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite, ModelAdmin, StackedInline, TabularInline
    from django.contrib.admin.views.main import ChangeList
    from django.contrib.auth.forms import (
        AdminPasswordChangeForm,
        AdminUserCreationForm,
        UserChangeForm,
    )
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.forms import (
        AdminPasswordChangeForm,
        UserChangeForm,
    )
    from unfold.forms import (
        UserCreationForm as AdminUserCreationForm,
    )
    from unfold.sites import UnfoldAdminSite as AdminSite
    from unfold.views import ChangeList

__all__ = [
    "AdminPasswordChangeForm",
    "AdminSite",
    "AdminUserCreationForm",
    "ChangeList",
    "ModelAdmin",
    "StackedInline",
    "TabularInline",
    "UserChangeForm",
]
