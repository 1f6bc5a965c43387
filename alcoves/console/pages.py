"""The console's own pages beside those of the models: one table, from which addresses, sidebar and permissions come."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError
from redis import RedisError

logger = logging.getLogger(__name__)
NOT_SENT = (
    "Redis does not answer. What is shown here as waiting is sent as soon as it does; anything else was not begun. "
    "Try again a little later."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `view` is a dotted path; `icon` a name of Material Symbols; without a `title` it is in no menu."""

    address: str
    name: str
    view: str
    permission: str
    title: str = ""
    icon: str = ""
    group: str = "Operations"


PAGES: tuple[Page, ...] = (
    Page(
        address="settings",
        name="settings",
        view="alcoves.console.settings.page.show",
        permission="constance.view_config",
        title="Settings",
        icon="tune",
    ),
    Page(
        address="alerts",
        name="alerts",
        view="alcoves.alerts.pages.show",
        permission="console.see_operations",
        title="Alerts",
        icon="notifications",
    ),
    Page(
        address="doctor",
        name="doctor",
        view="alcoves.doctor.page.show",
        permission="console.see_operations",
        title="Doctor",
        icon="stethoscope",
        group="This machine",
    ),
    Page(
        address="backups",
        name="backups",
        view="alcoves.console.backups.show",
        permission="console.see_operations",
        title="Backups",
        icon="backup",
    ),
    Page(
        address="backups/live",
        name="backups-live",
        view="alcoves.console.backups.show_live",
        permission="console.see_operations",
    ),
    Page(
        address="backups/manifest",
        name="backups-manifest",
        view="alcoves.console.backups.download_manifest",
        permission="console.manage_backups",
    ),
    Page(
        address="backups/restore",
        name="backups-restore",
        view="alcoves.console.backups.show_restore",
        permission="console.restore_backups",
    ),
    Page(
        address="models",
        name="models",
        view="alcoves.console.models_page.show",
        permission="console.see_operations",
        title="Models",
        icon="neurology",
        group="This machine",
    ),
    Page(
        address="models/live",
        name="models-live",
        view="alcoves.console.models_page.show_live",
        permission="console.see_operations",
    ),
    Page(
        address="formats",
        name="formats",
        view="media.admin.formats.show",
        permission="console.see_dashboard",
        title="Formats",
        icon="image",
        group="This machine",
    ),
    Page(
        address="failures",
        name="failures",
        view="alcoves.console.failures.show",
        permission="console.see_history",
        title="Failures",
        icon="error",
    ),
    Page(
        address="reprocess",
        name="reprocess",
        view="alcoves.console.reprocess.show",
        permission="media.view_derivative",
        title="Reprocess",
        icon="restart_alt",
    ),
    Page(
        address="reprocess/<uuid:task>",
        name="reprocess-task",
        view="alcoves.console.reprocess.show_task",
        permission="media.view_derivative",
    ),
    Page(
        address="reprocess/<uuid:task>/live",
        name="reprocess-task-live",
        view="alcoves.console.reprocess.show_task_live",
        permission="media.view_derivative",
    ),
    Page(
        address="queues",
        name="queues",
        view="alcoves.console.queues.show",
        permission="console.see_operations",
        title="Queues",
        icon="stacked_bar_chart",
    ),
    Page(
        address="queues/live",
        name="queues-live",
        view="alcoves.console.queues.show_live",
        permission="console.see_operations",
    ),
    Page(
        address="workers",
        name="workers",
        view="alcoves.console.workers.show",
        permission="console.see_operations",
        title="Workers",
        icon="engineering",
    ),
    Page(
        address="workers/live",
        name="workers-live",
        view="alcoves.console.workers.show_live",
        permission="console.see_operations",
    ),
    Page(
        address="upkeep",
        name="upkeep",
        view="alcoves.console.upkeep.show",
        permission="console.see_operations",
        title="Upkeep",
        icon="cleaning_services",
    ),
    Page(
        address="upkeep/live",
        name="upkeep-live",
        view="alcoves.console.upkeep.show_live",
        permission="console.see_operations",
    ),
)
"""Add a line here for a new page: nothing else has to know of it."""


def urls(wrap: Callable[[Any], Any]) -> list[URLPattern]:
    """Under the admin's address, named `admin:<name>`. `wrap` is the site's `admin_view`."""
    return [path(page.address, wrap(guarded(page)), name=page.name) for page in PAGES]


def guarded(page: Page) -> Callable[..., HttpResponseBase]:
    """The page for who may see it; 403 for other staff. Whatever changes something asks for more by itself."""

    def show(request: HttpRequest, *args: Any, **values: Any) -> HttpResponseBase:
        if not request.user.has_perm(page.permission):
            raise PermissionDenied
        try:
            answer: HttpResponseBase = import_string(page.view)(request, *args, **values)
        except (OperationalError, RedisError) as error:
            if request.method != "POST":
                raise
            logger.warning("%s: the broker is away: %s", page.name, error)
            messages.error(request, NOT_SENT)
            return HttpResponseRedirect(request.path)
        return answer

    return show


