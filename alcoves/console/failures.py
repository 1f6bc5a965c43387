"""Failures by what was said: so many files, one trouble; the rows of a group, and all of it made anew."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from alcoves.alerts.rules.kept import limited
from alcoves.console.dashboard import figures
from media import grouping
from media.grouping import Group


def show(request: HttpRequest) -> HttpResponse:
    """The largest groups; one query, whatever their number, and a sentence where it takes too long."""
    groups, trouble = [], ""
    try:
        with limited(figures.LIMIT_SECONDS):
            groups = grouping.find_groups(grouping.SHOWN + 1)
    except DatabaseError as error:
        trouble = figures.sentence("groups of failures", error)
    about = {
        **admin.site.each_context(request),
        "title": "Failures",
        "groups": [described(group) for group in groups[: grouping.SHOWN]],
        "trouble": trouble,
        "jobs": sum(min(group.jobs, grouping.COUNTED) for group in groups[: grouping.SHOWN]),
        "counted": grouping.COUNTED,
        "uncounted": any(group.more for group in groups),
        "more": len(groups) > grouping.SHOWN,
        "shown": grouping.SHOWN,
        "may_reprocess": request.user.has_perm("media.change_derivative"),
    }
    return TemplateResponse(request, "console/failures.html", about)


def described(group: Group) -> dict[str, Any]:
    marks = {"deriver": group.deriver, "error_code": group.error_code, "failure": group.failure}
    rows = {**marks, "status__exact": "failed"}
    again = {**{name: value for name, value in marks.items() if value}, "status": "failed"}
    if not group.failure:
        again["silent"] = "yes"
    return {
        "group": group,
        "rows": f"{reverse('admin:media_derivative_changelist')}?{urlencode(rows)}",
        "again": f"{reverse('admin:reprocess')}?{urlencode(again)}",
        "example": reverse("admin:media_derivative_change", args=(group.example,)),
    }
