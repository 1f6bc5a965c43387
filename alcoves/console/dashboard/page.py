"""What the admin's first page needs for the dashboard: its panels, for staff who may see them."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from alcoves.alerts.rules.base import page, rows
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
        for one in figures.FIGURES
    ]
    return {"panels": panels, "places": places()}


def places() -> dict[str, str]:
    """Where tiles and rows of the dashboard lead to: where one looks closer, or puts it right."""
    return {
        **{name: page(name) for name in ("failures", "queues", "workers", "models", "backups")},
        "files": rows("media.file"),
        "folders": rows("media.folder"),
        "originals": rows("media.original"),
        "derivatives": rows("media.derivative"),
        "libraries": rows("media.library"),
        "users": rows("accounts.user"),
        "cachedImages": rows("media.cachedimage"),
        "downloads": rows("ml.download"),
        "findings": rows("backup.finding"),
    }
