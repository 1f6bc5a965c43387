"""What the admin's first page needs for the dashboard: its panels, for staff who may see them."""

from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse

from alcoves.alerts.rules.base import page, rows
from alcoves.console import pages
from alcoves.console.dashboard import figures
from alcoves.console.dashboard.api import Stats


def context(request: HttpRequest) -> dict[str, Any]:
    """Nothing for other staff: they see the list of what they may open. No figure is taken here."""
    if not request.user.has_perm(Stats.see):
        return {}
    panels = [
        {
            "name": one.name,
            "title": one.title,
            "url": reverse("admin-stats-figure", kwargs={"name": one.name}),
            "every": one.every,
            "wide": one.wide,
        }
        for one in figures.shown_to(request.user)
    ]
    return {"panels": panels, "places": places(request)}


PAGES: Final = ("failures", "queues", "workers", "models", "backups")
LISTS: Final = {
    "files": "media.file",
    "folders": "media.folder",
    "originals": "media.original",
    "derivatives": "media.derivative",
    "libraries": "media.library",
    "users": "accounts.user",
    "cachedImages": "media.cachedimage",
    "downloads": "ml.download",
    "findings": "backup.finding",
}


def places(request: HttpRequest) -> dict[str, str]:
    """Where tiles and rows of the dashboard lead to: where one looks closer, or puts it right, and may."""
    allowed = {one.name for one in pages.PAGES if request.user.has_perm(one.permission)}
    found = {name: page(name) for name in PAGES if name in allowed}
    return found | {name: rows(label) for name, label in LISTS.items() if pages.may_list(request, label)}
