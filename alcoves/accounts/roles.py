"""The roles of staff: what each may do, as groups of Django that every migration brings up to date.

A role is a group; a member of staff may have several. Superusers may do everything. That somebody is staff gives
them no library: pages show rows and the console's small pictures, never originals.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

OPERATOR: Final = "operator"
LIBRARIAN: Final = "librarian"
AUDITOR: Final = "auditor"

VIEW_ALL = "*.view_*"
"""Stands for the view permission of every model."""
VIEW_MEDIA = ("media.view_*", "ml.view_*", "accounts.view_user", "django_celery_results.view_taskresult")
"""Of libraries and people; and what became of acts that were handed to a worker."""
LOOKING = (
    *(VIEW_ALL, "console.see_dashboard", "console.see_operations"),
    *("console.see_history", "console.see_audit"),
)

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    OPERATOR: (
        *LOOKING,
        *("console.see_flower", "console.control_queues", "console.run_tasks", "console.quarantine_files"),
        *(
            "console.change_settings",
            "console.choose_models",
            "console.manage_backups",
            "console.send_alerts",
        ),
        *("media.change_derivative", "media.change_original", "media.change_cachedimage"),
        *(
            "ml.change_download",
            "ml.change_choice",
            "ml.add_choice",
            "ml.add_acceptance",
            "ml.delete_acceptance",
        ),
    ),
    LIBRARIAN: (
        *(*VIEW_MEDIA, "console.see_dashboard", "console.quarantine_files"),
        *("media.change_file", "media.delete_file", "media.change_derivative", "media.change_original"),
        *("media.add_library", "media.change_library", "media.delete_library"),
        *("media.change_moment", "media.change_momentshare"),
        *("ml.change_person", "console.read_transcripts"),
    ),
    AUDITOR: (*LOOKING, "console.see_flower"),
}


def after_last(sender: Any, **given: Any) -> None:
    """Once a migration: the permissions of an app are there only after its own signal.

    We hear of the last app before Django makes its permissions, so they are made here.
    """
    from django.apps import apps
    from django.contrib.auth.management import create_permissions

    if sender is list(apps.get_app_configs())[-1]:
        create_permissions(**given)
        bring_up_to_date()


def bring_up_to_date() -> None:
    """Each role has exactly the permissions of the table."""
    from django.contrib.auth.models import Group, Permission

    known = {
        f"{one.content_type.app_label}.{one.codename}": one
        for one in Permission.objects.select_related("content_type")
    }
    for name, wanted in ROLES.items():
        group, _made = Group.objects.get_or_create(name=name)
        group.permissions.set([one for label, one in known.items() if matches(label, wanted)])


def matches(label: str, wanted: tuple[str, ...]) -> bool:
    """Whether a permission (`media.view_file`) is among those of a role."""
    return any(fnmatchcase(label, one) for one in wanted)