SEE_FLOWER = "console.see_flower"
ALWAYS_OPEN = "Operations"
"""The theme opens the group of the page that is shown; the dashboard is of none, and this is where one goes from it."""
MODEL_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Media",
        (
            ("media.library", "Libraries", "photo_library"),
            ("media.folder", "Folders", "folder"),
            ("media.file", "Files", "draft"),
            ("media.original", "Originals", "database"),
            ("media.derivative", "Derivatives", "account_tree"),
            ("media.attempt", "Attempts", "manage_history"),
            ("media.moment", "Moments", "movie_edit"),
            ("media.momentshare", "Shared moments", "share"),
            ("media.tag", "Tags", "sell"),
            ("media.stack", "Stacks", "stacks"),
            ("media.upload", "Uploads", "upload"),
            ("media.cachedimage", "Image cache", "cached"),
            ("media.unnamedblob", "Blobs to be swept", "delete_sweep"),
            ("backup.finding", "Findings", "troubleshoot"),
            ("media.switching", "Turned switches", "toggle_on"),
        ),
    ),
    (
        "Understanding",
        (
            ("ml.person", "People", "groups"),
            ("ml.face", "Faces", "face"),
            ("ml.mergeproposal", "Merge proposals", "merge"),
            ("ml.faceproposal", "Face proposals", "face_retouching_natural"),
            ("ml.facerejection", "Rejected faces", "person_off"),
            ("ml.objectdetection", "Objects", "category"),
            ("ml.soundevent", "Sounds", "graphic_eq"),
            ("ml.transcript", "Transcripts", "subtitles"),
            ("ml.pictureembedding", "Embeddings", "scatter_plot"),
            ("ml.similardecision", "Similar, both kept", "difference"),
            ("ml.keptcopy", "Copies that are kept", "file_copy"),
            ("ml.download", "Downloads of models", "download"),
            ("ml.choice", "Chosen models", "tune"),
            ("ml.acceptance", "Accepted licences", "gavel"),
            ("ml.searchmodel", "Model of search", "manage_search"),
        ),
    ),
    (
        "Operations",
        (
            ("django_celery_results.taskresult", "Task results", "task_alt"),
            ("media.bulk", "Acts on many jobs", "playlist_add_check"),
            ("media.control", "Orders that stand", "rule"),
            ("media.workerreport", "Workers as rows", "badge"),
            ("media.sweephold", "Time-outs of the sweeper", "timer_pause"),
            ("alerts.alert", "Alerts as rows", "notification_important"),
            ("alerts.delivery", "Letters and calls", "outgoing_mail"),
            ("backup.backup", "Backups as rows", "inventory_2"),
            ("backup.look", "Looks at blobs", "frame_inspect"),
        ),
    ),
    (
        "People and access",
        (
            ("accounts.user", "Users", "person"),
            ("auth.group", "Roles", "badge"),
            ("accounts.accesstoken", "Access tokens", "key"),
            ("axes.accessattempt", "Refused logins", "block"),
            ("axes.accesslog", "Logins", "login"),
            ("media.auditentry", "Audit log", "history"),
        ),
    ),
)
"""Models in the sidebar: label, title, icon. One that is not registered, or that one may not see, is left out."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar for this member of staff."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for page in PAGES:
        if page.title and request.user.has_perm(page.permission):
            entry = {"title": page.title, "icon": page.icon, "link": reverse(f"admin:{page.name}")}
            groups.setdefault(page.group, []).append(entry)
    if request.user.has_perm(SEE_FLOWER):
        flower = {"title": "Flower", "icon": "local_florist", "link": reverse("flower")}
        groups.setdefault("Operations", []).append(flower)
    for title, models in MODEL_GROUPS:
        entries = [model_entry(*model) for model in models if may_list(request, model[0])]
        groups.setdefault(title, []).extend(entries)
    home = {"title": "Dashboard", "icon": "monitoring", "link": reverse("admin:index")}
    shown = [
        {"title": title, "separator": True, "collapsible": title != ALWAYS_OPEN, "items": items}
        for title, items in groups.items()
        if items
    ]
    return [{"title": "", "items": [home]}, *shown]


def may_list(request: HttpRequest, label: str) -> bool:
    from django.apps import apps
    from django.contrib import admin

    try:
        model = apps.get_model(label)
    except LookupError:
        return False
    if not admin.site.is_registered(model):
        return False
    return admin.site.get_model_admin(model).has_view_permission(request)


def model_entry(label: str, title: str, icon: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{label.replace('.', '_')}_changelist")}
