"""The console's own pages beside those of the models: one table, from which addresses, sidebar and permissions come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.module_loading import import_string


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
        address="formats",
        name="formats",
        view="media.admin.formats.show",
        permission="console.see_dashboard",
        title="Formats",
        icon="image",
        group="This machine",
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
        answer: HttpResponseBase = import_string(page.view)(request, *args, **values)
        return answer

    return show


MODEL_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Media",
        (
            ("media.library", "Libraries", "photo_library"),
            ("media.folder", "Folders", "folder"),
            ("media.file", "Files", "draft"),
            ("media.original", "Originals", "database"),
            ("media.moment", "Moments", "movie_edit"),
            ("media.stack", "Stacks", "stacks"),
            ("media.upload", "Uploads", "upload"),
            ("media.cachedimage", "Image cache", "cached"),
            ("media.unnamedblob", "Blobs to be swept", "delete_sweep"),
        ),
    ),
    (
        "Understanding",
        (
            ("ml.person", "People", "groups"),
            ("ml.face", "Faces", "face"),
            ("ml.mergeproposal", "Merge proposals", "merge"),
            ("ml.detectedobject", "Objects", "category"),
            ("ml.audioevent", "Sounds", "graphic_eq"),
            ("ml.transcript", "Transcripts", "subtitles"),
            ("ml.embedding", "Embeddings", "scatter_plot"),
        ),
    ),
    (
        "People and access",
        (
            ("accounts.user", "Users", "person"),
            ("auth.group", "Roles", "badge"),
            ("accounts.accesstoken", "Access tokens", "key"),
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
    for title, models in MODEL_GROUPS:
        entries = [model_entry(*model) for model in models if may_list(request, model[0])]
        groups.setdefault(title, []).extend(entries)
    home = {"title": "Dashboard", "icon": "monitoring", "link": reverse("admin:index")}
    shown = [
        {"title": title, "separator": True, "collapsible": True, "items": items}
        for title, items in groups.items()
        if items
    ]
    return [{"title": "", "items": [home]}, *shown]


def may_list(request: HttpRequest, label: str) -> bool:
    from django.apps import apps
    from django.contrib import admin

    app, _, name = label.partition(".")
    try:
        model = apps.get_model(label)
    except LookupError:
        return False
    return admin.site.is_registered(model) and request.user.has_perm(f"{app}.view_{name}")


def model_entry(label: str, title: str, icon: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{label.replace('.', '_')}_changelist")}
