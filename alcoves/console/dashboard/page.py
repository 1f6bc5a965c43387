"""What the admin's first page needs for the dashboard: its panels, for staff who may see them."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from alcoves.console.dashboard import figures
from alcoves.console.dashboard.api import PERMISSION


def context(request: HttpRequest) -> dict[str, Any]:
    """Nothing for other staff: they see the list of what they may open. No figure is taken here."""
    if not request.user.has_perm(PERMISSION):
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
    return {"panels": panels}
